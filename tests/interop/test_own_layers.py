"""Classes with weights, masks and arguments of their own (zoo.py, and their twins in own_layers.cpp)."""

import jax
import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
import zoo
from test_fit import train_both, words
from test_gradients import distance, step_of_keras
from test_zoo import assert_same_files

NAMES = [model.__name__ for model in zoo.OWN]


def inputs_of(name, rng, rows):
    """Ids, padded with zeros, for the model of masks."""
    if name != "OwnMasks":
        return rng.normal(size=(rows, 4)).astype("float32")
    ids = rng.integers(1, 11, (rows, 4))
    ids[np.arange(4) >= rng.integers(1, 5, rows)[:, None]] = 0
    return ids.astype("float32")


def pair(name, rng, lamina, tmp_path, policy="float32"):
    """(Keras's model, ours), with equal weights."""
    keras.config.set_dtype_policy(policy)
    model = zoo.make(name)
    values.randomize(model, rng)
    for variable in model.variables:
        if variable.name in ("gate", "gain", "scale"):  # not as near to zero
            variable.assign(variable + 1)
    ours = lamina.hand_written(name, policy)
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    return model, ours


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_both_ways(name, policy, rng, lamina, tmp_path):
    model, ours = pair(name, rng, lamina, tmp_path, policy)
    assert_same_files(model, ours, tmp_path)
    x = inputs_of(name, rng, 5)
    distance_of_outputs = tolerances.worst(ours.predict([x]), random_models.outputs(model, [x]))
    assert distance_of_outputs <= tolerances.MODEL[tolerances.compute_dtype(policy)]
    for rows in (1, 33):  # other shapes, batches that are not full
        x = inputs_of(name, rng, rows)
        assert ours.predict([x], batch_size=8)[0].shape == (rows, 2)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name, rng, lamina, tmp_path):
    model, ours = pair(name, rng, lamina, tmp_path)
    x, seeds = inputs_of(name, rng, 6), [rng.normal(size=(6, 2)).astype("float32")]
    outputs, gradients = ours.differentiate([x], seeds)
    y, expected, _ = step_of_keras(model, [x], seeds)
    expected = [g + jax.grad(v.regularizer)(v.value) if v.regularizer else g  # ours are of the penalties too
                for g, v in zip(expected, model.trainable_variables, strict=True)]
    assert distance(outputs[0], y, np.sqrt(np.mean(y**2))) <= 1e-5
    whole = np.sqrt(np.mean(np.concatenate([np.ravel(g) for g in expected]) ** 2))
    for (path, gradient), variable, theirs in zip(gradients, model.trainable_variables, expected, strict=True):
        assert path.split("/")[-1] == variable.name
        assert distance(gradient, theirs, max(np.sqrt(np.mean(theirs**2)), 1e-2 * whole)) <= 1e-4, path


# In bfloat16 each library rounds what the other keeps wide, here and there; a batch has 32 numbers to average over.
@pytest.mark.parametrize("policy, steps, tolerance", [("float32", 40, tolerances.TRAINING["float32"]),
                                                      ("mixed_bfloat16", 10, 3e-2)])
@pytest.mark.parametrize("name", NAMES)
def test_training_stays_together(name, policy, steps, tolerance, rng, lamina, tmp_path):
    """Regularizers add to the losses; then the weights go both ways again."""
    model, ours = pair(name, rng, lamina, tmp_path, policy)
    model.compile(keras.optimizers.Adam(learning_rate=0.02), "mse")
    ours.compile(words("Adam", {"learning_rate": 0.02}), "MeanSquaredError")
    x = inputs_of(name, rng, 16 * steps)
    y = np.stack([x.sum(axis=1), x[:, 0] - x[:, 1]], axis=1).astype("float32") / 4

    def loss():
        return model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)["loss"]

    before = loss()
    drift, theirs = train_both(model, ours, x, y, 16)
    after = loss()
    print(f"{name} {policy}: drift {drift.max():.1e}, loss {before:.3f} -> {after:.3f}")
    assert after < before, "nothing was learnt"
    assert drift.max() <= tolerance, int(drift.argmax())
    assert ours.evaluate(x, y, 16)["loss"] == pytest.approx(after, rel=2 * tolerance)
    # What Lamina trained is the same model to Keras, and comes back to the bit.
    ours.save_weights(tmp_path / "trained.weights.h5")
    twin = zoo.make(name)
    twin.load_weights(tmp_path / "trained.weights.h5")
    mine, theirs = ours.predict([x[:8]]), random_models.outputs(twin, [x[:8]])
    assert tolerances.worst(mine, theirs) <= tolerances.MODEL[tolerances.compute_dtype(policy)]
    again = lamina.hand_written(name, policy)
    twin.save_weights(tmp_path / "again.weights.h5")
    again.load_weights(tmp_path / "again.weights.h5")
    assert np.array_equal(again.predict([x[:8]])[0], mine[0])


def test_constraints_hold_and_frozen_weights_stay(rng, lamina, tmp_path):
    model, ours = pair("LayersWithWeights", rng, lamina, tmp_path)
    model.affine.shift.assign(-np.ones(4))
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    ours.compile("SGD:learning_rate=0.001", "MeanSquaredError")
    ours.train(inputs_of("LayersWithWeights", rng, 16), np.zeros((16, 2), "float32"), 16)
    ours.save_weights(tmp_path / "after.weights.h5")
    twin = zoo.make("LayersWithWeights")
    twin.load_weights(tmp_path / "after.weights.h5")
    assert np.array_equal(twin.affine.shift, np.zeros(4))
    assert np.array_equal(twin.residual.frozen.kernel, model.residual.frozen.kernel)
    assert not np.array_equal(twin.residual.zz.kernel, model.residual.zz.kernel)
    assert int(twin.affine.calls) == int(model.affine.calls)


def test_the_comparison_of_masks_is_not_blind(rng, lamina, tmp_path):
    """Ids that are padded, and the same rows without zeros."""
    model, ours = pair("OwnMasks", rng, lamina, tmp_path)
    x = np.array([[1, 2, 0, 0]], "float32")
    mean_of_all = random_models.outputs(model, [np.array([[1, 2, 1, 2]], "float32")])
    assert tolerances.worst(ours.predict([x]), random_models.outputs(model, [x])) <= tolerances.LAYER["float32"]
    # Padding counts for nothing: the mean of two words is that of four, two of which are these again.
    assert tolerances.worst(ours.predict([x]), mean_of_all) <= tolerances.LAYER["float32"]
    model.marked.mark.assign(model.marked.mark + 1)
    assert tolerances.worst(ours.predict([x]), random_models.outputs(model, [x])) > 1e-3


def test_no_configuration(lamina):
    ours = lamina.hand_written("WeightsInFunctional")
    for act in (ours.to_json, ours.clone):
        with pytest.raises(Exception, match="UnsupportedError.*Affine|UnsupportedError.*Residual"):
            act()
