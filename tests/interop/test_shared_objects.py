"""Objects that several layers of an archive share, which Keras marks by a `shared_object_id`. Those that a layer is
made with have no state, and Lamina makes one for each layer; a layer of several models Keras itself loses."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import values
from lamina_driver import LaminaError


def config_of(archive):
    with zipfile.ZipFile(archive) as members:
        return members.read("config.json").decode()


def shared_objects(config, found=None):
    """The classes of objects that have an id."""
    found = set() if found is None else found
    if isinstance(config, dict):
        if "shared_object_id" in config:
            found.add(config["class_name"])
        config = list(config.values())
    for value in config if isinstance(config, list) else []:
        shared_objects(value, found)
    return found


def model_that_shares():
    common = dict(kernel_initializer=keras.initializers.HeNormal(seed=3), kernel_regularizer=keras.regularizers.L2(0.01),
                  kernel_constraint=keras.constraints.MaxNorm(2.0), activation=layers.LeakyReLU(0.25),
                  dtype=keras.dtype_policies.DTypePolicy("float32"))
    x = keras.Input((6,), name="x")
    y = layers.Dense(4, name="b", **common)(layers.Dense(5, name="a", **common)(x))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="c", **common)], name="inner")
    return keras.Model(x, inner(y))


def test_what_layers_are_made_with(rng, lamina, tmp_path):
    model = model_that_shares()
    values.randomize(model, rng)
    model.save(tmp_path / "m.keras")
    assert shared_objects(json.loads(config_of(tmp_path / "m.keras"))) >= {
        "HeNormal", "L2", "MaxNorm", "LeakyReLU", "DTypePolicy"}
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    x = rng.normal(size=(4, 6)).astype("float32")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict([x])[0], expected, rtol=1e-5, atol=1e-6)
    assert again.predict(x, verbose=0).tobytes() == expected.tobytes()


def test_a_layer_of_several_models(rng, lamina, tmp_path):
    """Keras stores its variables once, writes no id where it comes first, and so makes two of it."""
    dense = layers.Dense(4, name="d")
    parts = [keras.Sequential([keras.Input((4,)), *first, dense]) for first in ([], [layers.ReLU()])]
    model = keras.Sequential([keras.Input((4,)), *parts])
    model.save(tmp_path / "m.keras")
    wrong = "Layer 'd' expected 2 variables, but received 0 variables during loading"
    with pytest.raises(ValueError, match=wrong):
        keras.models.load_model(tmp_path / "m.keras")
    with pytest.raises(LaminaError, match=wrong):
        lamina.load_archive(tmp_path / "m.keras")
