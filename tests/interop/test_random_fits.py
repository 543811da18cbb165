"""Whole runs of `fit` with what goes around them, drawn at random: what both libraries log, save, show and leave."""

import contextlib
import io
import os
import re
import warnings
from collections import namedtuple
from types import SimpleNamespace

import jax
import keras
import numpy as np
import pytest

import random_fits
import values
from lamina_driver import LaminaError
from state import file_values, values_apart
from test_callbacks import _sorted_names, callback_of_keras, states_of

DRAWS = int(os.environ.get("LAMINA_DRAWS", "6"))

# By policy: of a log, relative to itself or to 0.05; of what a run leaves, root mean square relative to the values';
# and what decisions may not hang on.
Near = namedtuple("Near", ["logs", "left", "tie"])
NEAR = {"float32": Near(1e-3, 5e-3, 3e-4), "mixed_float16": Near(5e-2, 1e-1, 5e-2),
        "mixed_bfloat16": Near(1.5e-1, 3e-1, 1.5e-1)}


def near():
    return NEAR[keras.config.dtype_policy().name]


@pytest.fixture(autouse=True)
def as_keras_is_used():
    """With 64 bits callbacks compare in float64."""
    with jax.enable_x64(False):
        yield


class Crash(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise RuntimeError("crashed")


class Pair:
    """A model of Keras's and ours of its archive, compiled alike, and the folders that each writes into."""

    def __init__(self, model, lamina, folder):
        self.theirs, self.lamina, self.folder = model, lamina, folder
        model.save(folder / "m.keras")
        self.ours = lamina.load_archive(folder / "m.keras")
        assert lamina.warnings == []
        self.folders = [folder / "keras", folder / "lamina"]
        for each in self.folders:
            each.mkdir()

    def fit(self, x, y, weights, run):
        """What each has of a run: a history or an error, epochs, warnings, and what was shown."""
        return self._keras(x, y, weights, dict(run)), self._lamina(x, y, weights, dict(run))

    def _keras(self, x, y, weights, run):
        callbacks = [Crash(**options) if name == "Crash" else callback_of_keras(name, options)
                     for name, options in run.pop("callbacks")(self.folders[0])]
        if "validation_data" in run:
            run["validation_data"] = tuple(self.given(*run["validation_data"]))
        shown = io.StringIO()
        result = SimpleNamespace(history={}, epochs=[], error=None)
        with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(shown):
            warnings.simplefilter("always")
            try:
                x, y, weights = self.given(x, y, weights)
                history = self.theirs.fit(x, y, sample_weight=weights, shuffle=False, callbacks=callbacks, **run)
                result.history = {name: [float(v) for v in each] for name, each in history.history.items()}
                result.epochs = history.epoch
            except Exception as error:  # noqa: BLE001: any error is a result here
                result.error = error
        for variable in self.theirs.trainable_variables:  # else it is its average too, and Keras's next fit fails
            variable.assign(np.array(variable.value))
        result.warnings = warned(str(w.message) for w in caught)
        result.shown = shown.getvalue().replace(str(self.folders[0]), "DIR")
        return result

    def _lamina(self, x, y, weights, run):
        run["callbacks"] = run["callbacks"](self.folders[1])
        run["validation"] = run.pop("validation_data", None)
        output = self.folder / "shown.txt"
        result = SimpleNamespace(history={}, epochs=[], error=None)
        try:
            result.history = self.ours.fit(x, y, sample_weight=weights, output=output, **run)
            result.history = {name: [float(v) for v in each] for name, each in result.history.items()}
            result.epochs = self.ours.epochs
        except LaminaError as error:
            result.error = error
        result.warnings = warned(self.lamina.warnings)
        result.shown = output.read_bytes().decode().replace(str(self.folders[1]), "DIR")
        return result

    def given(self, x, y, weights=None):
        """As Keras takes arrays."""
        outputs = self.theirs.output
        by_name = (lambda each: dict(zip(sorted(outputs), each))) if isinstance(outputs, dict) else lambda each: each
        labels = by_name(y) if len(y) > 1 else y[0]
        return x if len(x) > 1 else x[0], labels, by_name(weights) if isinstance(weights, list) else weights

    def expect_equal_state(self, case):
        """Weights and the optimizer's variables."""
        paths = [self.folder / f"{side}.weights.h5" for side in ("theirs", "ours")]
        self.theirs.save_weights(paths[0])
        self.ours.save_weights(paths[1])
        expect_equal_files(paths, case)


KNOWN_WARNINGS = ["ran out of data", "Can save best model only", "Early stopping conditioned",
                  "Learning rate reduction is conditioned"]


def warned(messages):
    """Of what, in Keras's words but for one."""
    known = [(part, text) for text in messages for part in KNOWN_WARNINGS if part in text]
    return [part if part == KNOWN_WARNINGS[0] else _sorted_names(text) for part, text in known]


def expect_near(ours, theirs, case):
    assert abs(ours - theirs) <= near().logs * max(abs(theirs), 0.05), (case, ours, theirs)


def expect_equal_logs(ours, theirs, case):
    assert sorted(ours) == sorted(theirs), case
    for name, value in theirs.items():
        for a, b in zip(np.atleast_1d(ours[name]), np.atleast_1d(value), strict=True):
            expect_near(float(a), float(b), (case, name, ours, theirs))


def expect_equal_files(paths, case):
    theirs, ours = (file_values(path) for path in paths)
    for name, apart in values_apart(ours, theirs).items():
        small = np.max(np.abs(ours[name] - theirs[name]), initial=0) < 1e-5
        assert apart <= near().left or small, (case, name, ours[name], theirs[name])


NUMBER = re.compile(r"[-+]?\d+\.\d+(?:e[-+]\d+)?|[-+]?inf|nan")


def expect_equal_text(ours, theirs, case):
    """But for what numbers with a point may differ by; of names, in their last place."""
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs), (case, ours, theirs)
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs)):
        unit = 10.0 ** -len(b.partition("e")[0].partition(".")[2]) if "e" not in b else 0
        allowed = max(near().logs * max(abs(float(b)), 0.05), 1.01 * unit)
        assert a == b or abs(float(a) - float(b)) <= allowed, (case, a, b)


def expect_equal_folders(folders, case):
    found = [sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                    if path.is_file() and path.name != "training_metadata.json") for folder in folders]
    assert len(found[0]) == len(found[1]), (case, found)
    for names in zip(*found):
        expect_equal_text(names[1].replace(".weights.h5", ""), names[0].replace(".weights.h5", ""), case)
        paths = [folder / name for folder, name in zip(folders, names)]
        if names[0].endswith(".weights.h5"):
            expect_equal_files(paths, (case, names))
        else:
            expect_equal_text(*(path.read_bytes().decode() for path in reversed(paths)), case)


def expect_equal_traces(pair, ours, theirs, case):
    assert ours.warnings == theirs.warnings, case
    if KNOWN_WARNINGS[0] not in theirs.warnings:  # else Keras shows the steps that there should have been
        for a, b in zip(states_of(ours.shown), states_of(theirs.shown), strict=True):
            expect_equal_text(a, b, case)
    expect_equal_folders(pair.folders, case)


def undecided(run, callbacks):
    """Whether what a callback decides hangs on less than what the libraries may differ by."""
    for name, options in callbacks:
        decides = name != "ModelCheckpoint" or options.get("save_best_only")
        seen = run.history.get(options.get("monitor"), []) if decides else []
        marks = [options[key] for key in ("baseline", "initial_value_threshold") if options.get(key) is not None]
        for i, a in enumerate(seen):
            for b in seen[:i] + marks:
                for delta in {0.0, options.get("min_delta", 0.0), -options.get("min_delta", 0.0)}:
                    if 0 < abs(a + delta - b) <= near().tie * max(abs(b), 0.05):
                        return True
    return False


def draw_run(draw, rng, drawn, rows):
    run = random_fits.numbers(draw, rows) | random_fits.validation(draw, rng, drawn)
    run["verbose"] = draw.choice([0, 2])  # a bar shows what the time allows
    kinds = random_fits.callbacks(draw, drawn, run)
    return run | {"callbacks": kinds}


@pytest.mark.cases(DRAWS)
def test_random_fits(case, draw, rng, lamina, tmp_path):
    policy = draw.choice(["float32"] * 8 + ["mixed_float16", "mixed_bfloat16"])
    keras.config.set_dtype_policy(policy)
    lamina.request("set_dtype_policy", policy=policy)
    drawn = random_fits.model_and_labels(draw, rng)
    values.randomize(drawn.model, rng)
    random_fits.compile_at_random(draw, drawn)
    print([(type(each).__name__, each.output.shape) for each in drawn.model.layers], drawn.losses, drawn.metrics)
    pair = Pair(drawn.model, lamina, tmp_path)
    rows = draw.randint(9, 40)
    x, y, weights = random_fits.rows_of(draw, rng, drawn, rows)
    run = draw_run(draw, rng, drawn, rows)
    if weights is None:
        classes = random_fits.class_weight(draw, drawn, y)
        run |= {"class_weight": classes} if classes else {}
    for again in range(draw.choice([1, 1, 2])):
        said = (case, again, {k: v for k, v in run.items() if k not in ("validation_data", "callbacks")},
                run["callbacks"]("DIR"), drawn.model.optimizer.get_config())
        theirs, ours = pair.fit(x, y, weights, run)
        print(said, theirs, ours, sep="\n")  # which is shown where something is not alike
        if undecided(theirs, run["callbacks"]("")):
            return
        assert (theirs.error is None) == (ours.error is None), (said, theirs.error, ours.error)
        assert ours.epochs == theirs.epochs, (said, theirs.history, ours.history)
        if not all(np.all(np.isfinite(each)) for each in theirs.history.values()):
            return
        expect_equal_logs(ours.history, theirs.history, said)
        if not isinstance(theirs.error, KeyError):  # of a file's name: Lamina asks for those of the best ones first
            expect_equal_traces(pair, ours, theirs, said)
        pair.expect_equal_state(said)
        if theirs.error:
            run["callbacks"] = lambda folder, before=run["callbacks"]: [
                (name, {"epoch": -1} if name == "Crash" else options) for name, options in before(folder)]
    measure(draw, pair, x, y, weights, said)


def measure(draw, pair, x, y, weights, case):
    """evaluate, predict and the calls on one batch."""
    size, steps = draw.randint(3, 16), draw.choice([None, None, 1, 2])
    given = pair.given(x, y, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pair.theirs.evaluate(*given[:2], sample_weight=given[2], batch_size=size, steps=steps, verbose=0,
                                      return_dict=True)
    more = {"steps": steps} if steps else {}
    expect_equal_logs(pair.ours.evaluate(x, y, size, sample_weight=weights, **more), theirs, (case, "evaluate"))
    predicted = keras.tree.flatten(pair.theirs.predict(given[0], batch_size=size, verbose=0))
    for a, b in zip(pair.ours.predict(x, size), predicted, strict=True):
        np.testing.assert_allclose(a, b, rtol=near().left, atol=near().left * np.abs(b).max(), err_msg=str(case))
    for theirs, ours in [(pair.theirs.test_on_batch, pair.ours.test_on_batch),
                         (pair.theirs.train_on_batch, pair.ours.train_on_batch)]:
        expect_equal_logs(ours(x, y, sample_weight=weights),
                          theirs(*given[:2], sample_weight=given[2], return_dict=True), (case, theirs.__name__))
    pair.expect_equal_state((case, "train_on_batch"))
