"""What a model holds, seen through its file: the way to compare two models whatever the library."""

import json
import tempfile
import pathlib

import h5py
import keras
import numpy as np

import values
from h5_compare import file_differences


def random_pair(lamina, rng, model):
    """(Keras model, Lamina model) of one configuration, with different random values each."""
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    return model, ours


def state_differences(left, right):
    """Compares two models by what they save; lines that differ."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{side}.weights.h5" for side in "lr"]
        left.save_weights(paths[0])
        right.save_weights(paths[1])
        return file_differences(*paths)


def small_model(dtype=None, names=("dense", "norm", "head")):
    """Three layers with variables, several numbers of them."""
    x = inputs = keras.Input((4,), name="x")
    x = keras.layers.Dense(3, dtype=dtype, name=names[0])(x)
    x = keras.layers.BatchNormalization(dtype=dtype, name=names[1])(x)
    return keras.Model(inputs, keras.layers.Dense(2, dtype=dtype, name=names[2])(x), name="small")


def edit_index(path, edit):
    """Rewrites an index after `edit(dictionary)`."""
    index = json.loads(path.read_text())
    edit(index)
    path.write_text(json.dumps(index, indent=4))


def file_values(path, but="/lamina/"):
    """{dataset: array} of a weights file, without those under `but` and the seal."""
    found = {}

    def take(name, item):
        name = f"/{name}"
        if isinstance(item, h5py.Dataset) and not name.startswith((but, "/lamina/")):
            found[name] = np.asarray(item[()], dtype="float64")

    with h5py.File(path, "r") as file:
        file.visititems(take)
    return found


def values_apart(ours, theirs):
    """{dataset: root mean square of the difference, relative to that of the values}, of two files' values."""
    assert ours.keys() == theirs.keys()

    def norm(array):
        return float(np.sqrt(np.sum(array**2)))

    return {name: norm(ours[name] - value) / max(norm(value), 1e-12) for name, value in theirs.items()}
