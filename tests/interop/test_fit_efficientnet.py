"""EfficientNetV2B0 on images of 64x64, a hundred steps of each optimizer, step by step against Keras on JAX.

The gradients of Keras's model are compiled once for all of Keras's optimizers: `train_on_batch`, which test_fit.py
compares with on smaller models, would compile them for each.
"""

import keras
import jax
import numpy as np
import pytest

import values
from test_fit import LOSS, STEPS, learnable
from test_gradients import efficientnet, without_dropout
from test_training_parts import words

BATCH = 4

# Rates of fine-tuning. At Keras's defaults the run is chaotic: some two hundred layers, half of them normalisations of
# batches of 16 numbers, magnify the last bit of one step until the libraries' losses have nothing in common.
OPTIMIZERS = [("SGD", {"learning_rate": 1e-5, "momentum": 0.9}), ("Adam", {"learning_rate": 1e-5}),
              ("AdamW", {"learning_rate": 1e-5}), ("RMSprop", {"learning_rate": 1e-5}),
              ("Adagrad", {"learning_rate": 1e-4}), ("Adafactor", {"learning_rate": 1e-5}), ("Lion", {"learning_rate": 1e-6})]


@pytest.fixture(scope="module")
def network():
    """(Keras's model, its loss and gradients as a compiled function)."""
    model = without_dropout(efficientnet())
    loss_of = getattr(keras.losses, LOSS[0])(**LOSS[1])

    def loss(trainable, others, x, y):
        logits, others = model.stateless_call(trainable, others, x, training=True)
        return loss_of(y, logits), others

    return model, jax.jit(jax.value_and_grad(loss, has_aux=True))


def losses_of_keras(network, optimizer, x, y):
    """The loop of Keras's guide to training with JAX."""
    model, loss_and_gradients = network
    optimizer.build(model.trainable_variables)
    apply = jax.jit(optimizer.stateless_apply)
    trainable = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    state = [v.value for v in optimizer.variables]
    losses = []
    for first in range(0, len(x), BATCH):
        rows = slice(first, first + BATCH)
        (loss, others), gradients = loss_and_gradients(trainable, others, x[rows], y[rows])
        trainable, state = apply(state, gradients, trainable)
        losses.append(float(loss))
    return np.array(losses)


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_hundred_steps(name, options, network, rng, lamina, tmp_path):
    model, _ = network
    values.randomize(model, rng)
    model.save_weights(tmp_path / "initial.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "initial.weights.h5")
    ours.compile(words(name, options), words(*LOSS))
    x, y = learnable(model, rng, BATCH, STEPS)
    x = 127 + 64 * x

    theirs = losses_of_keras(network, getattr(keras.optimizers, name)(**options), x, y)
    drift = np.abs(np.array([log["loss"] for log in ours.train(x, y, BATCH)]) - theirs) / np.abs(theirs)
    print(f"EfficientNetV2B0 {name}: drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert len(drift) == STEPS and drift.max() <= 1e-4, int(drift.argmax())
