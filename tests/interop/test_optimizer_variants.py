"""Every option of every optimizer, and every schedule, on whole models against Keras on JAX: the losses, the weights
and the optimizer's state stay together while the run passes from one library to the other and back.

`options` are what a case is about: our run without any one of them ends elsewhere, or the case would show nothing."""

import keras
import numpy as np
import pytest

import tolerances
import values
from keras_loop import Network, Run
from state import file_values, values_apart
from test_fit import LOSS, convnet, differences, learnable, mlp
from test_training_parts import words

BATCH = 8
LEGS = (13, 8, 7)  # steps before each passing of the run, and after them; the first ends in the middle of a cycle

S = keras.optimizers.schedules
EXCLUDE = "exclude_from_weight_decay"  # a method, not an option

# (optimizer, what else it is given, what the case is about)
VARIANTS = [
    ("SGD", {}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, EXCLUDE: ["bias", "beta"],
                 "learning_rate": S.ExponentialDecay(0.05, 6, 0.5, staircase=True)}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}, {"gradient_accumulation_steps": 3, "clipvalue": 0.02}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.5}, {"global_clipnorm": 0.2, "use_ema": True, "ema_momentum": 0.7}),
    # A scale that is a power of two changes nothing but overflows.
    ("SGD", {"loss_scale_factor": 64.0}, {"clipnorm": 0.1, "gradient_accumulation_steps": 2, "learning_rate":
                                          S.PiecewiseConstantDecay([5, 14, 20], [0.1, 0.05, 0.02, 0.01])}),
    ("Adam", {}, {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "learning_rate": S.InverseTimeDecay(0.005, 5, 0.7)}),
    ("Adam", {"learning_rate": 0.003, "beta_2": 0.8}, {"amsgrad": True, "clipnorm": 0.1, "weight_decay": 0.3}),
    ("Adam", {"learning_rate": 0.003, "epsilon": 0.01}, {"global_clipnorm": 0.2, "use_ema": True, "ema_momentum": 0.8,
                                                         "ema_overwrite_frequency": 5}),
    ("Adam", {"learning_rate": 0.003}, {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 2,
                                        "gradient_accumulation_steps": 3}),
    # Schedules count steps, and not the updates that accumulation leaves.
    ("AdamW", {"gradient_accumulation_steps": 2, "beta_2": 0.8},
     {"weight_decay": 0.3, EXCLUDE: ["^(bias|gamma)$", "no[.]ne"], "amsgrad": True,
      "learning_rate": S.CosineDecay(0.001, 20, 0.1, warmup_target=0.005, warmup_steps=6)}),
    ("RMSprop", {}, {"momentum": 0.8, "centered": True, "rho": 0.8}),
    ("RMSprop", {}, {"epsilon": 1e-3, "clipvalue": 0.02, "weight_decay": 0.3,
                     "learning_rate": S.PolynomialDecay(0.003, 9, 0.0005, 2.0, cycle=True)}),
    ("Adagrad", {"learning_rate": 0.05}, {"initial_accumulator_value": 0.01, "epsilon": 0.01, "use_ema": True}),
    # `relative_step` changes nothing in Keras, whose next line takes the same minimum; `epsilon_1` next to nothing.
    ("Adafactor", {"relative_step": False, "epsilon_1": 1e-20},
     {"clip_threshold": 0.5, "beta_2_decay": -0.6, "epsilon_2": 0.5, "weight_decay": 0.2, "clipnorm": 1e-3,
      "use_ema": True, "gradient_accumulation_steps": 3, "learning_rate": S.CosineDecayRestarts(0.1, 8, 1.0, 0.7, 0.1)}),
    ("Lion", {}, {"beta_1": 0.3, "beta_2": 0.7, "weight_decay": 1.0,
                  "learning_rate": S.ExponentialDecay(0.002, 8, 0.8)}),
    ("Adamax", {}, {"beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-3, "clipnorm": 0.1,
                    "learning_rate": S.ExponentialDecay(0.005, 8, 0.8)}),
    ("Nadam", {"learning_rate": 0.003}, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "weight_decay": 0.3,
                                         "gradient_accumulation_steps": 2}),
    ("Adadelta", {"learning_rate": 1.0}, {"rho": 0.8, "epsilon": 1e-4, "clipvalue": 0.02, "use_ema": True}),
    ("Ftrl", {"learning_rate": 0.05}, {"learning_rate_power": -0.7, "initial_accumulator_value": 0.3,
                                       "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.2,
                                       "beta": 0.1, "l2_shrinkage_regularization_strength": 0.1}),
    ("Ftrl", {"learning_rate": 0.05}, {"global_clipnorm": 0.2, "weight_decay": 0.5, "gradient_accumulation_steps": 2}),
    ("Lamb", {"learning_rate": 0.01}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3, "weight_decay": 0.3,
                                       "gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.01}, {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3, "warmup_steps": 9,
                                                    "weight_decay": 0.3, "clipnorm": 0.1}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.01}, {"gradient_accumulation_steps": 2, "use_ema": True,
                                                    "ema_momentum": 0.8, "ema_overwrite_frequency": 5}),
    ("Muon", {"learning_rate": 0.003}, {"adam_beta_1": 0.7, "adam_beta_2": 0.9, "epsilon": 1e-3, "adam_lr_ratio": 2.0,
                                        "adam_weight_decay": 0.5, "gradient_accumulation_steps": 2}),
]


def name_of(variant):
    name, _, options = variant
    words_of = (type(v).__name__ if isinstance(v, S.LearningRateSchedule) else k for k, v in options.items())
    return "-".join([name, *words_of])


@pytest.fixture(scope="module", params=[mlp, convnet], ids=lambda make: make.__name__)
def network(request):
    return Network(request.param(), getattr(keras.losses, LOSS[0])(**LOSS[1]))


def optimizer_of_keras(name, options):
    options = dict(options)
    excluded = options.pop(EXCLUDE, None)
    optimizer = getattr(keras.optimizers, name)(**options)
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=excluded)
    return optimizer


def compile_ours(ours, name, options):
    options = dict(options)
    more = {EXCLUDE: options.pop(EXCLUDE)} if EXCLUDE in options else {}
    ours.compile(words(name, options), words(*LOSS), **more)


class Pair:
    """Keras's run and ours, which start from the same weights."""

    def __init__(self, network, name, options, rng, lamina, folder):
        values.randomize(network.model, rng)
        self.keras = Run(network, optimizer_of_keras(name, options))
        self.ours = lamina.from_json(network.json)
        compile_ours(self.ours, name, options)
        self.folder = folder
        self.pass_on(self.keras.model, self.ours, "initial")

    def pass_on(self, giver, taker, name):
        """Weights and state by file: what the taker saves is what it was given, to the bit."""
        paths = [self.folder / f"{name}_{side}.weights.h5" for side in ("given", "taken")]
        giver.save_weights(paths[0])
        taker.load_weights(paths[0])
        taker.save_weights(paths[1])
        keras_file, ours_file = paths if taker is self.ours else paths[::-1]
        assert differences(keras_file, ours_file) == []

    def train(self, x, y):
        """The largest relative difference of a loss."""
        theirs = self.keras.train(x, y, BATCH)
        got = np.array([log["loss"] for log in self.ours.train(x, y, BATCH)])
        return float(np.max(np.abs(got - theirs) / np.abs(theirs)))

    def finalize(self):
        self.keras.finalize()
        self.ours.finalize()

    def apart(self):
        """How far weights or state are from each other at most, and where."""
        paths = [self.folder / f"{side}.weights.h5" for side in ("ours", "keras")]
        self.ours.save_weights(paths[0])
        self.keras.model.save_weights(paths[1])
        return max((apart, name) for name, apart in values_apart(*map(file_values, paths)).items())


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_a_run_in_both_libraries(variant, network, rng, lamina, tmp_path):
    name, base, options = variant
    pair = Pair(network, name, base | options, rng, lamina, tmp_path)
    x, y = learnable(network.model, rng, BATCH, sum(LEGS))
    drifts, apart = [], []

    def train(first, last):
        rows = slice(first * BATCH, last * BATCH)
        drifts.append(pair.train(x[rows], y[rows]))
        apart.append(pair.apart())

    there, back, end = np.cumsum(LEGS)
    train(0, there)
    pair.pass_on(pair.keras.model, pair.ours, "there")
    train(there, back)
    pair.pass_on(pair.ours, pair.keras.model, "back")
    train(back, end)
    pair.finalize()
    apart.append(pair.apart())
    print(f"{name_of(variant)}: losses {max(drifts):.1e}, values {max(apart)}")
    assert max(drifts) <= tolerances.TRAINING["float32"], drifts
    assert max(apart)[0] <= tolerances.trained(name), apart


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_without_one_option_the_run_ends_elsewhere(variant, network, rng, lamina, tmp_path):
    """By more than the other test lets pass."""
    name, base, options = variant
    values.randomize(network.model, rng)
    network.model.save_weights(tmp_path / "initial.weights.h5")
    x, y = learnable(network.model, rng, BATCH, sum(LEGS))

    def end_of_run(options):
        ours = lamina.from_json(network.json)
        ours.load_weights(tmp_path / "initial.weights.h5")
        compile_ours(ours, name, options)
        ours.train(x, y, BATCH)
        ours.finalize()
        ours.save_weights(tmp_path / "end.weights.h5")
        return file_values(tmp_path / "end.weights.h5", but="/optimizer/")

    end = end_of_run(base | options)
    for left_out in options:
        rest = {k: v for k, v in (base | options).items() if k != left_out}
        apart = max(values_apart(end_of_run(rest), end).values())
        print(f"{name_of(variant)}: without {left_out} {apart:.1e}")
        assert apart > 2 * tolerances.trained(name), left_out
