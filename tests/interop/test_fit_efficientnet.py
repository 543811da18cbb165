"""EfficientNetV2B0 on images of 64x64, a hundred steps of each optimizer, step by step against Keras on JAX."""

import pytest

from test_fit import STEPS, compiled_pair, learnable, train_both
from test_gradients import efficientnet, without_dropout

# Rates of fine-tuning. At Keras's defaults the run is chaotic: some two hundred layers, half of them normalisations of
# batches of 16 numbers, magnify the last bit of one step until the libraries' losses have nothing in common.
OPTIMIZERS = [("SGD", {"learning_rate": 1e-5, "momentum": 0.9}), ("Adam", {"learning_rate": 1e-5}),
              ("AdamW", {"learning_rate": 1e-5}), ("RMSprop", {"learning_rate": 1e-5}),
              ("Adagrad", {"learning_rate": 1e-4}), ("Adafactor", {"learning_rate": 1e-5}), ("Lion", {"learning_rate": 1e-6})]


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_hundred_steps(name, options, rng, lamina, tmp_path):
    model, ours = compiled_pair(lambda: without_dropout(efficientnet()), name, options, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 4, STEPS)
    drift, theirs = train_both(model, ours, 127 + 64 * x, y, 4)
    print(f"EfficientNetV2B0 {name}: drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert drift.max() <= 1e-4, int(drift.argmax())
