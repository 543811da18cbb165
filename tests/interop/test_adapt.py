"""What layers learn from data by `adapt`: what Keras's learn from the same; their configurations, files and archives
both ways."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.layers.preprocessing import discretization, normalization

import random_models
from lamina_driver import LaminaError, keras_call
from state import file_values, state_differences

HOW = ["array", "list", "loader"]


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch):
    """Keras's `adapt` asks of what it is given whether it is TensorFlow's, and fails where that is not installed."""
    nothing = SimpleNamespace(data=SimpleNamespace(Dataset=type("Dataset", (), {})), is_tensor=lambda x: False)
    for module in (discretization, normalization):
        monkeypatch.setattr(module, "tf", nothing)


def _pair(shape, layer, lamina):
    """A model of a layer that has learnt nothing, in either library."""
    x = keras.Input(shape)
    model = keras.Model(x, layer(x))
    return model, lamina.from_json(model.to_json())


def _batches(draw, rng, shape, how):
    return [rng.normal(3, 2, (draw.randint(1, 40), *shape)).astype("float32")
            for _ in range(1 if how == "array" else draw.randint(1, 6))]


def _spread(batches):
    """Over so many magnitudes that hardly ever two of them share a value, whose order Keras's sort leaves open."""
    return [np.sign(x) * np.exp(4 * np.abs(x) - 12) for x in batches]


def _adapt(layer, ours, batches, how):
    """Both; a loader's batches have labels."""
    given = {"array": batches[0], "list": batches, "loader": [(x, np.zeros(len(x))) for x in batches]}[how]
    if how == "loader" and isinstance(layer, layers.Discretization):
        given = batches  # which Keras's takes for data, labels and all
    layer.adapt(given)
    ours.adapt(layer.name, batches, how)


def _values(model, folder, name):
    path = folder / f"{name}.weights.h5"
    model.save_weights(path)
    return file_values(path)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("axis", [-1, None, 1, (2, 1), (1, 3), (-1, 1, 2)], ids=str)
def test_normalization(axis, how, draw, rng, lamina, tmp_path):
    shape = tuple(draw.randint(1, 5) for _ in range(3))
    layer = layers.Normalization(axis=axis, invert=draw.random() < 0.3)
    model, ours = _pair(shape, layer, lamina)
    batches = _batches(draw, rng, shape, how)
    _adapt(layer, ours, batches, how)
    learnt, expected = _values(ours, tmp_path, "ours"), _values(model, tmp_path, "theirs")
    assert learnt.keys() == expected.keys() and len(expected) == 3  # the count is 0 in both
    for name, value in expected.items():
        np.testing.assert_allclose(learnt[name], value, rtol=2e-5, atol=1e-6, err_msg=name)

    # What one of them has learnt the other one takes, to the bit.
    twin = keras.models.model_from_json(ours.to_json())
    twin.load_weights(tmp_path / "ours.weights.h5")
    assert state_differences(twin, ours) == []
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert state_differences(model, ours) == []
    x = batches[-1]
    np.testing.assert_allclose(ours.predict([x])[0], random_models.outputs(model, [x])[0], rtol=1e-5, atol=1e-5)


def _bins(ours):
    return json.loads(ours.to_json())["config"]["layers"][1]["config"]["bin_boundaries"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization(mode, how, draw, rng, lamina, tmp_path):
    for _ in range(8):
        epsilon = draw.choice([0.01, 0.3, 0.1, draw.uniform(0.001, 1)])
        layer = layers.Discretization(num_bins=draw.randint(1, 60), epsilon=epsilon, output_mode=mode)
        model, ours = _pair((4,), layer, lamina)
        batches = _spread(_batches(draw, rng, (4,), how))
        _adapt(layer, ours, batches, how)
        assert _bins(ours) == layer.bin_boundaries, layer.get_config()
        if mode != "int" and len(layer.bin_boundaries) + 1 != layer.num_bins:
            continue  # fewer numbers than bins: the model is of another shape
        x = batches[0]
        assert np.array_equal(ours.predict([x])[0], random_models.outputs(model, [x])[0])

    # Archives have the bins in their configuration, and weights files nothing.
    assert _values(ours, tmp_path, "ours") == _values(model, tmp_path, "theirs") == {}
    assert state_differences(model, ours) == []
    ours.save(tmp_path / "ours.keras")
    model.save(tmp_path / "theirs.keras")
    assert keras.models.load_model(tmp_path / "ours.keras").layers[1].bin_boundaries == layer.bin_boundaries
    assert _bins(lamina.load_archive(tmp_path / "theirs.keras")) == layer.bin_boundaries


def test_some_steps_of_a_loader(draw, rng, lamina):
    layer = layers.Discretization(num_bins=5)
    _, ours = _pair((4,), layer, lamina)
    batches = _spread(_batches(draw, rng, (4,), "list") + _batches(draw, rng, (4,), "list"))
    layer.adapt(batches, steps=2)
    ours.adapt(layer.name, batches, "loader", steps=2)
    assert _bins(ours) == layer.bin_boundaries


@pytest.mark.parametrize("layer,how,batches", [
    (lambda: layers.Discretization([0.0, 1.0]), "list", 1), (lambda: layers.Normalization(), "list", 0),
    (lambda: layers.Dense(2), "array", 1),
    (lambda: layers.Normalization(), "array", np.zeros((2, 3), "float32"))], ids=["given", "empty", "none", "shape"])
def test_the_same_is_refused(layer, how, batches, lamina):
    layer = layer()
    _, ours = _pair((4,), layer, lamina)
    data = [batches] if isinstance(batches, np.ndarray) else [np.ones((2, 4), "float32")] * batches
    _, _, error = keras_call(lambda: layer.adapt(data if how == "list" else data[0]))
    with pytest.raises(LaminaError) as refused:
        ours.adapt(layer.name, data, how)
    assert str(error)[:40] in str(refused.value), error
