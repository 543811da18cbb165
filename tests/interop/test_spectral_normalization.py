"""SpectralNormalization around layers, against Keras: predictions, files, archives and configurations both ways, and
training, in which vector_u follows."""

import keras
import numpy as np
import pytest
from keras import layers

import tolerances
from both_ways import assert_read_back, assert_same_files, assert_same_predictions, pair
from state import file_values, values_apart
from test_fit import compiled_pair, learnable, train_both
from test_random_models import remade
from test_to_json import assert_written


def images():
    x = keras.Input((9, 9, 3))
    y = layers.SpectralNormalization(layers.Conv2D(6, 3, padding="same", activation="silu"), power_iterations=3)(x)
    y = layers.SpectralNormalization(layers.DepthwiseConv2D(3, use_bias=False))(y)
    return keras.Model(x, layers.SpectralNormalization(layers.Dense(5))(layers.GlobalAveragePooling2D()(y)))


def rows():
    x = keras.Input((12,))
    y = layers.SpectralNormalization(layers.Dense(16, activation="tanh"), name="first")(x)
    y = layers.SpectralNormalization(layers.Dense(8, use_bias=False), power_iterations=2)(layers.LayerNormalization()(y))
    return keras.Model(x, layers.Dense(5)(y))


MODELS = [images, rows]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("make", MODELS)
def test_both_ways(make, policy, rng, lamina, tmp_path):
    keras.config.set_dtype_policy(policy)
    model, ours = pair(make, rng, lamina, tmp_path)
    assert_same_files(model, ours, tmp_path, 2000)
    assert_read_back(model, ours, tmp_path)
    inputs = [rng.normal(size=(4, *model.inputs[0].shape[1:])).astype("float32")]
    assert_same_predictions(model, ours, inputs, policy)


@pytest.mark.parametrize("make", MODELS)
def test_configurations(make, rng, lamina, tmp_path):
    assert_written(remade(make().to_json()), rng, lamina, tmp_path)


@pytest.mark.parametrize("make", MODELS)
def test_training_stays_together(make, rng, lamina, tmp_path):
    model, ours = compiled_pair(lambda: remade(make().to_json()), "SGD", {"learning_rate": 0.05}, rng, lamina, tmp_path)
    before = [np.array(v.value) for v in model.variables if v.name == "vector_u"]
    x, y = learnable(model, rng, 16, 30)
    drift, _ = train_both(model, ours, x, y, 16)
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    after = [np.array(v.value) for v in model.variables if v.name == "vector_u"]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))
    model.save_weights(tmp_path / "theirs.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs, got = (file_values(tmp_path / f"{side}.weights.h5") for side in ("theirs", "ours"))
    for name, apart in values_apart(got, theirs).items():
        assert apart <= 2e-3, name
