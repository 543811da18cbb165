"""Whole models in legacy HDF5 files: saved by Keras, made again by Lamina as Keras makes them."""

import json

import h5py
import keras
import numpy as np
import pytest

import values
from test_legacy_h5 import _convnet, _sequences, _words
from test_random_models import assert_same_weights


def _assert_same(ours, model, tmp_path):
    """By way of an archive that Keras loads."""
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert_same_weights(model, again)
    return again


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
@pytest.mark.parametrize("make", [_convnet, _sequences], ids=lambda make: make.__name__.strip("_"))
def test_a_model_is_made_again(make, suffix, rng, lamina, tmp_path):
    model = make()
    values.randomize(model, rng)
    model.save(tmp_path / f"m{suffix}")
    ours = lamina.load_archive(tmp_path / f"m{suffix}")
    assert any("No training configuration" in warning for warning in lamina.warnings)
    _assert_same(ours, model, tmp_path)


def _shared():
    """A nested model and a nested Sequential, each called twice."""
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    z = keras.Input((4,))
    inner = keras.Model(z, keras.layers.Dense(3, activation="tanh")(z), name="inner")
    stack = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="stacked")], name="stack")
    x = keras.layers.Concatenate()([stack(inner(first)), stack(inner(second))])
    x = keras.layers.Dense(2, kernel_regularizer="l2", name="out")(x)
    return keras.Model([first, second], [x, stack(inner(second))])


def _as_keras_2(value):
    """What Keras 3 wrote, as Keras 2 would have."""
    if isinstance(value, list):
        return [_as_keras_2(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    value = {key: _as_keras_2(item) for key, item in value.items() if key not in ("module", "registered_name")}
    if "batch_shape" in value:
        value["batch_input_shape"] = value.pop("batch_shape")
    return value


def _edit_config(path, edit):
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = edit(file.attrs["model_config"])


@pytest.mark.parametrize("make", [_convnet, _shared], ids=lambda make: make.__name__.strip("_"))
def test_objects_without_modules_are_keras_own(make, rng, lamina, tmp_path):
    model = make()
    values.randomize(model, rng)
    path = tmp_path / "m.h5"
    model.save(path)
    _edit_config(path, lambda text: json.dumps(
        _as_keras_2(json.loads(text))))
    keras_made = keras.models.load_model(path)
    assert_same_weights(model, keras_made)
    _assert_same(lamina.load_archive(path), model, tmp_path)


@pytest.mark.parametrize("name,options", [("Adam", {"learning_rate": 0.01}), ("SGD", {"momentum": 0.9}),
                                          ("RMSprop", {"centered": True})], ids=lambda v: v if isinstance(v, str) else "")
def test_training_goes_on_with_the_optimizer(name, options, rng, lamina, tmp_path):
    model = _convnet(3)
    values.randomize(model, rng)
    model.compile(getattr(keras.optimizers, name)(**options),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = rng.normal(0, 1, (40, 12, 12, 3)).astype("float32")
    y = rng.integers(0, 3, 40).astype("int32")
    model.fit(x[:20], y[:20], batch_size=4, shuffle=False, verbose=0)
    model.save(tmp_path / "m.h5")
    ours = lamina.load_archive(tmp_path / "m.h5")
    assert not lamina.warnings
    again = _assert_same(ours, model, tmp_path)
    # Keras itself gives the optimizer of such a file no variables for the model's.
    for mine, other in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        assert np.array_equal(mine, other), other.path
    expected = [float(model.train_on_batch(x[i:i + 4], y[i:i + 4])) for i in range(20, 40, 4)]
    losses = [log["loss"] for log in ours.train(x[20:], y[20:], 4)]
    assert np.allclose(losses, expected, rtol=1e-4)


@pytest.mark.parametrize("version,differs", [("2.15.0", True), (None, True), (keras.__version__, False)])
def test_what_keras_3_computes_otherwise_is_warned_of(version, differs, lamina, tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(2, recurrent_activation="hard_sigmoid")])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file.attrs["keras_version"]
        if version:
            file.attrs["keras_version"] = version
    lamina.load_archive(tmp_path / "m.h5")
    assert any("hard_sigmoid" in warning for warning in lamina.warnings) == differs


def test_a_file_of_weights_alone_is_no_model(lamina, tmp_path):
    _convnet().save_weights(tmp_path / "m.weights.h5")
    words = _words(lambda: keras.models.load_model(tmp_path / "m.weights.h5"))
    assert words.rstrip(".") in _words(lambda: lamina.load_archive(tmp_path / "m.weights.h5"))


def test_an_optimizer_that_does_not_fit_begins_anew(rng, lamina, tmp_path):
    model = _convnet(3)
    model.compile(keras.optimizers.Adam(), keras.losses.MeanSquaredError())
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        group = file["optimizer_weights"]
        group.attrs["weight_names"] = group.attrs["weight_names"][:-1]
    ours = lamina.load_archive(tmp_path / "m.h5")
    assert any("starting with a freshly initialized optimizer" in warning for warning in lamina.warnings)
    _assert_same(ours, model, tmp_path)
