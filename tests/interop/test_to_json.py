"""What Lamina writes as a model's configuration: Keras makes an equal model of it, with equal weights and outputs."""

import json
import re

import jax
import keras
import numpy as np
import pytest
from keras import layers

import random_models
import tolerances
import values
from lamina_driver import keras_call
from layer_options import KINDS
from test_attention import classifier, encoder_and_decoder, scored
from test_layers import _try_model
from test_random_models import assert_same_weights, remade


def settled(config):
    """A configuration as JSON, without what says nothing: the order of arguments, and those that are not given."""
    return _settled(json.loads(json.dumps(config)))


def _settled(value):
    if isinstance(value, list):
        return [_settled(item) for item in value]
    if isinstance(value, float):
        return float(np.float32(value))  # a regularizer's numbers are arrays of JAX's, of its widest dtype at the time
    if not isinstance(value, dict):
        return value
    value = {key: _settled(item) for key, item in value.items() if key not in ("compile_config", "build_config")}
    if value.get("class_name") in ("MultiHeadAttention", "GroupQueryAttention") and "inbound_nodes" in value:
        value["inbound_nodes"] = [_by_name(node) for node in value["inbound_nodes"]]
    if value.get("class_name") == "Softmax" and isinstance(value["config"]["axis"], list):
        axes = value["config"]["axis"]
        value["config"]["axis"] = axes[0] if len(axes) == 1 else axes
    if value.get("class_name") == "Identity" and value["module"] == "keras.initializers":
        value.pop("config")  # Keras forgets the gain
    if "kwargs" in value:
        value["kwargs"] = {key: item for key, item in value["kwargs"].items() if item not in (None, False)}
    return value


def _by_name(node):
    return {"args": [], "kwargs": dict(zip(("query", "value", "key"), node["args"])) | node["kwargs"]}


@pytest.mark.parametrize("made", [lambda function: function, jax.jit], ids=["function", "program"])
def test_programs_of_other_constants_are_not_the_same(made):
    def model(constants):
        x = keras.Input((len(constants),))
        return keras.Model(x, layers.Lambda(made(lambda value: value * constants))(x))

    some, others = np.arange(1, 8, dtype="float32"), np.arange(7, 0, -1, dtype="float32")
    given = [np.ones((2, 7), "float32")]
    assert random_models.same_program(model(some), model(some.copy()), given)
    assert not random_models.same_program(model(some), model(others), given)


def again(model, lamina):
    """What Keras makes of what Lamina writes of the model."""
    ours = lamina.from_json(model.to_json())
    text = ours.to_json()
    assert lamina.from_json(text).to_json() == text
    return remade(text)


def _own_names(model):
    """Of variables; those without a name, such as LayerScale's, are counted from one model to the next."""
    return [re.sub(r"variable(_\d+)?$", "variable", w.path.split("/")[-1]) for w in model.weights]


def assert_written(model, rng, lamina, tmp_path, rows=2, dtype=None):
    """The configuration comes back equal, weights of the one model are those of the other, and so are outputs."""
    twin = again(model, lamina)
    assert settled(twin.get_config()) == settled(model.get_config())
    assert _own_names(twin) == _own_names(model)
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    twin.load_weights(tmp_path / "m.weights.h5")
    assert_same_weights(model, twin)
    inputs = [values.random_input(rng, (rows, *(size or 6 for size in x.shape[1:])), dtype or x.dtype)
              for x in model.inputs]
    if random_models.same_program(twin, model, inputs):
        return  # compiled, they would give the same
    for a, b in zip(random_models.outputs(twin, inputs), random_models.outputs(model, inputs), strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_layer(name, draw, rng, lamina, tmp_path):
    for policy in draw.sample(random_models.POLICIES, 2):  # others the next time
        keras.utils.clear_session(free_memory=False)
        model = _try_model(draw, name, policy)
        lamina.request("reset")
        lamina.request("set_dtype_policy", policy=policy)
        assert_written(model, rng, lamina, tmp_path, dtype=KINDS[name].dtype)


@pytest.mark.cases(25)
def test_random_model(case, draw, rng, lamina, tmp_path):
    model, policy = random_models.random_model(draw)
    lamina.request("set_dtype_policy", policy=policy)  # which Sequential models have
    assert_written(remade(model.to_json()), rng, lamina, tmp_path)


@pytest.mark.parametrize("make", [classifier, encoder_and_decoder, scored])
def test_transformers(make, rng, lamina, tmp_path):
    assert_written(remade(make().to_json()), rng, lamina, tmp_path)


I, R, C = keras.initializers, keras.regularizers, keras.constraints


@pytest.mark.parametrize("options", [
    {"kernel_initializer": I.Constant(0.5), "bias_initializer": I.Ones()},
    {"kernel_initializer": I.Constant([[1.0], [2.0], [3.0]])},
    {"kernel_initializer": I.RandomNormal(0.5, 2.0, seed=3), "bias_initializer": I.RandomUniform(-1.0, 2.0)},
    {"kernel_initializer": I.TruncatedNormal(0.5, 2.0, seed=2**32 - 1)},
    {"kernel_initializer": I.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=1)},
    {"kernel_initializer": I.VarianceScaling(0.5, "fan_avg", "normal")},
    {"kernel_initializer": I.Orthogonal(0.5)}, {"kernel_initializer": I.Identity()},
    *({"kernel_initializer": getattr(I, name)(seed=7)}
      for name in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")),
    {"kernel_regularizer": R.L1(0.1), "bias_regularizer": R.L2(0.2), "activity_regularizer": R.L1L2(0.1, 0.3)},
    {"kernel_regularizer": R.OrthogonalRegularizer(0.1, mode="columns")},
    {"kernel_constraint": C.MaxNorm(3, axis=[0, 1]), "bias_constraint": C.NonNeg()},
    {"kernel_constraint": C.UnitNorm(axis=None), "bias_constraint": C.MinMaxNorm(0.1, 2.0, 0.5)},
    {"activation": layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.5)},
    {"activation": layers.LeakyReLU(negative_slope=0.3)}, {"activation": layers.ELU(alpha=0.5)},
    {"activation": layers.Softmax(axis=-1)}, {"activation": "swish"}, {"trainable": False}], ids=",".join)
def test_options_of_dense(options, rng, lamina, tmp_path):
    x = keras.Input((3,))
    assert_written(keras.Model(x, layers.Dense(4, **options)(x)), rng, lamina, tmp_path)


def test_operations_and_nesting(rng, lamina, tmp_path):
    a, b = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    shared = layers.Dense(4)
    x, y = shared(a), shared(b)
    outputs = {"rest": [1 - x, x * 2, keras.ops.maximum(x, y), keras.ops.divide(x, 3.0)], "sum": x + y}
    assert_written(keras.Model({"one": a, "two": b}, outputs), rng, lamina, tmp_path)
    assert_written(keras.Model([a], [shared(a)]), rng, lamina, tmp_path)


def test_a_nested_model_that_takes_a_dict(rng, lamina, tmp_path):
    """It is given one again, about which Keras warns of nothing."""
    inner_a, inner_b = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    inner = keras.Model({"one": inner_a, "two": inner_b}, {"q": layers.Dense(3)(inner_a - inner_b)})
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], inner({"two": a, "one": b})["q"])
    assert_written(model, rng, lamina, tmp_path)
    _, warned, error = keras_call(again(model, lamina).predict, [np.ones((2, 4)), np.zeros((2, 4))], verbose=0)
    assert error is None and warned == []


def test_models_that_are_not_built(lamina):
    model = keras.Sequential([layers.Dense(2), layers.Dropout(0.5, seed=4)], name="deferred")
    twin = again(model, lamina)
    assert settled(twin.get_config()) == settled(model.get_config())
    assert not twin.built


def test_an_application(rng, lamina, tmp_path):
    """EfficientNetV2B0 of Lamina's own layers: Keras makes it of its configuration."""
    ours = lamina.application("EfficientNetV2B0", classes=10, input_shape=[64, 64, 3])
    model = keras.models.model_from_json(ours.to_json())
    theirs = keras.applications.EfficientNetV2B0(weights=None, classes=10, input_shape=(64, 64, 3))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    theirs.load_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    images = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = random_models.outputs(model, [images])[0]
    assert (random_models.same_program(theirs, model, [images])
            or tolerances.distance(random_models.outputs(theirs, [images])[0], expected) <= tolerances.APPLICATION)
    assert tolerances.distance(ours.predict([images])[0], expected) <= tolerances.APPLICATION
