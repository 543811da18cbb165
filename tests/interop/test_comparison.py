"""The comparison itself: Keras against Keras is equal, and each kind of difference is seen."""

import h5py
import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
from h5_compare import checkpoint_differences, file_differences


def small_model(path, edit=None, **save):
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2, dtype="bfloat16")])
    values.randomize(model, np.random.default_rng(1))
    path.parent.mkdir(exist_ok=True)
    model.save_weights(path, **save)
    if edit:
        with h5py.File(path, "r+") as file:
            edit(file)
    return path


def replaced(**changes):
    """Writes `layers/dense/vars/0` anew, otherwise than Keras does."""

    def edit(file):
        group = file["layers/dense/vars"]
        data = group["0"][()]
        del group["0"]
        group.create_dataset("0", **({"data": data} | changes))

    return edit


def changed_bit(file):
    data = file["layers/dense/vars/0"][()]
    data.view("uint32")[0, 0] ^= 1
    file["layers/dense/vars/0"][...] = data


def fixed_length_name(file):
    file["layers/dense/vars"].attrs["name"] = np.bytes_("dense")


def tagged_opaque(file):
    vars_group = file["layers/dense_1/vars"]
    data = vars_group["0"][()]
    attribute = vars_group["0"].attrs["dtype"]
    del vars_group["0"]
    vars_group.create_dataset("0", data=data.view("V2").astype(h5py.opaque_dtype(np.dtype("V2"))))
    vars_group["0"].attrs["dtype"] = attribute


def test_keras_twice_is_equal(tmp_path):
    a, b = small_model(tmp_path / "a/m.weights.h5"), small_model(tmp_path / "b/m.weights.h5")
    assert file_differences(a, b) == []
    assert checkpoint_differences(tmp_path / "a", tmp_path / "b") == []


@pytest.mark.parametrize("edit", [
    changed_bit, fixed_length_name, tagged_opaque,
    replaced(dtype=">f4"), replaced(dtype="f8"), replaced(chunks=(2, 2)), replaced(maxshape=(8, 8)),
    replaced(data=np.zeros(12, "f4")), replaced(compression="gzip"),
    lambda f: f["layers/dense/vars"].attrs.__delitem__("name"),
    lambda f: f["layers"].attrs.__setitem__("extra", 1),
    lambda f: f.create_group("extra"),
    lambda f: f["layers/dense/vars"].__setitem__("soft", h5py.SoftLink("/layers")),
])
def test_a_difference_is_seen(tmp_path, edit):
    a, b = small_model(tmp_path / "a.weights.h5"), small_model(tmp_path / "b.weights.h5", edit)
    assert file_differences(a, b) != []


def test_other_shards_and_another_index_are_seen(tmp_path):
    options = {"max_shard_size": 70 / 1024**3}
    small_model(tmp_path / "a/m.weights.json", **options)
    small_model(tmp_path / "b/m.weights.json", **options)
    assert checkpoint_differences(tmp_path / "a", tmp_path / "b") == []
    small_model(tmp_path / "c/m.weights.json", max_shard_size=50 / 1024**3)
    assert checkpoint_differences(tmp_path / "a", tmp_path / "c") != []
    index = tmp_path / "b/m.weights.json"
    index.write_text(index.read_text() + "\n")
    assert checkpoint_differences(tmp_path / "a", tmp_path / "b") != []


def test_distance_sees_shape_dtype_nan_and_value():
    ones = np.ones((2, 3), "float32")
    assert tolerances.distance(ones, ones) == 0
    assert tolerances.distance(ones, ones.T) == np.inf
    assert tolerances.distance(ones, ones.astype("float64")) == np.inf
    assert tolerances.distance(ones * np.nan, ones) == np.inf
    assert tolerances.distance(ones * np.inf, -ones * np.inf) == np.inf
    assert abs(tolerances.distance(ones * 4, ones * 2) - 1) < 1e-6


@pytest.mark.cases(5)
def test_random_model_survives_its_own_json(case, draw, rng, tmp_path):
    """The generator makes models that Keras itself writes and reads back to the same outputs."""
    model, _ = random_models.random_model(draw)
    values.randomize(model, rng)
    again = keras.models.model_from_json(model.to_json())
    model.save_weights(tmp_path / "m.weights.h5")
    again.load_weights(tmp_path / "m.weights.h5")
    inputs = [values.random_input(rng, (2, *x.shape[1:]), x.dtype) for x in model.inputs]
    for a, b in zip(random_models.outputs(model, inputs), random_models.outputs(again, inputs), strict=True):
        assert tolerances.distance(a, b) == 0
