"""EfficientNetV2B0 on images of 64x64, a hundred steps of each optimizer, step by step against Keras on JAX."""

import keras
import numpy as np
import pytest

import tolerances
import values
from keras_loop import Network, Run
from test_fit import LOSS, STEPS, learnable, record_drift
from test_gradients import efficientnet, without_dropout
from test_training_parts import words

BATCH = 4

# Rates of fine-tuning. At Keras's defaults the run is chaotic: some two hundred layers, half of them normalisations of
# batches of 16 numbers, magnify the last bit of one step until the libraries' losses have nothing in common.
OPTIMIZERS = [("SGD", {"learning_rate": 1e-5, "momentum": 0.9}), ("Adam", {"learning_rate": 1e-5}),
              ("AdamW", {"learning_rate": 1e-5}), ("RMSprop", {"learning_rate": 1e-5}),
              ("Adagrad", {"learning_rate": 1e-4}), ("Adafactor", {"learning_rate": 1e-5}),
              ("Lion", {"learning_rate": 1e-6}), ("Adamax", {"learning_rate": 1e-5}),
              ("Nadam", {"learning_rate": 1e-5}), ("Adadelta", {"learning_rate": 1e-3}),
              ("Lamb", {"learning_rate": 1e-5}), ("Muon", {"learning_rate": 1e-5}),
              ("ScheduleFreeAdamW", {"learning_rate": 1e-5})]  # not Ftrl, which puts weights of its own in the place of those given


@pytest.fixture(scope="module")
def network():
    return Network(without_dropout(efficientnet()), getattr(keras.losses, LOSS[0])(**LOSS[1]))


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_hundred_steps(name, options, network, rng, lamina, tmp_path, record_property):
    values.randomize(network.model, rng)
    run = Run(network, getattr(keras.optimizers, name)(**options))
    network.model.save_weights(tmp_path / "initial.weights.h5")
    ours = lamina.from_json(network.json)
    ours.compile(words(name, options), words(*LOSS))
    ours.load_weights(tmp_path / "initial.weights.h5")
    x, y = learnable(network.model, rng, BATCH, STEPS)
    x = 127 + 64 * x

    theirs = run.train(x, y, BATCH)
    drift = np.abs(np.array([log["loss"] for log in ours.train(x, y, BATCH)]) - theirs) / np.abs(theirs)
    record_drift(record_property, "EfficientNetV2B0", name, drift, theirs)
    assert len(drift) == STEPS and drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
