"""What one call of fit takes of the data, and what the calls on one batch give, against Keras on JAX."""

import warnings

import numpy as np
import pytest

from test_fit import compiled_pair, learnable, mlp


def histories(model, ours, x, y, validation=None, **options):
    """Keras's history and ours, of samples in their order, and how often each warned that the data ran out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs = model.fit(x, y, validation_data=validation, shuffle=False, verbose=0, **options).history
    got = ours.fit(x, y, validation=validation, **options)
    warned = [sum("Your input ran out of data" in message for message in messages)
              for messages in ([str(w.message) for w in caught], ours.driver.warnings)]
    return theirs, got, warned


OPTIONS = [
    {"batch_size": 10, "epochs": 3},
    {"batch_size": 10, "epochs": 4, "steps_per_epoch": 2},
    {"batch_size": 10, "epochs": 4, "steps_per_epoch": 3},
    {"batch_size": 10, "epochs": 5, "steps_per_epoch": 4},
    {"batch_size": 10, "epochs": 2, "steps_per_epoch": 9},
    {"epochs": 2, "steps_per_epoch": 4},
    {"epochs": 2},
    {"batch_size": 10, "epochs": 5, "initial_epoch": 2, "steps_per_epoch": 4},
    {"batch_size": 10, "epochs": 3, "validation_steps": 2},
    {"batch_size": 10, "epochs": 2, "validation_steps": 7},
    {"epochs": 2, "validation_steps": 2},
    {"batch_size": 10, "epochs": 5, "validation_freq": 2, "validation_batch_size": 7, "validation_steps": 3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()))
def test_fit_takes_what_keras_takes(options, rng, lamina, tmp_path):
    """A batch more, less or another one would show in the losses, and in the optimizer's steps."""
    model, ours = compiled_pair(mlp, "Adam", {"learning_rate": 0.01}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 19, 3)  # 57 samples
    validation = learnable(model, rng, 25, 1)
    theirs, got, warned = histories(model, ours, x, y, validation, **options)
    assert set(got) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    assert warned[0] == warned[1]
    ours.save_weights(tmp_path / "ours.weights.h5")
    iterations = int(model.optimizer.iterations.numpy())
    model.load_weights(tmp_path / "ours.weights.h5")
    assert int(model.optimizer.iterations.numpy()) == iterations


def test_calls_on_a_batch_give_its_own_numbers(rng, lamina, tmp_path):
    """Whatever went before, without a reset of the metrics between."""
    model, ours = compiled_pair(mlp, "Adam", {}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, 4)
    for first in range(0, 64, 16):
        rows = slice(first, first + 16)
        for theirs, got in [
            (model.test_on_batch(x[rows], y[rows], return_dict=True), ours.test_on_batch(x[rows], y[rows])),
            (model.train_on_batch(x[rows], y[rows], return_dict=True), ours.train(x[rows], y[rows], 16)[0]),
        ]:
            assert set(got) == set(theirs)
            for name, value in theirs.items():
                np.testing.assert_allclose(got[name], value, rtol=1e-4, err_msg=name)
