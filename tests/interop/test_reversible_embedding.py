"""ReversibleEmbedding, called forward and in reverse, against Keras on JAX."""

import keras
import numpy as np
import pytest
from keras import layers

from both_ways import assert_read_back, assert_same_files, assert_same_predictions, pair
from test_gradients import distance, step_of_keras

WORDS, LENGTH, WIDTH = 11, 7, 6


def language_model(**options):
    """Words' masks go on from the forward call, and none from the one in reverse."""
    ids = keras.Input((LENGTH,), dtype="int32")
    embedding = layers.ReversibleEmbedding(WORDS, WIDTH, mask_zero=True, **options)
    x = embedding(ids)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(WIDTH, activation="tanh")(x)]))
    return keras.Model(ids, [embedding(x, reverse=True), layers.GlobalAveragePooling1D()(x)])


OPTIONS = [{}, {"tie_weights": False}, {"logit_soft_cap": 1.5}, {"tie_weights": False, "reverse_dtype": "float32"}]


@pytest.mark.parametrize("policy", ["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_both_ways_through_one_layer(options, policy, rng, lamina, tmp_path):
    keras.config.set_dtype_policy(policy)
    model, ours = pair(lambda: language_model(**options), rng, lamina, tmp_path)
    ids = rng.integers(0, WORDS, (5, LENGTH)).astype("int32")
    ids[:, 0] = np.maximum(ids[:, 0], 1)  # of nothing but padding the mean is NaN
    assert_same_predictions(model, ours, [ids], policy)
    assert_same_files(model, ours, tmp_path, 300)
    assert_read_back(model, ours, tmp_path)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_of_both_calls(tied, rng, lamina, tmp_path):
    def make():
        ids = keras.Input((LENGTH,), dtype="int32")
        embedding = layers.ReversibleEmbedding(WORDS, WIDTH, tie_weights=tied, logit_soft_cap=2.0)
        return keras.Model(ids, embedding(layers.Dense(WIDTH, activation="tanh")(embedding(ids)), reverse=True))

    model, ours = pair(make, rng, lamina, tmp_path)
    inputs = [rng.integers(0, WORDS, (5, LENGTH)).astype("int32")]
    seeds = [rng.normal(size=(5, LENGTH, WORDS)).astype("float32")]
    _, gradients = ours.differentiate(inputs, seeds)
    _, expected, _ = step_of_keras(model, inputs, seeds)
    assert [path for path, _ in gradients] == [v.path for v in model.trainable_variables]
    for (path, gradient), theirs in zip(gradients, expected, strict=True):
        assert distance(gradient, theirs, np.sqrt(np.mean(theirs**2))) <= 5e-6, path


def test_quantization_is_refused(lamina):
    config = keras.Sequential([keras.Input((3,), dtype="int32"), layers.ReversibleEmbedding(WORDS, WIDTH)]).to_json()
    mode = config.replace('"quantization_config": null', '"quantization_config": {"class_name": "Int8QuantizationConfig"}')
    assert mode != config
    with pytest.raises(Exception, match="quantization_config"):
        lamina.from_json(mode)
