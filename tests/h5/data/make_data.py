"""Writes the fixtures beside this file: what Keras and h5py themselves write, a few KB each.

Needs keras, jax and h5py:  KERAS_BACKEND=jax python make_data.py
The values are those that fixtures_test.cpp expects.
"""

import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import h5py
import keras
import numpy as np

HERE = pathlib.Path(__file__).parent


def ramp(shape, dtype="float32"):
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


def keras_model(name, dtype):
    """Dense and BatchNormalization, every variable a ramp."""
    model = keras.Sequential(
        [
            keras.layers.Input((2,)),
            keras.layers.Dense(3, name="head", dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
        ]
    )
    for variable in model.variables:
        variable.assign(ramp(variable.shape))
    model.save_weights(HERE / f"{name}.weights.h5")


def latest(name):
    """The newest format: many members, an index of chunks of each kind."""
    with h5py.File(HERE / name, "w", libver="latest") as file:
        group = file.create_group("vars")
        group.attrs["name"] = "latest"
        for i in range(12):
            group[str(i)] = ramp((2, 3)) + i
        filters = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        chunks = file.create_group("chunks/vars")
        data = ramp((5, 7), "int16")
        chunks.create_dataset("single", data=data, chunks=(5, 7), **filters)
        chunks.create_dataset("fixed", data=data, chunks=(2, 3), **filters)
        chunks.create_dataset("extensible", data=data, chunks=(2, 3), maxshape=(None, 7), **filters)
        chunks.create_dataset("btree", data=data, chunks=(2, 3), maxshape=(None, None), **filters)


def lzf(name):
    """h5py's own compression: long runs, references far and near, and a chunk that it cannot make smaller."""
    with h5py.File(HERE / name, "w") as file:
        group = file.create_group("vars")
        k = np.arange(3000)
        options = {"compression": "lzf", "chunks": (1000,)}
        group.create_dataset("repeated", data=(k % 7).astype("int16"), **options)
        group.create_dataset("shuffled", data=k.astype("float32"), shuffle=True, fletcher32=True, **options)
        group.create_dataset("noise", data=(k * 2654435761 % 2**32 // 2**16).astype("uint16"), **options)
        group.create_dataset("zeros", data=np.zeros(3000), **options)


def earliest(name):
    """What h5py writes by default: booleans, half floats, big-endian, chunks, links of each kind."""
    with h5py.File(HERE / name, "w") as file:
        group = file.create_group("vars")
        group["bool"] = np.array([True, False, True])
        group["half"] = ramp((4,), "float16")
        group["big"] = ramp((4,), ">f8")
        group.create_dataset("chunked", data=ramp((5, 7), "int16"), chunks=(2, 3), compression="gzip", shuffle=True)
        group["scalar"] = np.int32(7)
        group["empty"] = np.zeros((0, 3), "float32")
        group["again"] = group["half"]
        file["soft/vars"] = h5py.SoftLink("/vars")
        file["external"] = h5py.ExternalLink("elsewhere.h5", "/vars")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    keras_model("keras_float32", "float32")
    keras_model("keras_bfloat16", "bfloat16")
    latest("h5py_latest.h5")
    earliest("h5py_earliest.h5")
    lzf("h5py_lzf.h5")
