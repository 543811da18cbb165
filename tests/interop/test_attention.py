"""Transformers: whole models of attention, normalisation and dense layers, both ways."""

import keras
import numpy as np
import pytest
from keras import layers

import random_models
import tolerances
import values
from both_ways import assert_same_files, assert_same_predictions, from_archive
from h5_compare import file_differences
from lamina_driver import LaminaError
from test_fit import compiled_pair, train_both
from test_mixed_precision import set_policy
from test_random_models import assert_same_weights, remade

WORDS, LENGTH, WIDTH, CLASSES = 20, 9, 16, 4


def block(x, attention, causal=False, rate=0.0):
    """A transformer's encoder block."""
    y = attention(x, x, use_causal_mask=causal)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(rate)(y)]))
    y = layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, activation="gelu")(x))
    return layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(rate)(y)]))


def classifier():
    ids = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(WORDS, WIDTH)(ids)
    x = block(x, layers.MultiHeadAttention(4, 4))
    x = block(x, layers.MultiHeadAttention(2, 8, use_bias=False), causal=True)
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)), name="classifier")


def encoder_and_decoder():
    """Two inputs of different lengths, one shared layer, attention from one to the other."""
    source, target = keras.Input((None, WIDTH)), keras.Input((LENGTH, WIDTH))
    shared = layers.MultiHeadAttention(2, 4, dropout=0.2)
    x = block(block(source, shared), shared, rate=0.1)
    y = block(target, layers.MultiHeadAttention(2, 4), causal=True)
    y = layers.MultiHeadAttention(3, 5, value_dim=4, dropout=0.1, output_shape=(2, 3))(y, key=x, value=layers.Dense(7)(x))
    return keras.Model([source, target], layers.EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e")(y))


def decoder():
    """As of today's language models."""
    ids = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(WORDS, WIDTH)(ids)
    for groups in (1, 2, 4):
        y = layers.RMSNormalization()(x)
        heads = layers.GroupQueryAttention(4, 4, groups, use_bias=False, sliding_window=5 if groups == 2 else None)
        x = layers.Add()([x, heads(y, y, use_causal_mask=True)])
        y = layers.RMSNormalization(epsilon=1e-5)(x)
        gate = layers.Multiply()([layers.Dense(24, activation="silu", use_bias=False)(y), layers.Dense(24, use_bias=False)(y)])
        x = layers.Add()([x, layers.Dense(WIDTH, use_bias=False)(gate)])
    return keras.Model(ids, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(layers.RMSNormalization()(x))))


def scored():
    """Scores of each kind of attention, as outputs and on their way to some."""
    query, value = keras.Input((LENGTH, WIDTH)), keras.Input((LENGTH, WIDTH))
    x, first = layers.MultiHeadAttention(3, 4, dropout=0.2)(query, value, return_attention_scores=True)
    x, second = layers.GroupQueryAttention(4, 4, 2)(x, value, use_causal_mask=True, return_attention_scores=True)
    y, third = layers.Attention(use_scale=True)([x, value], return_attention_scores=True)
    y, fourth = layers.AdditiveAttention(dropout=0.1)([y, x], return_attention_scores=True, use_causal_mask=True)
    seen = [layers.Dense(CLASSES)(scores) for scores in (first, second, third, fourth)]
    return keras.Model([query, value], [y, first, second, third, fourth, *seen])


def inputs_of(model, rng, rows=3):
    return [values.random_input(rng, (rows, *(size or 6 for size in x.shape[1:])), x.dtype) for x in model.inputs]


# JAX has no attention in float16 on the CPU, without which Keras's has none either unless it drops: see test_layers.
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("make", [classifier, encoder_and_decoder, decoder, scored])
def test_both_ways(make, policy, rng, lamina, tmp_path):
    """Keras's archive and weights are read, what Lamina writes is Keras's file, and Keras reads it back."""
    keras.config.set_dtype_policy(policy)
    model, ours = from_archive(make, rng, lamina, tmp_path)
    assert_same_files(model, ours, tmp_path, 3000)
    twin = keras.Model.from_config(model.get_config())
    twin.load_weights(tmp_path / "lamina" / "m.weights.h5")
    assert_same_weights(model, twin)
    assert [path for path, _, _ in ours.weights()] == [v.path for v in model.weights]
    assert_same_predictions(model, ours, inputs_of(model, rng), policy)


def test_a_mask_is_seen(rng, lamina, tmp_path):
    """The comparison is not blind: without its mask a model gives something else."""
    model = classifier()
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    config = model.to_json()
    assert config.count('"use_causal_mask": true') == 1
    ours = lamina.from_json(config.replace('"use_causal_mask": true', '"use_causal_mask": false'))
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = inputs_of(model, rng)
    assert tolerances.worst(ours.predict(inputs), random_models.outputs(model, inputs)) > 1e-2


def learnable(rng, batch, steps):
    """Sentences, and a class that hangs on two of their words and which comes first."""
    x = rng.integers(0, WORDS, (batch * steps, LENGTH)).astype("int32")
    y = (x[:, 0] % 2) * 2 + (np.argmax(x, axis=1) > LENGTH // 2)
    return x, y.astype("int64")


@pytest.mark.parametrize("make, name, options", [
    (classifier, "SGD", {"learning_rate": 0.05, "momentum": 0.9}), (classifier, "Adam", {}),
    (classifier, "AdamW", {"weight_decay": 0.01}), (decoder, "AdamW", {"weight_decay": 0.01})])
def test_training_stays_together(make, name, options, rng, lamina, tmp_path):
    """Steps of a classifier, then its file, optimizer state and all, read by Keras, and on from there."""
    model, ours = compiled_pair(lambda: remade(make().to_json()), name, options, rng, lamina, tmp_path)
    x, y = learnable(rng, 16, 60)
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"{make.__name__} {name}: drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert theirs[-5:].mean() < theirs[:5].mean(), "nothing was learnt"
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    ours.save_weights(tmp_path / "ours.weights.h5")
    model.load_weights(tmp_path / "ours.weights.h5")
    model.save_weights(tmp_path / "theirs.weights.h5")
    assert file_differences(tmp_path / "ours.weights.h5", tmp_path / "theirs.weights.h5") == []
    drift, _ = train_both(model, ours, x[:320], y[:320], 16)
    assert drift.max() <= tolerances.TRAINING["float32"]


def test_mixed_precision_stays_near(rng, lamina, tmp_path):
    policy = "mixed_bfloat16"
    set_policy(policy, lamina)
    model, ours = compiled_pair(classifier, "SGD", {"learning_rate": 0.02}, rng, lamina, tmp_path)
    x, y = learnable(rng, 16, 15)
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"{policy}: drift {drift.max():.1e}, loss {theirs[0]:.3f} -> {theirs[-1]:.3f}")
    assert drift.max() <= 2 * tolerances.TRAINING[policy]


def test_dropout_inside_drops_and_predicts_nothing_less(rng, lamina, tmp_path):
    """Its random numbers are not Keras's: a step of training differs from prediction, which is Keras's."""
    x = keras.Input((LENGTH, WIDTH))
    model = keras.Model(x, layers.Dense(CLASSES)(layers.Flatten()(layers.MultiHeadAttention(2, 4, dropout=0.5)(x, x))))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = inputs_of(model, rng)
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= tolerances.LAYER["float32"]
    outputs, _ = ours.differentiate(inputs, [np.ones_like(theirs[0])])
    assert tolerances.worst(outputs, theirs) > 1e-2


def refused(lamina, build):
    x = keras.Input((5, 6))
    with pytest.raises(LaminaError) as caught:
        lamina.from_json(keras.Model(x, build(x)).to_json())
    assert caught.value.kind == "UnsupportedError"
    assert "'heads' (MultiHeadAttention)" in caught.value.message
    return caught.value.message


def test_what_is_lacking_is_refused_by_name(lamina):
    def attention(**options):
        return layers.MultiHeadAttention(2, 3, name="heads", **options)

    wide = lambda x: layers.Reshape((5, 2, 3))(x)
    assert "`attention_axes`" in refused(lamina, lambda x: attention(attention_axes=2)(wide(x), wide(x)))
