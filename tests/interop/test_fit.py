"""Training step by step against Keras on JAX, and weights files of compiled models, both ways.

The same initial weights and the same batches: the losses of a hundred steps stay together. How far they
drift is printed (`-s` shows it) and left with the results, of which scripts/drift_table.py makes drift.md."""

import os
import re
import subprocess

import keras
import numpy as np
import pytest
from keras import layers

import tolerances
import values
from h5_compare import file_differences
from test_training_parts import words

STEPS = 100


def mlp():
    x = keras.Input((12,))
    y = layers.Dense(32, activation="silu")(x)
    return keras.Model(x, layers.Dense(5)(layers.Dense(24, activation="tanh")(y)), name="mlp")


def convnet():
    x = keras.Input((9, 9, 3))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    y = layers.Activation("silu")(layers.BatchNormalization(momentum=0.9)(y))
    y = layers.AveragePooling2D(2, padding="same")(y)
    y = layers.Dropout(0.0)(layers.Conv2D(12, 3, strides=2, padding="same", activation="tanh")(y))
    return keras.Model(x, layers.Dense(5)(layers.GlobalAveragePooling2D()(y)), name="convnet")


# With Keras's defaults but for learning rates at which a hundred steps learn something.
OPTIMIZERS = [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {}), ("RMSprop", {}), ("Adagrad", {"learning_rate": 0.05}),
              ("Adafactor", {"learning_rate": 0.01}), ("Lion", {"learning_rate": 0.0003}),
              ("Adamax", {"learning_rate": 0.005}), ("Nadam", {}), ("Adadelta", {"learning_rate": 1.0}),
              ("Ftrl", {"learning_rate": 0.3}), ("Lamb", {"learning_rate": 0.01}), ("Muon", {"learning_rate": 0.005}),
              ("ScheduleFreeAdamW", {})]
LOSS = ("SparseCategoricalCrossentropy", {"from_logits": True})


def compiled_pair(make, optimizer, options, rng, lamina, tmp_path):
    """(Keras's model, ours), both compiled, with equal weights, which Keras's file carries over."""
    model = make()
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "initial.weights.h5")
    ours.load_weights(tmp_path / "initial.weights.h5")
    compile_both(model, ours, optimizer, options)
    return model, ours


def compile_both(model, ours, optimizer, options):
    model.compile(getattr(keras.optimizers, optimizer)(**options), getattr(keras.losses, LOSS[0])(**LOSS[1]),
                  metrics=["accuracy"])
    ours.compile(words(optimizer, options), words(*LOSS), ["accuracy"])


def learnable(model, rng, batch, steps):
    """Noise, images with a colour of their own, and labels that a random linear map gives, of the colour if there is
    one: there is something to learn."""
    shape = model.inputs[0].shape[1:]
    x = rng.normal(size=(batch * steps, *shape)).astype("float32")
    seen = x
    if len(shape) == 3:
        seen = rng.normal(size=(len(x), 1, 1, shape[-1])).astype("float32")
        x += seen
    y = (seen.reshape(len(x), -1) @ rng.normal(size=(shape[-1], 5))).argmax(-1).astype("int32")
    return x, y


def losses_of_keras(model, x, y, batch):
    """The loss of each batch by itself, as train_on_batch gives it."""
    losses = []
    for first in range(0, len(x), batch):
        rows = slice(first, first + batch)
        losses.append(float(model.train_on_batch(x[rows], y[rows], return_dict=True)["loss"]))
    return np.array(losses)


def train_both(model, ours, x, y, batch):
    """Relative differences of the losses, step by step."""
    theirs = losses_of_keras(model, x, y, batch)
    got = np.array([log["loss"] for log in ours.train(x, y, batch)])
    assert len(got) == len(theirs) == len(x) // batch
    return np.abs(got - theirs) / np.abs(theirs), theirs


def record_drift(record_property, model, optimizer, drift, losses, policy="float32"):
    """Into the JUnit file of the results: what scripts/drift_table.py reads."""
    for key, value in {"model": model, "optimizer": optimizer, "policy": policy, "steps": len(drift),
                       "drift": f"{drift.max():.3e}"}.items():
        record_property(key, value)
    fifth = len(losses) // 5
    print(f"{model} {optimizer} {policy}: drift {drift.max():.1e}, "
          f"loss {losses[:fifth].mean():.3f} -> {losses[-fifth:].mean():.3f}")


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("make", [mlp, convnet])
def test_a_hundred_steps(make, name, options, rng, lamina, tmp_path, record_property):
    model, ours = compiled_pair(make, name, options, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, STEPS)
    drift, theirs = train_both(model, ours, x, y, 16)
    record_drift(record_property, make.__name__, name, drift, theirs)
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    assert theirs[-20:].mean() < theirs[:20].mean(), "nothing was learned"


def differences(theirs, ours):
    """But for Adafactor's placeholders, Keras's Variable(0): an int64 only because these tests run with 64 bits."""
    placeholder = re.compile(r"/optimizer/vars/\d+: \['dataset', \{\}, 'integer signed 8 .*'scalar .*integer signed 4 ")
    return [line for line in file_differences(theirs, ours) if not placeholder.match(line)]


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_run_goes_on_in_the_other_library(name, options, rng, lamina, tmp_path):
    """Optimizer state passes both ways to the bit, and both go on alike."""
    model, ours = compiled_pair(convnet, name, options, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, 30)
    losses_of_keras(model, x[:160], y[:160], 16)
    model.save_weights(tmp_path / "keras.weights.h5")
    ours.load_weights(tmp_path / "keras.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    assert differences(tmp_path / "keras.weights.h5", tmp_path / "ours.weights.h5") == []
    drift, _ = train_both(model, ours, x[160:320], y[160:320], 16)
    assert drift.max() <= tolerances.TRAINING["float32"]

    ours.save_weights(tmp_path / "later.weights.h5")
    model.load_weights(tmp_path / "later.weights.h5")
    model.save_weights(tmp_path / "back.weights.h5")
    assert differences(tmp_path / "back.weights.h5", tmp_path / "later.weights.h5") == []
    drift, _ = train_both(model, ours, x[320:], y[320:], 16)
    assert drift.max() <= tolerances.TRAINING["float32"]


def test_a_new_model_takes_over_the_optimizer(rng, lamina, tmp_path):
    """A file of a run of Keras's is loaded into a model that has not trained: its optimizer is built for it."""
    model, _ = compiled_pair(mlp, "Adam", {}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, 20)
    losses_of_keras(model, x[:160], y[:160], 16)
    model.save_weights(tmp_path / "run.weights.h5")
    lamina.request("clear_session")  # else its optimizer is "adam_1"
    fresh = lamina.from_json(model.to_json())
    fresh.compile("Adam", words(*LOSS))
    fresh.load_weights(tmp_path / "run.weights.h5")
    fresh.save_weights(tmp_path / "fresh.weights.h5")
    assert file_differences(tmp_path / "run.weights.h5", tmp_path / "fresh.weights.h5") == []
    drift, _ = train_both(model, fresh, x[160:], y[160:], 16)
    assert drift.max() <= tolerances.TRAINING["float32"]


def test_another_learning_rate_drifts_beyond_the_tolerance(rng, lamina, tmp_path):
    """The comparison is not blind: one part in a hundred of the learning rate shows."""
    model, ours = compiled_pair(mlp, "Adam", {}, rng, lamina, tmp_path)
    ours.compile("Adam:learning_rate=0.00101", words(*LOSS))
    x, y = learnable(model, rng, 16, STEPS)
    drift, _ = train_both(model, ours, x, y, 16)
    assert drift.max() > tolerances.TRAINING["float32"]


def test_the_fine_tuning_example(rng, tmp_path):
    """Keras's weights go in; Keras loads what comes out: frozen layers to the bit, the others changed."""
    base = keras.applications.EfficientNetV2B0(weights=None, include_top=False, pooling="avg",
                                               input_shape=(224, 224, 3))
    values.randomize(base, rng)
    base.save_weights(tmp_path / "b0.weights.h5")
    before = {v.path: np.asarray(v.value) for v in base.variables}
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (18, 224, 224, 3)).astype("uint8"))
    np.save(tmp_path / "y.npy", np.arange(18) % 4)
    run = subprocess.run([os.environ["LAMINA_FINE_TUNE"], "b0.weights.h5", "x.npy", "y.npy", "tuned.weights.h5"],
                         cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr

    x = keras.Input((224, 224, 3))
    head = layers.Dense(4)
    keras.Model(x, head(base(x))).load_weights(tmp_path / "tuned.weights.h5")
    assert np.any(np.asarray(head.kernel)) and np.any(np.asarray(head.bias))
    for variable in base.variables:
        tuned = variable.path.startswith("block6") and not any(n in variable.path for n in ("bn", "moving"))
        assert np.array_equal(np.asarray(variable.value), before[variable.path]) != tuned, variable.path
