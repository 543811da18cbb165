"""Each layer alone, with random options, under random dtype policies: Keras writes the weights, Lamina
reads them and predicts the same, and writes the same file."""

import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
from h5_compare import checkpoint_differences
from layer_options import FORGETTING, KINDS, UNCAST, call, draw_options, layer_class, random_shape

SAMPLES = 3  # for each policy


def _inputs(draw, name, shape, options):
    """Placeholders for one layer: equal shapes, or for merging some that broadcast."""
    kind = KINDS[name]
    dtype = draw.choice(["int32", "int32", "float32", "uint8"]) if kind.dtype == "int32" else None
    if name in UNCAST:
        dtype = keras.config.dtype_policy().compute_dtype
    first = keras.Input(shape, dtype=dtype)
    if kind.inputs == "one":
        return first
    if kind.inputs == "attention":
        return _attended(draw, first)
    if kind.inputs == "weighed":
        return _weighed(draw, first, name)
    if kind.inputs == "dotted":
        size = first.shape[options["axes"][0]]
        return [first, keras.Input((*random_shape(draw, (1, 2, 3))[:-1], size))]
    count = 2 if kind.inputs == "two" else draw.randint(2, 4)
    others = [shape] * (count - 1)
    if name != "Concatenate":
        others = [tuple(1 if draw.random() < 0.3 else size for size in shape) for _ in others]
    return [first] + [keras.Input(other) for other in others]


def _attended(draw, query):
    """Query and value, and perhaps a key: sources at least as many as targets, so that a window leaves each some."""
    if draw.random() < 0.3:
        return [query, query]
    places = [size + draw.randint(0, 2) for size in query.shape[1:-1]]
    return [query] + [keras.Input((*places, draw.randint(1, 6))) for _ in range(draw.randint(1, 2))]


def _weighed(draw, query, name):
    """Query and value, and perhaps a key: with heads the value, else the key has the query's features."""
    if draw.random() < 0.3:
        return [query, query]
    places, features = query.shape[1] + draw.randint(0, 2), query.shape[2]
    like_query, other = keras.Input((places, features)), keras.Input((places, draw.randint(1, 6)))
    if draw.random() < 0.5:
        return [query, like_query]
    return [query, like_query, other] if name == "GroupQueryAttention" else [query, other, like_query]


def _model(draw, name, policy):
    """The layer in a model of its own; None where Keras refuses the options."""
    keras.config.set_dtype_policy(policy.removeprefix("mixed_") if name in FORGETTING else policy)
    shape = random_shape(draw, KINDS[name].ranks)
    options = draw_options(draw, name, shape)
    if options is None:
        return None
    inputs = _inputs(draw, name, shape, options)
    output = call(draw, layer_class(name)(**options), inputs, scores=True)
    distinct = {id(x): x for x in keras.tree.flatten(inputs)}
    return keras.Model(list(distinct.values()), output)


def _try_model(draw, name, policy):
    for _ in range(100):
        model = _model(draw, name, policy)
        if model is not None and all(np.prod(o.shape[1:]) > 0 for o in model.outputs):
            return model
    raise AssertionError(f"no options of {name} were found")


@pytest.mark.parametrize("policy", random_models.POLICIES)
@pytest.mark.parametrize("name", KINDS)
def test_layer(name, policy, draw, rng, lamina, tmp_path):
    for sample in range(SAMPLES):
        model = _try_model(draw, name, policy)
        values.randomize(model, rng)
        folders = [tmp_path / f"{who}{sample}" for who in ("keras", "lamina")]
        for folder in folders:
            folder.mkdir()
        model.save_weights(folders[0] / "m.weights.h5")
        config = model.to_json()
        ours = lamina.from_json(config)
        ours.load_weights(folders[0] / "m.weights.h5")
        ours.save_weights(folders[1] / "m.weights.h5")
        assert checkpoint_differences(*folders) == [], config
        inputs = [values.random_input(rng, (3, *x.shape[1:]), KINDS[name].dtype) for x in model.inputs]
        theirs = random_models.outputs(model, inputs)
        distance = tolerances.worst(ours.predict(inputs), theirs)
        print(f"distance {name} {policy} {distance:.2e}")
        assert distance <= tolerances.of_layer(name, policy, str(theirs[0].dtype)), (distance, config)
        ours.drop()
