"""Masks: of padded words and of what Masking finds, and those that calls are given, against Keras on JAX."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

import random_models
import tolerances
from both_ways import pair
from test_fit import compiled_pair, train_both
from test_gradients import distance, step_of_keras
from test_random_models import assert_same_weights, remade

WORDS, LENGTH, WIDTH, CLASSES = 20, 7, 8, 4


def words():
    ids = keras.Input((LENGTH,), dtype="int32")
    return ids, layers.Embedding(WORDS, WIDTH, mask_zero=True)(ids)


def text_classifier():
    ids, x = words()
    x = layers.Dropout(0.0)(layers.Dense(WIDTH, activation="tanh")(x))
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))))


def transformer():
    """Two blocks, of which Keras masks the first alone, and the mean."""
    ids, x = words()
    for causal in (False, True):
        y = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=causal)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        x = layers.Add()([x, layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, activation="gelu")(x))])
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


def normalized_first():
    ids, x = words()
    for dropout in (0.0, 0.1):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4, dropout=dropout)(y, y)])
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


def merged():
    """Features beside each other, and one that has no mask; statistics of what the masks leave."""
    inputs = keras.Input((LENGTH, 3))
    x = layers.Masking()(inputs)
    y = layers.Concatenate()([layers.Dense(4)(x), inputs])
    z = layers.Maximum()([layers.Dense(7)(x), layers.BatchNormalization(momentum=0.9)(y)])
    z = layers.BatchNormalization(epsilon=0.01)(z)
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(z)))


def ordered():
    """The first attention takes away the words' mask before others are given it: Keras runs what is deeper first."""
    ids, x = words()
    y = layers.Dense(WIDTH)(x)
    y = layers.MultiHeadAttention(2, 4)(y, y)
    z = layers.Dense(WIDTH)(layers.Dense(WIDTH, activation="tanh")(layers.MultiHeadAttention(2, 4)(x, x)))
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(layers.Add()([y, z]))))


def nested():
    ids, x = words()
    inside = keras.Input((LENGTH, WIDTH))
    y = layers.MultiHeadAttention(2, 4)(inside, inside)
    inner = keras.Model(inside, layers.Dense(5)(layers.Activation("relu")(y)), name="inner")
    stack = keras.Sequential([keras.Input((LENGTH, 5)), layers.Dense(CLASSES), layers.GlobalAveragePooling1D()])
    return keras.Model(ids, stack(inner(x)))


def grouped_transformer():
    """Unlike MultiHeadAttention these leave their inputs the masks."""
    ids, x = words()
    for causal in (False, True):
        y = layers.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=causal)
        x = layers.GroupNormalization(2)(layers.Add()([x, y]))
        x = layers.Add()([x, layers.UnitNormalization()(layers.Dense(WIDTH, activation="tanh")(x))])
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


def attended():
    """Masks that are carried, that are given in lists with and without holes, and that a call hands on."""
    ids, x = words()
    y = layers.Attention(use_scale=True)([x, x])
    other, mask = keras.Input((5, WIDTH)), keras.Input((5,), dtype="int32")
    seen = ops.not_equal(mask, 0)
    z = layers.AdditiveAttention()([y, other], mask=[ops.not_equal(ids, 0), seen])
    z = layers.Attention(score_mode="concat")([z, other], mask=[None, seen], use_causal_mask=True)
    sums = [layers.GlobalAveragePooling1D()(layers.Identity()(one)) for one in (y, z)]
    dot = layers.Dot(axes=1)([x, z])
    return keras.Model([ids, other, mask], layers.Dense(CLASSES)(layers.Concatenate()([*sums, layers.Flatten()(dot)])))


def scored():
    """Scores know what is masked, and carry no mask."""
    ids, x = words()
    y, first = layers.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True)
    y, second = layers.GroupQueryAttention(3, 4, 1)(layers.Embedding(WORDS, WIDTH, mask_zero=True)(ids), y,
                                                    return_attention_scores=True)
    z, third = layers.Attention()([y, y], return_attention_scores=True)
    ends = [layers.GlobalAveragePooling1D()(one) for one in (z, third)]
    return keras.Model(ids, [layers.Dense(CLASSES)(layers.Concatenate()(ends)), first, second, third])


def tagger():
    ids, x = words()
    return keras.Model(ids, layers.Dense(CLASSES)(layers.Dense(WIDTH, activation="tanh")(x)))


def recurrences():
    """Each recurrent layer; sequences take the mask on."""
    ids, x = words()
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    there, back = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=None)(x)
    x = layers.Add()([there, back])
    for options in ({"zero_output_for_mask": True}, {"go_backwards": True}, {"unroll": True}):
        x = layers.SimpleRNN(6, return_sequences=True, **options)(x)
    return keras.Model(ids, layers.Dense(CLASSES)(layers.LSTM(5)(x)))


def cells():
    """Cells on top of each other: the last one's output stands where a step is masked."""
    ids, x = words()
    for options in ({}, {"zero_output_for_mask": True}, {"go_backwards": True}):
        x = layers.RNN([layers.GRUCell(4), layers.LSTMCell(6)], return_sequences=True, **options)(x)
    return keras.Model(ids, layers.Dense(CLASSES)(layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)])(x)))


def recurrent_tagger():
    ids, x = words()
    return keras.Model(ids, layers.Dense(CLASSES)(layers.LSTM(WIDTH, return_sequences=True)(x)))


def states():
    """Calls that are given states have no mask but by name; what they return has it all the same."""
    inputs, state, ids = keras.Input((LENGTH, 3)), keras.Input((4,)), keras.Input((LENGTH,), dtype="int32")
    x, mask = layers.Masking()(inputs), ops.not_equal(ids, 0)
    encoded, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    decoded = layers.LSTM(4, return_sequences=True)(x, initial_state=[h, c])
    last = layers.GRU(4)(decoded, initial_state=state, mask=mask)
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))(encoded, mask=mask)
    ways = layers.Bidirectional(layers.SimpleRNN(4), merge_mode="mul")(both, initial_state=[h, state])
    means = [layers.GlobalAveragePooling1D()(y) for y in (decoded, both)]
    return keras.Model([inputs, state, ids], layers.Dense(CLASSES)(layers.Concatenate()([last, ways, *means])))


def given_masks():
    """One layer called twice, with other arguments each time; masks of integers and made by operations."""
    x, y = keras.Input((LENGTH, WIDTH)), keras.Input((5, WIDTH))
    mask, ids = keras.Input((LENGTH, 5), dtype="int32"), keras.Input((5,), dtype="int32")
    shared = layers.MultiHeadAttention(2, 4)
    first = shared(x, y, attention_mask=mask)
    seen = ops.logical_and(ops.not_equal(ids, 0), ops.logical_not(ops.equal(ids, 3)))
    second = shared(query=first, value=y, value_mask=seen, use_causal_mask=True)
    third = layers.MultiHeadAttention(1, 3, dropout=0.1)(second, y, attention_mask=ops.expand_dims(seen, (1, 2)))
    scores = layers.Softmax()(third, mask=ops.expand_dims(ops.any(ops.not_equal(mask, 0), axis=-1), -1))
    return keras.Model([x, y, mask, ids], layers.Dense(CLASSES)(scores))


MODELS = [text_classifier, transformer, normalized_first, ordered, merged, nested, tagger, recurrences, cells,
          recurrent_tagger, states, given_masks, grouped_transformer, attended, scored]


def padded(rng, model, rows):
    """Sequences of one step at least, with zeros behind them."""
    arrays = []
    for x in model.inputs:
        shape = (rows, *x.shape[1:])
        array = rng.integers(1, WORDS, shape) if "int" in x.dtype else rng.normal(size=shape)
        lengths = rng.integers(1, shape[1] + 1, rows)
        array[np.arange(shape[1]) >= lengths[:, None]] = 0
        arrays.append(array.astype(x.dtype))
    return arrays


def without_nothing(nodes):
    """Calls without the arguments that are not given."""
    return [{"args": [x for x in node["args"] if x is not None],
             "kwargs": {name: x for name, x in node["kwargs"].items() if x not in (None, False)}} for node in nodes]


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize("make", MODELS)
def test_both_ways(make, rng, lamina, tmp_path):
    expect_both_ways(make, tolerances.MODEL["float32"], rng, lamina, tmp_path)


def test_a_mask_of_what_was_cast(rng, lamina, tmp_path):
    """Attention is given the mask that Masking finds in what it rounds first: Keras's graph has an operation Cast."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    lamina.request("set_dtype_policy", policy="mixed_bfloat16")

    def make():
        inputs = keras.Input((LENGTH, 3))
        x = layers.Masking()(inputs)
        return keras.Model(inputs, layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 4)(x, x)))

    assert '"class_name": "Cast"' in make().to_json()
    expect_both_ways(make, tolerances.MODEL["bfloat16"], rng, lamina, tmp_path)


def expect_both_ways(make, tolerance, rng, lamina, tmp_path):
    model, ours = pair(make, rng, lamina, tmp_path)
    inputs = padded(rng, model, 6)
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= tolerance
    # What Lamina writes is the same model to Keras, operations that make masks included.
    ours.save(tmp_path / "ours.keras")
    for again in (keras.models.load_model(tmp_path / "ours.keras"), remade(ours.to_json())):
        again.load_weights(tmp_path / "m.weights.h5")
        assert_same_weights(model, again)
        assert tolerances.worst(random_models.outputs(again, inputs), theirs) <= 1e-6
    left, right = json.loads(model.to_json()), json.loads(ours.to_json())
    for one, other in zip(left["config"]["layers"], right["config"]["layers"], strict=True):
        assert without_nothing(one["inbound_nodes"]) == without_nothing(other["inbound_nodes"]), one["name"]


@pytest.mark.parametrize("make", [text_classifier, transformer, tagger, recurrences])
def test_the_comparison_is_not_blind(make, rng, lamina, tmp_path):
    """Without masks a model gives, or is judged to give, something else."""
    model, ours = pair(make, rng, lamina, tmp_path)
    config = json.loads(model.to_json())
    for layer in config["config"]["layers"]:
        layer["config"].pop("mask_zero", None)
        for node in layer["inbound_nodes"]:
            node["kwargs"].pop("mask", None)
    blind = lamina.from_json(json.dumps(config))
    blind.load_weights(tmp_path / "m.weights.h5")
    inputs = padded(rng, model, 6)
    if make is not tagger:
        assert tolerances.worst(blind.predict(inputs), random_models.outputs(model, inputs)) > 1e-3
        return
    y = rng.integers(0, CLASSES, (6, LENGTH))
    losses = []
    for one in (ours, blind):
        one.compile("SGD", "SparseCategoricalCrossentropy:from_logits=true", ["accuracy"])
        losses.append(one.evaluate(inputs[0], y, 6)["loss"])
    assert abs(losses[0] - losses[1]) > 1e-3 * abs(losses[0])


def assert_same_step(model, ours, inputs, tolerance, rng, tmp_path):
    """Outputs, gradients in order and moving statistics of a training step. Returns the gradients' paths."""
    seeds = [rng.normal(size=(6, CLASSES)).astype("float32")]
    outputs, gradients = ours.differentiate(inputs, seeds)
    y, expected, after = step_of_keras(model, inputs, seeds)
    assert distance(outputs[0], y, np.sqrt(np.mean(y**2))) <= tolerance
    whole = np.sqrt(np.mean(np.concatenate([np.ravel(g) for g in expected]) ** 2))
    for (path, gradient), theirs in zip(gradients, expected, strict=True):
        assert gradient.shape == theirs.shape, path
        assert distance(gradient, theirs, max(np.sqrt(np.mean(theirs**2)), 1e-2 * whole)) <= 10 * tolerance, path
    ours.save_weights(tmp_path / "after.weights.h5")  # the moving statistics
    for variable, value in zip(model.non_trainable_variables, after, strict=True):
        variable.assign(value)
    twin = remade(model.to_json())
    twin.load_weights(tmp_path / "after.weights.h5")
    for mine, variable in zip(twin.non_trainable_variables, model.non_trainable_variables, strict=True):
        if "moving" in variable.path:
            np.testing.assert_allclose(mine, variable, rtol=1e-4, atol=1e-5)
    return [path for path, _ in gradients]


@pytest.mark.parametrize("make, tolerance", [(text_classifier, 5e-6), (transformer, 1e-4), (merged, 2e-5),
                                             (recurrences, 5e-5), (cells, 5e-5), (grouped_transformer, 1e-4)])
def test_gradients(make, tolerance, rng, lamina, tmp_path):
    model, ours = pair(make, rng, lamina, tmp_path)
    paths = assert_same_step(model, ours, padded(rng, model, 6), tolerance, rng, tmp_path)
    for path, variable in zip(paths, model.trainable_variables, strict=True):
        assert path.endswith(variable.path)  # Keras forgets who holds a layer that was built from its configuration


@pytest.mark.parametrize("make", [text_classifier, tagger, recurrent_tagger])
def test_training_stays_together(make, rng, lamina, tmp_path):
    """Of the taggers the mask enters loss and metrics: padding is no label."""
    model, ours = compiled_pair(lambda: remade(make().to_json()), "Adam", {"learning_rate": 0.02}, rng, lamina, tmp_path)
    x = padded(rng, model, 16 * 30)[0]
    y = x % CLASSES if make in (tagger, recurrent_tagger) else x.max(axis=1) % CLASSES
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"{make.__name__}: drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert theirs[-5:].mean() < theirs[:5].mean(), "nothing was learnt"
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    wanted = model.evaluate(x[:100], y[:100], batch_size=32, verbose=0, return_dict=True)
    found = ours.evaluate(x[:100], y[:100], 32)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=2e-3), name


def test_a_layer_that_knows_no_masks_says_so(rng, lamina, tmp_path):
    ids, x = words()
    with pytest.warns(UserWarning, match="Layer 'turned'") as caught:
        model = keras.Model(ids, layers.Flatten()(layers.Permute((2, 1), name="turned")(x)))
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = padded(rng, model, 3)
    assert tolerances.worst(ours.predict(inputs), random_models.outputs(model, inputs)) <= tolerances.LAYER["float32"]
    assert lamina.warnings == [str(w.message) for w in caught]
