"""EfficientNetV2 with every variable random: saved by Keras, loaded by Lamina, equal logits; saved by
Lamina, loaded by Keras, equal bits."""

import keras
import numpy as np
import pytest

import tolerances
import values
from h5_compare import checkpoint_differences
from test_random_models import assert_same_weights


def _random_application(name, rng, gain=4):
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    _randomize(model, rng, gain)
    return model


def _randomize(model, rng, gain=4):
    """Squeezing and gating damp a random signal: kernels make up for it, so that the input matters."""
    values.randomize(model, rng, gain=gain)
    _calm_residuals(model, rng)


def _calm_residuals(model, rng):
    """Dozens of random blocks add up: small residuals keep the logits from drowning the input, and the
    network from magnifying what any two libraries round apart (with 0.4 in place of 0.1 some draws of
    EfficientNetV2L turned 1e-6 of the input into 1e-3 of the logits, in Keras alone)."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and "project" in layer.name:
            if not layer.name.split("_")[0].endswith("a"):  # the first of a stage: no addition follows
                layer.gamma.assign(rng.uniform(-0.1, 0.1, layer.gamma.shape))


def _images(rng, size, count=1):
    """Waves of random direction and colour, and noise: pooling would make equals of mere noise."""
    axis = np.linspace(0, 1, size)
    images = np.zeros((count, size, size, 3))
    for image in images:
        for channel in range(3):
            along, across = np.meshgrid(axis * rng.uniform(-40, 40), axis * rng.uniform(-40, 40))
            image[..., channel] = 128 + 100 * np.sin(along + across + rng.uniform(0, 6))
    return np.clip(images + rng.normal(0, 20, images.shape), 0, 255).astype("float32")


def _assert_logits(model, ours, images):
    theirs = np.asarray(model(images, training=False))
    assert np.isfinite(theirs).all() and theirs.std() > 1e-3
    distance = tolerances.distance(ours.predict([images])[0], theirs)
    print(f"\n{model.name} at {images.shape}: {distance:.2e} of {np.abs(theirs).max():.3g}")
    assert distance <= tolerances.APPLICATION
    return theirs


def _exchange(model, name, lamina, tmp_path):
    """Keras saves one file and shards, Lamina loads both and saves them again, Keras loads those."""
    folders = [tmp_path / "keras", tmp_path / "lamina"]
    for folder in folders:
        folder.mkdir()
    loaded = []
    for file, save in (("m.weights.h5", {}), ("m.weights.json", {"max_shard_size": 0.01 if "B0" in name else 0.25})):
        model.save_weights(folders[0] / file, **save)
        lamina.request("clear_session")  # automatic names begin anew, as they did in Keras
        mine = lamina.application(name, classifier_activation="linear")
        mine.load_weights(folders[0] / file)
        mine.save_weights(folders[1] / file, **save)
        loaded.append(mine)
    assert checkpoint_differences(*folders) == []
    assert len(list(folders[0].glob("m_*.weights.h5"))) >= 2
    again = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    for file in ("m.weights.h5", "m.weights.json"):
        again.load_weights(folders[1] / file)
        assert_same_weights(model, again)
        for variable in again.variables:
            variable.assign(np.zeros(variable.shape))
    return loaded


def test_efficientnet_v2_b0(rng, lamina, tmp_path):
    model = _random_application("EfficientNetV2B0", rng)
    made = _exchange(model, "EfficientNetV2B0", lamina, tmp_path)
    images = _images(rng, 224, 2)
    for ours in made:
        logits = _assert_logits(model, ours, images)
    # The input matters: two images give different logits.
    assert np.abs(logits[0] - logits[1]).max() > 1e-2 * np.abs(logits).max()


def test_efficientnet_v2_l(rng, lamina, tmp_path):
    model = _random_application("EfficientNetV2L", rng, gain=3)
    made = _exchange(model, "EfficientNetV2L", lamina, tmp_path)
    images = _images(rng, 480)
    logits = _assert_logits(model, made[1], images)
    other = made[1].predict([_images(rng, 480)])[0]
    assert np.abs(logits - other).max() > 1e-2 * np.abs(logits).max()
    assert made[0].predict([images])[0].tobytes() == made[1].predict([images])[0].tobytes()


@pytest.mark.parametrize("name", ["EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3", "EfficientNetV2S", "EfficientNetV2M"])
def test_other_variants_have_the_same_weights(name, lamina):
    model = getattr(keras.applications, name)(weights=None)
    ours = lamina.application(name)
    expected = [(v.path, tuple(v.shape), v.dtype) for v in model.weights]
    assert sorted(ours.weights()) == sorted(expected)


@pytest.mark.parametrize("options", [
    {"include_top": False, "pooling": "avg"}, {"include_top": False, "pooling": "max", "include_preprocessing": False},
    {"include_top": False, "input_shape": [64, 96, 3]}, {"classes": 7, "input_shape": [64, 64, 3]}], ids=str)
def test_options_of_b0(options, rng, lamina, tmp_path):
    keywords = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    model = keras.applications.EfficientNetV2B0(weights=None, **keywords)
    _randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.application("EfficientNetV2B0", **options)
    ours.load_weights(tmp_path / "m.weights.h5")
    shape = (64, 64) if "input_shape" not in options else options["input_shape"][:2]
    images = _images(rng, 96)[:, :shape[0], :shape[1]]
    distance = tolerances.distance(ours.predict([images])[0], np.asarray(model(images, training=False)))
    assert distance <= tolerances.APPLICATION


def test_a_model_from_json_is_the_application(rng, lamina, tmp_path):
    """to_json of an application and the application made of Lamina's own layers are one model."""
    model = keras.applications.EfficientNetV2B0(weights=None, input_shape=(64, 64, 3))
    _randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    images = _images(rng, 64)
    outputs = []
    for ours in (lamina.from_json(model.to_json()), lamina.application("EfficientNetV2B0", input_shape=[64, 64, 3])):
        ours.load_weights(tmp_path / "m.weights.h5")
        outputs.append(ours.predict([images])[0])
    assert outputs[0].tobytes() == outputs[1].tobytes()
