"""Callbacks fed with the same scripted logs: both libraries stop, save, set rates, write and show alike."""

import contextlib
import io
import math
import re
from types import SimpleNamespace

import h5py
import jax
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.utils import progbar

from lamina_driver import keras_call, plain
from test_training_parts import words

EPOCHS = 8
# Which log, and how it is told which values are better.
MONITORS = [("loss", "auto"), ("loss", "min"), ("loss", "max"), ("val_loss", "auto"), ("accuracy", "auto"),
            ("accuracy", "max"), ("val_accuracy", "auto"), ("score", "min"), ("score", "max")]
# Some differ by less than float32 has, in which Keras compares.
LEVELS = [0.5, 0.45, 0.4, 0.4 + 1e-9, 0.4 - 1e-9, 0.3, 0.2, math.nan]
MEASURED = ["loss", "accuracy"]


class Script(keras.callbacks.Callback):
    """Puts other logs of the epoch in the place of those that were measured."""

    def __init__(self, logs):
        super().__init__()
        self.scripted = logs

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.scripted.items()})


def scheduler(factors, verbose=0):
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * factors[epoch], verbose)


KERAS = {"Script": Script, "LearningRateScheduler": scheduler}


def callback_of_keras(name, options):
    if name == "ModelCheckpoint":
        options = options | {"save_weights_only": True}  # what Lamina's does by default
    return KERAS.get(name, getattr(keras.callbacks, name, None))(**options)


def draw_logs(draw, *names, epochs=EPOCHS):
    return {name: [draw.choice(LEVELS) for _ in range(epochs)] for name in names}


class Runs:
    """`fit` in both libraries, on a small model of a learning rate; what each leaves goes to a folder of its own."""

    def __init__(self, rng, lamina, folder, rate=0.01):
        self.lamina, self.folder = lamina, folder
        x = keras.Input((3,))
        self.keras = keras.Model(x, layers.Dense(1)(x))
        self.ours = lamina.from_json(self.keras.to_json())
        self.keras.compile(keras.optimizers.SGD(learning_rate=rate), "mse", metrics=["accuracy"])
        self.ours.compile(words("SGD", {"learning_rate": rate}), "mse", ["accuracy"])
        self.data = rng.normal(size=(6, 3)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")

    def fit(self, callbacks, epochs=EPOCHS, verbose=0):
        """Keras's, then Lamina's: what was logged, shown, warned of and left. `callbacks(folder)`: (class, options)."""
        return [self._keras(callbacks, epochs, verbose), self._lamina(callbacks, epochs, verbose)]

    def _keras(self, callbacks, epochs, verbose):
        folder = self._made("keras")
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            history, warnings, error = keras_call(
                self.keras.fit, *self.data, batch_size=2, epochs=epochs, verbose=verbose, shuffle=False,
                callbacks=[callback_of_keras(*one) for one in callbacks(folder)])
        assert error is None, error
        return self._left(folder, history.history, shown.getvalue(), warnings)

    def _lamina(self, callbacks, epochs, verbose):
        folder = self._made("lamina")
        output = self.folder / "shown.txt"
        history = self.ours.fit(*self.data, callbacks=callbacks(folder), output=output, batch_size=2, epochs=epochs,
                                verbose=verbose)
        return self._left(folder, history, output.read_bytes().decode(), self.lamina.warnings)

    def _made(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    @staticmethod
    def _left(folder, history, shown, warnings):
        return SimpleNamespace(
            history={name: [str(float(value)) for value in values] for name, values in history.items()},
            shown=shown.replace(str(folder), "DIR"), files=sorted(path.name for path in folder.iterdir()),
            warnings=[_sorted_names(text) for text in warnings])


def _sorted_names(warning):
    """Keras lists logs in the order in which they came, Lamina in that of their names."""
    text, found, names = warning.partition("Available metrics are: ")
    return text + found + ",".join(sorted(names.rstrip(".").split(","))) + "." * names.endswith(".")


def expect_alike(runs):
    theirs, ours = runs
    assert ours.history == theirs.history
    assert ours.shown == theirs.shown
    assert ours.files == theirs.files
    assert ours.warnings == theirs.warnings


def draw_monitor(draw):
    return dict(zip(("monitor", "mode"), draw.choice(MONITORS), strict=True), verbose=1)


@pytest.fixture(autouse=True)
def as_keras_is_used():
    """These tests turn 64 bits on, with which Keras compares logs in float64, not in float32."""
    with jax.enable_x64(False):
        yield


@pytest.mark.cases(15)
def test_early_stopping(case, rng, draw, lamina, tmp_path):
    options = draw_monitor(draw) | {
        "patience": draw.randrange(4), "min_delta": draw.choice([0, 0.05, 0.1, -0.05]),
        "baseline": draw.choice([None, 0.35, 0.45]), "start_from_epoch": draw.choice([0, 0, 2, 3]),
        "restore_best_weights": draw.random() < 0.5}
    logs = draw_logs(draw, *MEASURED, options["monitor"])
    runs = Runs(rng, lamina, tmp_path)
    expect_alike(runs.fit(lambda _: [("Script", {"logs": logs}), ("EarlyStopping", options)]))


@pytest.mark.cases(15)
def test_reduce_lr_on_plateau(case, rng, draw, lamina, tmp_path):
    options = draw_monitor(draw) | {
        "factor": draw.choice([0.1, 0.5, 0.7]), "patience": draw.randrange(4), "cooldown": draw.randrange(3),
        "min_delta": draw.choice([1e-4, 0, 0.05]), "min_lr": draw.choice([0.0, 0.002])}
    logs = draw_logs(draw, *MEASURED, options["monitor"])
    runs = Runs(rng, lamina, tmp_path, rate=draw.choice([0.1, 0.01, 1.0]))
    theirs, ours = runs.fit(lambda _: [("Script", {"logs": logs}), ("ReduceLROnPlateau", options)])
    assert "learning_rate" in theirs.history
    expect_alike([theirs, ours])


@pytest.mark.cases(12)
def test_model_checkpoint(case, rng, draw, lamina, tmp_path):
    options = draw_monitor(draw) | {"save_best_only": draw.random() < 0.8,
                                    "initial_value_threshold": draw.choice([None, 0.25, 0.35, 0.45])}
    logs = draw_logs(draw, *MEASURED, options["monitor"])
    runs = Runs(rng, lamina, tmp_path)
    name = draw.choice(["{epoch}.weights.h5", "{epoch:02d}-{loss:.2f}.weights.h5"])
    expect_alike(runs.fit(lambda folder: [("Script", {"logs": logs}),
                                          ("ModelCheckpoint", options | {"filepath": folder / name})]))


@pytest.mark.cases(3)
def test_learning_rate_scheduler(case, rng, draw, lamina, tmp_path):
    factors = [draw.choice([0.1, 0.5, 0.99, 1.0, 2.0]) for _ in range(EPOCHS)]
    logs = draw_logs(draw, *MEASURED)
    runs = Runs(rng, lamina, tmp_path)
    theirs, ours = runs.fit(lambda _: [("Script", {"logs": logs}),
                                       ("LearningRateScheduler", {"factors": factors, "verbose": 1})])
    assert len(set(theirs.history["learning_rate"])) > 1 or set(factors) == {1.0}
    assert theirs.shown.count("LearningRateScheduler setting learning rate to ") == EPOCHS
    expect_alike([theirs, ours])


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("stops", [False, True])
def test_swap_ema_weights(swap_on_epoch, stops, rng, lamina, tmp_path):
    """Validation, what is saved after each epoch, its averages included, and the weights at the end: those of a run
    that is stopped are Keras's without swap_on_epoch, which there loses the averages."""
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2, name="dense")(x))
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "initial.weights.h5")
    ours.load_weights(tmp_path / "initial.weights.h5")
    options = {"learning_rate": 0.1, "momentum": 0.5, "use_ema": True, "ema_momentum": 0.8}
    model.compile(keras.optimizers.SGD(**options), "mse")
    ours.compile(words("SGD", options), "mse")
    x, y = rng.normal(size=(12, 3)).astype("float32"), rng.normal(size=(12, 2)).astype("float32")
    more = rng.normal(size=(6, 3)).astype("float32"), rng.normal(size=(6, 2)).astype("float32")

    def callbacks(folder):
        stop = [("EarlyStopping", {"monitor": "score", "mode": "min"})] if stops else []
        scores = [3, 2, 2, 1] if stops else [4, 3, 2, 1]
        return [("Script", {"logs": {"score": scores}}), ("SwapEMAWeights", {"swap_on_epoch": swap_on_epoch}), *stop,
                ("ModelCheckpoint", {"filepath": tmp_path / folder / "{epoch}.weights.h5"})]

    run = dict(batch_size=4, epochs=4)
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    theirs = model.fit(x, y, validation_data=more, verbose=0, shuffle=False,
                       callbacks=[callback_of_keras(*one) for one in callbacks("keras")], **run).history
    got = ours.fit(x, y, validation=more, callbacks=callbacks("lamina"), **run)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(got[name], theirs[name], rtol=1e-4, err_msg=name)
    assert len(got["loss"]) == (3 if stops else 4)
    for epoch in range(1, len(got["loss"]) + 1):
        saved = [state_of_file(tmp_path / folder / f"{epoch}.weights.h5") for folder in ("keras", "lamina")]
        assert list(saved[0]) == list(saved[1])
        for path, value in saved[0].items():
            np.testing.assert_allclose(saved[1][path], value, rtol=1e-4, atol=1e-5, err_msg=f"{epoch} {path}")
    last = {path: value for path, value in saved[1].items() if path.startswith("layers/")}
    ours.save_weights(tmp_path / "last.weights.h5")
    at_the_end = state_of_file(tmp_path / "last.weights.h5")
    if swap_on_epoch:
        for path, value in last.items():
            np.testing.assert_array_equal(at_the_end[path], value)
    if not (stops and swap_on_epoch):
        model.save_weights(tmp_path / "theirs.weights.h5")
        for path, value in state_of_file(tmp_path / "theirs.weights.h5").items():
            np.testing.assert_allclose(at_the_end[path], value, rtol=1e-4, atol=1e-5, err_msg=path)


def state_of_file(path):
    """{"layers/dense/vars/0": array}, the optimizer's among them."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return {name: value for name, value in found.items() if not name.startswith("lamina/")}


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
def test_a_monitor_that_is_not_there(name, rng, draw, lamina, tmp_path):
    options = {"monitor": "missing", "mode": "min"}
    more = {"ModelCheckpoint": lambda folder: {"filepath": folder / "{epoch}.weights.h5", "save_best_only": True}}
    logs = draw_logs(draw, *MEASURED, "score")
    runs = Runs(rng, lamina, tmp_path)
    theirs, ours = runs.fit(lambda folder: [("Script", {"logs": logs}),
                                            (name, options | more.get(name, lambda _: {})(folder))], epochs=2)
    assert len(theirs.warnings) == 2
    expect_alike([theirs, ours])


NUMBERS = [1.0, 0.0, -0.0, 0.1, 1e-4, 1e-05, 123456.0, 1e15, 1e16, -1e22, 0.30000001192092896,
           math.nan, math.inf, -math.inf]


@pytest.mark.cases(4)
def test_csv_logger(case, rng, draw, lamina, tmp_path):
    """Of two runs, the second of which appends; with a column that a callback before adds, or one behind does not."""
    runs = Runs(rng, lamina, tmp_path)
    names = MEASURED + draw.choice([[], ["score"], ["val_loss"]])
    separator, first = draw.choice([",", ";"]), draw.random() < 0.5
    for append in (False, True):
        logs = {name: [draw.choice(NUMBERS) for _ in range(EPOCHS)] for name in names}

        def callbacks(folder):
            both = [("CSVLogger", {"filename": folder / "log.csv", "separator": separator, "append": append}),
                    ("LearningRateScheduler", {"factors": [0.5] * EPOCHS})]
            return [("Script", {"logs": logs})] + (both if first else both[::-1])

        expect_alike(runs.fit(callbacks))
    written = [(tmp_path / library / "log.csv").read_bytes() for library in ("keras", "lamina")]
    assert written[1] == written[0]
    assert written[0].count(b"\r\n") == 2 * EPOCHS + 1


def states_of(shown):
    """The lines as they end up on the screen, without times."""
    lines = [line.rsplit("\r", 1)[-1].replace("\x1b[K", "").rstrip() for line in shown.split("\n")]
    lines = [re.sub(r"\d+(s|ms|us)/step", "T/step", line) for line in lines]
    return [re.sub(r"(?<=\x1b\[1m)\d+s|(?<= )\d+s(?= )", "Ts", line) for line in lines]


@pytest.mark.parametrize("verbose", [1, 2], ids=["bar", "line"])
def test_progress_of_a_run_that_is_stopped(verbose, rng, draw, lamina, tmp_path):
    logs = {name: [draw.choice(NUMBERS) for _ in range(5)] for name in MEASURED} | {"added": [2, 1, 1, 0, 0]}
    runs = Runs(rng, lamina, tmp_path)
    stop = {"monitor": "added", "mode": "min", "verbose": 1, "restore_best_weights": True}
    theirs, ours = runs.fit(lambda _: [("Script", {"logs": logs}), ("EarlyStopping", stop),
                                       ("LearningRateScheduler", {"factors": [0.5] * 5, "verbose": 1})],
                            epochs=5, verbose=verbose)
    assert "Epoch 3/5" in theirs.shown and "Epoch 4/5" not in theirs.shown
    assert "Epoch 3: early stopping" in theirs.shown
    assert states_of(ours.shown) == states_of(theirs.shown)


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("verbose", [1, 2], ids=["bar", "line"])
def test_progress_of_fit(verbose, epochs, rng, draw, lamina, tmp_path):
    logs = {name: [draw.choice(NUMBERS) for _ in range(epochs)] for name in [*MEASURED, "added"]}
    runs = Runs(rng, lamina, tmp_path)
    callbacks = [("Script", {"logs": logs}), ("LearningRateScheduler", {"factors": [0.5] * epochs})]
    theirs, ours = runs.fit(lambda _: callbacks, epochs=epochs, verbose=verbose)
    assert ("Epoch 1/3" in theirs.shown) == (epochs == 3)
    assert "learning_rate: " in theirs.shown
    assert states_of(ours.shown) == states_of(theirs.shown)


def states_of_keras(steps, columns, states, monkeypatch):
    """What Keras's bar shows (or its line, without columns), by a clock of ours."""
    now, shown = [0.0], []
    monkeypatch.setattr(progbar, "time", SimpleNamespace(time=lambda: now[0]))
    monkeypatch.setattr(progbar.io_utils, "print_msg", lambda text, line_break: shown.append(text))
    bar = progbar.Progbar(steps, width=columns or 20, verbose=1 if columns else 2, interval=0, stateless_metrics=set())
    for state in states:
        now[0] = state["seconds"]
        bar.update(state["done"], sorted(state["logs"].items()), finalize=state["last"])
    return [text.rsplit("\r", 1)[-1].rstrip() for text in shown]


@pytest.mark.cases(40)
def test_states_of_progress(case, rng, draw, lamina, monkeypatch):
    steps, columns = draw.choice([1, 2, 7, 60, 100, 1234]), draw.choice([0, 20, 20, 31])
    done = sorted(draw.sample(range(1, steps + 1), min(steps, draw.randrange(1, 9)))) + [steps] if columns else [steps]
    seconds = np.cumsum(rng.exponential(10.0 ** rng.uniform(-5, 4), len(done))).tolist()

    def logs(*names):
        return {name: float(draw.choice([*NUMBERS, 1e-3, rng.normal(), rng.normal() * 1e-4])) for name in names}

    states = [{"done": n, "seconds": s, "logs": logs("loss", "mae"), "last": False}
              for n, s in zip(done, seconds, strict=True)]
    states[-1] |= {"logs": logs("loss", "mae", "accuracy", "val_loss"), "last": True}
    texts = lamina.request("progress", steps=steps, columns=columns, states=plain(states))["texts"]
    assert texts == states_of_keras(steps, columns, states, monkeypatch)
