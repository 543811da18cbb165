"""Training of whole models under the mixed policies, step by step against Keras on JAX, and the state of the
LossScaleOptimizer, which passes both ways."""

import keras
import numpy as np
import pytest
from keras import layers

import tolerances
import values
from h5_compare import file_differences
from state import file_values
from test_fit import LOSS, compiled_pair, convnet, learnable, losses_of_keras, mlp, record_drift, train_both
from test_training_parts import words

BATCH = 16


def set_policy(policy, lamina):
    keras.config.set_dtype_policy(policy)
    lamina.request("set_dtype_policy", policy=policy)


def pass_on(giver, taker, folder):
    """What the taker saves is what it was given, to the bit."""
    giver.save_weights(folder / "given.weights.h5")
    taker.load_weights(folder / "given.weights.h5")
    taker.save_weights(folder / "taken.weights.h5")
    assert file_differences(folder / "given.weights.h5", folder / "taken.weights.h5") == []


# With learning rates at which thirty steps learn something.
OPTIMIZERS = [("SGD", {"learning_rate": 0.02, "momentum": 0.9}), ("Adam", {"learning_rate": 0.005})]
POLICIES = ["mixed_float16", "mixed_bfloat16"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("make", [mlp, convnet])
def test_a_run_in_both_libraries(make, name, options, policy, rng, lamina, tmp_path, record_property):
    """Losses stay together while the run passes to ours and back."""
    set_policy(policy, lamina)
    model, ours = compiled_pair(make, name, options, rng, lamina, tmp_path)
    x, y = learnable(model, rng, BATCH, 30)
    there, back = 10 * BATCH, 20 * BATCH
    legs = [train_both(model, ours, x[:there], y[:there], BATCH)]
    pass_on(model, ours, tmp_path)
    legs.append(train_both(model, ours, x[there:back], y[there:back], BATCH))
    pass_on(ours, model, tmp_path)
    legs.append(train_both(model, ours, x[back:], y[back:], BATCH))
    drift, losses = (np.concatenate(parts) for parts in zip(*legs))
    record_drift(record_property, make.__name__, name, drift, losses, policy)
    assert drift.max() <= tolerances.TRAINING[policy], int(drift.argmax())


@pytest.mark.parametrize("accumulation", [None, 3])
@pytest.mark.parametrize("name", ["Adafactor", "RMSprop", "Lion", "Ftrl", "Lamb", "Muon", "ScheduleFreeAdamW"])
def test_what_is_wrapped_has_the_same_variables(name, accumulation, rng, lamina, tmp_path):
    """In archives and in files, both ways, on weights of every rank; Adafactor's placeholders are none of them."""
    set_policy("mixed_float16", lamina)
    model = convnet()
    values.randomize(model, rng)
    optimizer = getattr(keras.optimizers, name)(0.001, gradient_accumulation_steps=accumulation)
    model.compile(optimizer, getattr(keras.losses, LOSS[0])(**LOSS[1]))
    x, y = learnable(model, rng, BATCH, 8)
    losses_of_keras(model, x[:4 * BATCH], y[:4 * BATCH], BATCH)
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    pass_on(model, ours, tmp_path)
    drift, _ = train_both(model, ours, x[4 * BATCH:], y[4 * BATCH:], BATCH)
    assert drift.max() <= tolerances.TRAINING["mixed_float16"]
    pass_on(ours, model, tmp_path)


def product_of(optimizer):
    """Of Nadam's momentums, which Keras keeps beside the variables that a LossScaleOptimizer saves."""
    updates = 1 + np.arange(int(optimizer.iterations.numpy()))
    return np.prod(optimizer.beta_1 * (1 - 0.5 * 0.96**updates))


def test_nadam_wrapped_goes_on_with_its_product(rng, lamina, tmp_path):
    """On JAX Keras forgets it, and begins each step with what it is told."""
    set_policy("mixed_float16", lamina)
    model = convnet()
    values.randomize(model, rng)
    nadam = keras.optimizers.Nadam(0.001)
    model.compile(nadam, getattr(keras.losses, LOSS[0])(**LOSS[1]))
    x, y = learnable(model, rng, BATCH, 7)
    losses_of_keras(model, x[:4 * BATCH], y[:4 * BATCH], BATCH)
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    pass_on(model, ours, tmp_path)
    got = [log["loss"] for log in ours.train(x[4 * BATCH:], y[4 * BATCH:], BATCH)]
    model.run_eagerly = True  # a compiled program has it as a constant
    model.make_train_function(force=True)
    for step, loss in enumerate(got, start=4):
        nadam._u_product.assign(product_of(nadam))
        rows = slice(step * BATCH, (step + 1) * BATCH)
        theirs = losses_of_keras(model, x[rows], y[rows], BATCH)[0]
        assert abs(loss - theirs) <= tolerances.TRAINING["mixed_float16"] * theirs, step
    pass_on(ours, model, tmp_path)


@pytest.mark.parametrize("policy", POLICIES)
def test_another_learning_rate_drifts_beyond_the_tolerance(policy, rng, lamina, tmp_path):
    set_policy(policy, lamina)
    name, options = OPTIMIZERS[0]
    model, ours = compiled_pair(mlp, name, options, rng, lamina, tmp_path)
    ours.compile(words(name, options | {"learning_rate": 1.2 * options["learning_rate"]}), words(*LOSS))
    x, y = learnable(model, rng, BATCH, 30)
    drift, _ = train_both(model, ours, x, y, BATCH)
    print(f"{policy}: drift {drift.max():.1e}")
    assert drift.max() > tolerances.TRAINING[policy]


def perceptron():
    """Without a function that saturates: large inputs make large gradients."""
    x = keras.Input((12,))
    return keras.Model(x, layers.Dense(5)(layers.Dense(32, activation="silu")(x)), name="perceptron")


SCALE = {"initial_scale": 4096.0, "dynamic_growth_steps": 3}
OVERFLOWING = (2, 6, 7, 15)  # steps


def scales_by_the_rule(steps):
    scale, counter, scales = SCALE["initial_scale"], 0, []
    for step in range(steps):
        counter += 1
        if step in OVERFLOWING:
            scale, counter = scale / 2, 0
        elif counter == SCALE["dynamic_growth_steps"]:
            scale, counter = scale * 2, 0
        scales.append(scale)
    return scales


def train_and_watch(model, ours, x, y):
    """(Relative differences of the losses, Keras's scale after each step, ours)."""
    scales, losses = [], []
    for first in range(0, len(x), BATCH):
        rows = slice(first, first + BATCH)
        losses.append(float(model.train_on_batch(x[rows], y[rows], return_dict=True)["loss"]))
        scales.append(float(model.optimizer.dynamic_scale.numpy()))
    got = np.array([log["loss"] for log in ours.train(x, y, BATCH)])
    return np.abs(got - losses) / np.abs(losses), scales, ours.loss_scales


def compile_keras(model, scale):
    keras.utils.clear_session(free_memory=False)  # else the optimizer has another name than the one before
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), **scale),
                  getattr(keras.losses, LOSS[0])(**LOSS[1]))
    model.optimizer.build(model.trainable_variables)


def compile_ours(ours, scale):
    ours.driver.request("clear_session")
    ours.compile("Adam", words(*LOSS), loss_scale=scale)


def counts(model, folder):
    """{path: value} of all numbers of the optimizers: iterations, learning rates, count and scale."""
    model.save_weights(folder / "counts.weights.h5")
    return {path: float(value) for path, value in file_values(folder / "counts.weights.h5").items()
            if path.startswith("/optimizer/") and value.shape == ()}


def test_the_scale_grows_and_shrinks_at_the_same_steps(rng, lamina, tmp_path):
    """Wherever the run goes on: scale and count come from the file, and not from what the optimizer began with."""
    set_policy("mixed_float16", lamina)
    model, ours = compiled_pair(perceptron, "Adam", {}, rng, lamina, tmp_path)
    compile_keras(model, SCALE)
    compile_ours(ours, SCALE)
    x, y = learnable(model, rng, BATCH, 24)
    for step in OVERFLOWING:
        x[step * BATCH:(step + 1) * BATCH] *= 5000
    expected = scales_by_the_rule(24)

    def train(first, last):
        rows = slice(first * BATCH, last * BATCH)
        drift, theirs, got = train_and_watch(model, ours, x[rows], y[rows])
        print(f"drift {drift.max():.1e}")
        assert theirs == expected[first:last]
        assert got == expected[first:last]
        assert drift.max() <= tolerances.TRAINING["mixed_float16"]
        assert counts(model, tmp_path) == counts(ours, tmp_path)

    train(0, 13)  # two steps since the scale grew
    compile_ours(ours, SCALE | {"initial_scale": 2.0})
    pass_on(model, ours, tmp_path)
    train(13, 20)  # one step
    compile_keras(model, SCALE | {"initial_scale": 2.0})
    pass_on(ours, model, tmp_path)
    train(20, 24)
