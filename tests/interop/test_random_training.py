"""Random models, compiled at random by Keras and loaded from its archive: equal configurations, the same logs step by
step, and what Lamina saves goes back to the bit."""

import json
import math

import keras
import numpy as np
import pytest

import random_models
import values
from test_compile_config import plain
from test_fit import differences
from test_random_models import remade

STEPS, ROWS = 3, 4

# Of a log of any step, relative to itself or to 0.05: whole models magnify what a step rounds.
TOLERANCES = {"float32": 1e-3, "mixed_float16": 5e-2, "mixed_bfloat16": 1.5e-1}

S = keras.optimizers.schedules


def without_chance(config):
    """Dropout's random numbers are not ours. Keras has JAX do attention without, which takes one size alone."""
    options = config["config"]
    if config["class_name"] in ("Dropout", "AlphaDropout", "GaussianDropout"):
        options["rate"] = 0.0
    elif config["class_name"] == "GaussianNoise":
        options["stddev"] = 0.0
    elif config["class_name"] == "StochasticDepth":
        options["drop_path_rate"] = 0.0
    elif config["class_name"] == "ActivityRegularization":  # where it is shared JAX counts its last call alone
        options |= {"l1": 0.0, "l2": 0.0}
    elif config["class_name"] == "MultiHeadAttention":
        options |= {"value_dim": options["key_dim"], "seed": None}
    options |= {key: 0.0 for key in ("dropout", "recurrent_dropout") if key in options}
    held = [options.get(name) for name in ("layer", "backward_layer", "cell")]
    for layer in [*options.get("layers", []), *options.get("cells", []), *held]:
        if layer:
            without_chance(layer)
    return config


def trainable_model(draw):
    """(model, policy) with something to train, and a name for each output."""
    for _ in range(200):
        model, policy = random_models.random_model(draw)
        if policy not in TOLERANCES:
            continue
        model = remade(json.dumps(without_chance(json.loads(model.to_json()))))
        keras.config.set_dtype_policy(policy)
        names = [x._keras_history.operation.name for x in model.outputs]
        if model.trainable_variables and len(set(names)) == len(names):
            return model, policy
    raise AssertionError("no model was found")


def optimizer(draw, rates=(1e-4, 1e-2)):
    maybe = lambda options, chance=0.3: options if draw.random() < chance else {}
    rate = draw.uniform(*rates)
    rate = draw.choice([rate, rate, S.ExponentialDecay(rate, 2, 0.5), S.PiecewiseConstantDecay([1], [rate, rate / 2]),
                        S.CosineDecay(rate, 6, 0.1, warmup_target=2 * rate, warmup_steps=2)])
    name, own = draw.choice([
        ("SGD", {"momentum": draw.choice([0.0, 0.9]), "nesterov": draw.random() < 0.5}),
        ("Adam", {"beta_1": draw.uniform(0.5, 0.95), "epsilon": 1e-3, "amsgrad": draw.random() < 0.5}), ("AdamW", {"epsilon": 1e-2}),
        ("RMSprop", {"momentum": draw.choice([0.0, 0.5]), "centered": draw.random() < 0.5, "epsilon": 1e-2}),
        ("Adagrad", {"epsilon": 1e-3}), ("Adafactor", {"clip_threshold": draw.uniform(0.5, 2)}), ("Lion", {}),
        ("Adamax", {"epsilon": 1e-2}), ("Nadam", {"epsilon": 1e-2}), ("Adadelta", {"epsilon": 1e-3}),
        ("Ftrl", {"learning_rate_power": draw.choice([-0.5, -0.7]), "beta": draw.choice([0.0, 0.1])}),
        ("Lamb", {"epsilon": 1e-2}), ("Muon", {"epsilon": 1e-2, "ns_steps": draw.choice([2, 5])}),
        ("ScheduleFreeAdamW", {"epsilon": 1e-2, "warmup_steps": draw.choice([0, 4])})])
    options = own | maybe({"weight_decay": draw.uniform(0.001, 0.1)})
    options |= maybe({draw.choice(["clipnorm", "clipvalue", "global_clipnorm"]): draw.uniform(0.1, 2)})
    options |= maybe({"use_ema": True, "ema_overwrite_frequency": draw.choice([None, 2])}, 0.2)
    options |= maybe({"gradient_accumulation_steps": 2}, 0.2)
    return getattr(keras.optimizers, name)(rate, **options)


def loss_of(draw, rng, shape):
    """(loss, what draws labels, metrics) of an output of this shape."""
    L = keras.losses
    size = (ROWS, *shape)
    real = lambda: rng.normal(size=size).astype("float32")
    binary = lambda: rng.integers(0, 2, size).astype("float32")
    one_hot = lambda: np.eye(size[-1], dtype="float32")[rng.integers(0, size[-1], size[:-1])]
    kinds = [("mse", real, ["mae"]), (L.LogCosh(), real, ["mse", "mae"]), (L.Huber(), real, []),
             (L.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), binary, [])]
    if size[-1] > 1:
        kinds += [(L.CategoricalCrossentropy(from_logits=True), one_hot, []), (L.CategoricalHinge(), one_hot, ["mse"])]
    return draw.choice(kinds)


@pytest.mark.cases(10)
def test_random_training(case, draw, rng, lamina, tmp_path):
    model, policy = trainable_model(draw)
    values.randomize(model, rng)
    lamina.request("set_dtype_policy", policy=policy)
    losses, labels, metrics = zip(*(loss_of(draw, rng, x.shape[1:]) for x in model.outputs))
    one = len(losses) == 1
    weights = None if one or draw.random() < 0.5 else [draw.choice([0.25, 1.0, 2.0]) for _ in losses]
    model.compile(optimizer(draw), losses[0] if one else list(losses), loss_weights=weights,
                  metrics=metrics[0] or None if one else [list(each) for each in metrics])
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert ours.compile_config() == plain(model.get_compile_config())

    for step in range(STEPS):
        x = [values.random_input(rng, (ROWS, *x.shape[1:]), x.dtype) for x in model.inputs]
        y = [draw_labels() for draw_labels in labels]
        theirs = model.train_on_batch(x[0] if len(x) == 1 else x, y[0] if one else y, return_dict=True)
        got = ours.train_on_batch(x, y)
        assert sorted(got) == sorted(theirs)
        for name, value in theirs.items():
            value = float(value)
            if not math.isfinite(value):
                return  # and nothing can be said of what follows
            assert abs(got[name] - value) <= TOLERANCES[policy] * max(abs(value), 0.05), (step, name, got, theirs)

    ours.save_weights(tmp_path / "ours.weights.h5")
    ours.save(tmp_path / "ours.keras")
    keras.utils.clear_session()  # else other names
    keras.config.set_dtype_policy(policy)
    again = keras.models.load_model(tmp_path / "ours.keras")
    again.save_weights(tmp_path / "again.weights.h5")
    assert differences(tmp_path / "again.weights.h5", tmp_path / "ours.weights.h5") == []
