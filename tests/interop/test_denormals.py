"""Denormal numbers: both compute with zeros in their place, in small products and in large ones, and move them as they
are."""

import jax
import keras
import numpy as np
import pytest
from keras import layers

TINY = np.finfo("float32").tiny


def _both(model, lamina, path):
    model.save_weights(path)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    return ours


@pytest.mark.parametrize("units", [3, 300])
@pytest.mark.parametrize("kernel, value", [(1e-10, 1e-30), (1e-40, 1.0), (1e10, 1e-40)])
def test_products_are_zeros(units, kernel, value, lamina, tmp_path):
    model = keras.Sequential([keras.Input((units,)), layers.Dense(units, use_bias=False)])
    model.layers[0].set_weights([np.full((units, units), kernel, "float32")])
    ours = _both(model, lamina, tmp_path / "m.weights.h5")
    x = np.full((units, units), value, "float32")
    assert np.float32(kernel) * np.float32(value) > 0
    np.testing.assert_array_equal(model.predict(x, verbose=0), 0)
    np.testing.assert_array_equal(ours.predict([x])[0], 0)


def test_moved_numbers_stay(rng, lamina, tmp_path):
    x = keras.Input((40, 6))
    turned = layers.Permute((2, 1))(x)
    model = keras.Model(x, layers.Concatenate()([layers.Reshape((240,))(turned), layers.Flatten()(x)]))
    ours = _both(model, lamina, tmp_path / "m.weights.h5")
    numbers = (rng.uniform(-1, 1, (9, 40, 6)) * TINY).astype("float32")
    assert np.count_nonzero(np.abs(numbers) < TINY) == numbers.size
    theirs = model.predict(numbers, verbose=0)
    assert np.count_nonzero(theirs) == theirs.size
    np.testing.assert_array_equal(ours.predict([numbers])[0].view("uint32"), theirs.view("uint32"))


def test_vanished_gradients_are_zeros(rng, lamina, tmp_path):
    """Each step leaves a thousandth of the gradient, so that little is left where the input is not 0."""
    x = keras.Input((60, 4))
    model = keras.Model(x, layers.SimpleRNN(5, activation=None, use_bias=False)(x))
    model.layers[1].set_weights([rng.uniform(0.5, 1, (4, 5)).astype("float32"), 1e-3 * np.eye(5, dtype="float32")])
    ours = _both(model, lamina, tmp_path / "m.weights.h5")
    inputs = rng.uniform(0.5, 1, (3, 60, 4)).astype("float32")
    inputs[:, 45:] = 0
    seed = np.full((3, 5), 1e5, "float32")
    expected = (1e5 * 1e-3 ** np.arange(59, -1, -1)) @ inputs.sum(0, dtype="float64")
    assert 0 < expected.max() < TINY
    kernel, *rest = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]

    def output(value):
        return (model.stateless_call([value, *rest], others, inputs)[0] * seed).sum()

    np.testing.assert_array_equal(np.asarray(jax.jit(jax.grad(output))(kernel)), 0)
    np.testing.assert_array_equal(ours.differentiate([inputs], [seed])[1][0][1], 0)
