"""Checkpoints of a run: what a ModelCheckpoint of Lamina's writes while `fit` runs, Keras loads, compiled or not, to the
bit, and trains on from there as Lamina does. Beside Keras's own things they hold the state of the run, in a group and a
key of an index that Keras has never heard of."""

import json

import h5py
import numpy as np
import pytest

import tolerances
from h5_compare import checkpoint_files, file_differences
from lamina_driver import keras_call
from state import file_values, values_apart
from test_fit import compiled_pair, convnet, differences, learnable, train_both

BATCH, STEPS, EPOCHS = 16, 10, 2
STATE = "/lamina/training/vars"
ADAM = {"learning_rate": 0.002}


class Training:
    """A run of ours, with a checkpoint an epoch, and the compiled model of Keras's that shall take it over."""

    def __init__(self, suffix, options, rng, lamina, folder):
        self.folder, self.suffix = folder, suffix
        self.keras, self.ours = compiled_pair(convnet, "Adam", ADAM, rng, lamina, folder)
        self.keras.optimizer.build(self.keras.trainable_variables)
        x, y = learnable(self.keras, rng, BATCH, STEPS * (EPOCHS + 1))
        seen = STEPS * BATCH
        self.later = (x[seen:], y[seen:])
        self.history = self.ours.fit(x[:seen], y[:seen], batch_size=BATCH, epochs=EPOCHS,
                                     callbacks=[("ModelCheckpoint", {"filepath": folder / f"run_{{epoch:02d}}{suffix}",
                                                                     **options})])

    def checkpoint(self, epoch):
        return self.folder / f"run_{epoch:02d}{self.suffix}"

    def saved(self, model, name):
        path = self.folder / f"{name}.weights.h5"
        model.save_weights(path)
        return path


@pytest.fixture(params=[False, True], ids=["at_once", "in_the_background"])
def asynchronous(request):
    return request.param


@pytest.fixture(params=["single", "sharded"])
def training(request, asynchronous, rng, lamina, tmp_path):
    options = {"asynchronous": asynchronous}
    if request.param == "single":
        return Training(".weights.h5", options, rng, lamina, tmp_path)
    return Training(".weights.json", options | {"max_shard_size": 4096 / 2**30}, rng, lamina, tmp_path)


def but_for_ours(lines):
    """Differences outside the group that is Lamina's own."""
    return [line for line in lines if not line.startswith("/lamina/")]


def load(model, path):
    """Keras's load, of which it has nothing to say."""
    _, warnings, error = keras_call(model.load_weights, path)
    assert error is None, error
    assert warnings == []


def holds_state_of_a_run(path):
    """As such a checkpoint must, or these tests would show nothing."""
    files = checkpoint_files(path)
    if path.suffix == ".json":
        index = json.loads(path.read_text())
        assert len(files) > 4, "several shards, besides the index"
        assert "lamina" in index["metadata"]
        listed = index["weight_map"][STATE]
        files = [path.with_name(name) for name in ([listed] if isinstance(listed, str) else listed)]
    keys = []
    for file in files:
        with h5py.File(file, "r") as opened:
            keys += opened[STATE].keys() if STATE in opened else []
    return {"progress", "metrics", "callbacks"} <= set(keys)


def test_keras_goes_on_from_the_last_one(training):
    last = training.checkpoint(EPOCHS)
    assert holds_state_of_a_run(last)
    ours = training.saved(training.ours, "ours")  # as it is after the last epoch
    if training.suffix == ".weights.h5":
        assert but_for_ours(file_differences(last, ours)) == []

    load(training.keras, last)
    assert but_for_ours(differences(training.saved(training.keras, "keras"), ours)) == []
    assert int(training.keras.optimizer.iterations) == STEPS * EPOCHS

    drift, _ = train_both(training.keras, training.ours, *training.later, BATCH)
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    apart = values_apart(file_values(training.saved(training.ours, "ours_later")),
                         file_values(training.saved(training.keras, "keras_later")))
    assert max(apart.values()) <= tolerances.trained("Adam"), apart


def test_both_go_on_from_the_first_one(training):
    """An epoch earlier: neither of them is there any more."""
    first = training.checkpoint(1)
    assert holds_state_of_a_run(first)
    end = file_values(training.saved(training.ours, "end"))
    load(training.keras, first)
    training.ours.load_weights(first)
    theirs, ours = training.saved(training.keras, "keras"), training.saved(training.ours, "ours")
    assert but_for_ours(differences(theirs, ours)) == []
    assert int(training.keras.optimizer.iterations) == STEPS
    assert any(not np.array_equal(value, end[name]) for name, value in file_values(ours).items())

    drift, _ = train_both(training.keras, training.ours, *training.later, BATCH)
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())


def test_a_model_that_is_not_compiled_takes_the_weights(training):
    fresh = convnet()
    load(fresh, training.checkpoint(EPOCHS))
    theirs = file_values(training.saved(fresh, "fresh"))
    ours = file_values(training.saved(training.ours, "ours"), but="/optimizer/")
    assert theirs.keys() == ours.keys()
    for name, value in ours.items():
        assert np.array_equal(theirs[name], value), name
