"""The event files of TensorBoard's callback: read by TensorBoard itself, and beside what Keras's callback writes."""

import collections
import contextlib

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import types_pb2
from tensorboard.util import tensor_util

from test_fit import compiled_pair, learnable, mlp


class Summaries:
    """Stands for `tensorflow.summary` in Keras's callback: notes {(directory, tag): [(step, value)]}."""

    def __init__(self):
        self.seen = collections.defaultdict(list)
        self.writers, self.conditions = [], [lambda: True]

    def create_file_writer(self, directory):
        return Writer(self, directory)

    @contextlib.contextmanager
    def record_if(self, condition):
        self.conditions.append(condition)
        yield
        self.conditions.pop()

    def scalar(self, name, value, step):
        if self.writers and self.conditions[-1]():
            self.seen[self.writers[-1], name].append((int(step), float(value)))


class Writer:
    def __init__(self, summaries, directory):
        self.summaries, self.directory = summaries, directory

    @contextlib.contextmanager
    def as_default(self, step=None):
        self.summaries.writers.append(self.directory)
        yield
        self.summaries.writers.pop()

    def close(self):
        pass


def of_tensorboard(directory):
    """{(directory, tag): [(step, value)]} as TensorBoard loads it."""
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    events.Reload()
    seen = {}
    for tag in events.Tags()["tensors"]:
        assert events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
        read = events.Tensors(tag)
        assert all(e.tensor_proto.dtype == types_pb2.DT_FLOAT for e in read)
        seen[str(directory), tag] = [(e.step, tensor_util.make_ndarray(e.tensor_proto).item()) for e in read]
    return seen


@pytest.mark.parametrize("update_freq", [None, 1])
def test_the_scalars_are_those_of_keras(update_freq, rng, lamina, tmp_path):
    """Tags, steps and values. With "epoch" and "batch", where Keras leaves no scalar of an epoch out."""
    model, ours = compiled_pair(mlp, "Adam", {"learning_rate": 0.01}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 10, 4)
    validation = learnable(model, rng, 20, 1)
    board = keras.callbacks.TensorBoard(tmp_path / "logs", write_graph=False, update_freq=update_freq or "epoch")
    board._summary_module = summaries = Summaries()
    options = {"batch_size": 10, "epochs": 4, "validation_freq": 2}
    model.fit(x, y, validation_data=validation, shuffle=False, verbose=0, callbacks=[board], **options)
    ours.fit(x, y, validation=validation, log_dir=tmp_path / "logs", update_freq=update_freq, **options)
    got = of_tensorboard(tmp_path / "logs/train") | of_tensorboard(tmp_path / "logs/validation")
    assert set(got) == set(summaries.seen)
    for key, expected in summaries.seen.items():
        assert [step for step, _ in got[key]] == [step for step, _ in expected], key
        np.testing.assert_allclose([v for _, v in got[key]], [v for _, v in expected], rtol=1e-4, err_msg=str(key))
    assert len(got) == (3 + 4 if update_freq is None else 5 + 4)


def test_tensorboard_shows_a_run_of_two_files_as_one(rng, lamina, tmp_path):
    """As of a run that goes on: the later file's numbers follow."""
    model, ours = compiled_pair(mlp, "Adam", {}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 10, 4)
    first = ours.fit(x, y, log_dir=tmp_path / "logs", batch_size=10, epochs=2)["loss"]
    rest = ours.fit(x, y, log_dir=tmp_path / "logs", batch_size=10, epochs=4, initial_epoch=2)["loss"]
    assert len(list((tmp_path / "logs/train").iterdir())) == 2
    losses = of_tensorboard(tmp_path / "logs/train")[str(tmp_path / "logs/train"), "epoch_loss"]
    assert [step for step, _ in losses] == [0, 1, 2, 3]
    np.testing.assert_array_equal([v for _, v in losses], np.float32(first + rest))
