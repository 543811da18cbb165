"""The same mistake made with both libraries: Lamina's message says what Keras's says, and an error that
Keras puts in one class is one that Lamina puts in the matching class."""

import json
import os
import re
import zipfile

import h5py
import keras
import numpy as np
import pytest

import values
from h5_compare import index_without_seal
from lamina_driver import LaminaError, keras_call
from state import edit_index, small_model, state_differences

# The classes of Lamina that stand for one of Python.
CLASSES = {ValueError: {"ValueError", "MismatchError", "FormatError", "CorruptionError"}, FileNotFoundError: {"FileNotFoundError"},
           OSError: {"FormatError", "CorruptionError", "StorageError", "FileNotFoundError"}}


@pytest.fixture
def pair(rng, lamina, tmp_path):
    """Both libraries' models, equal, and a folder with saves of them."""
    model = small_model()
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "s.weights.json", max_shard_size=48 / 1024**3)
    model.save(tmp_path / "a.keras")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    return model, ours


def _assert_same_complaint(model, ours, act, pattern, classes=ValueError):
    """`pattern` None: Lamina's message begins with all of Keras's."""
    _, _, theirs = keras_call(act, model)
    assert isinstance(theirs, classes), repr(theirs)
    before = ours.values()
    with pytest.raises(LaminaError) as caught:
        act(ours)
    assert caught.value.kind in CLASSES[classes], caught.value
    message = caught.value.message
    if pattern is None:
        assert message.startswith(str(theirs).strip()), (message, str(theirs))
    else:
        assert re.search(pattern, str(theirs)), str(theirs)
        assert re.search(pattern, message), message
    assert ours.values() == before
    return message


# name: (action, what both messages hold; None where ours begins with theirs)
NAMES = {
    "save without the suffix": (lambda m, d: m.save_weights(d / "x.h5"), None),
    "save to an index without a size": (lambda m, d: m.save_weights(d / "x.weights.json"), None),
    "save to an archive": (lambda m, d: m.save_weights(d / "x.keras"), None),
    "save shards to another suffix": (lambda m, d: m.save_weights(d / "x.h5", max_shard_size=1), None),
    "save shards to bare json": (lambda m, d: m.save_weights(d / "x.json", max_shard_size=1), None),
    "load another suffix": (lambda m, d: m.load_weights(d / "x.weights.npz"), None),
    "load no suffix": (lambda m, d: m.load_weights(d / "weights"), None),
    "oversized variable": (lambda m, d: m.save_weights(d / "x.weights.json", max_shard_size=20 / 1024**3),
                           r"exceeds the maximum shard size 20\.00 B\. You can increase the `max_shard_size` parameter"),
    "nothing fits": (lambda m, d: m.save_weights(d / "x.weights.json", max_shard_size=0), r"is 48\.00 B which exceeds the maximum shard size"),
    "hardly anything fits": (lambda m, d: m.save_weights(d / "x.weights.json", max_shard_size=1e-300), r"is 48\.00 B which exceeds the maximum shard size 0\.00 B"),
    "negative size": (lambda m, d: m.save_weights(d / "x.weights.json", max_shard_size=-1), r"which exceeds the maximum shard size"),
}


@pytest.mark.parametrize("case", NAMES)
def test_arguments(case, pair, tmp_path):
    act, pattern = NAMES[case]
    files = sorted(tmp_path.glob("x*"))
    _assert_same_complaint(*pair, lambda model: act(model, tmp_path), pattern)
    assert [f for f in sorted(tmp_path.glob("x*")) if f not in files and "00000" not in f.name] == []


MISSING = {
    "weights": "none.weights.h5", "index": "none.weights.json", "archive": "none.keras", "folder": "no/where/m.weights.h5",
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_files(case, pair, tmp_path):
    message = _assert_same_complaint(*pair, lambda model: model.load_weights(tmp_path / MISSING[case]),
                                     "No such file or directory|[Nn]ot found|Unable to (synchronously )?open", FileNotFoundError)
    assert MISSING[case] in message


def test_a_missing_shard(pair, tmp_path):
    """Keras notices the first one only: it takes what lies in the others for loaded (seen with 3.15)."""
    for shard in ("s_00002", "s_00001", "s_00000"):
        os.remove(tmp_path / f"{shard}.weights.h5")
        before = pair[1].values()
        with pytest.raises(LaminaError, match=f"{shard}.weights.h5.*s.weights.json") as caught:
            pair[1].load_weights(tmp_path / "s.weights.json")
        assert caught.value.kind == "FileNotFoundError" and pair[1].values() == before
        (tmp_path / f"{shard}.weights.h5").write_bytes((tmp_path / "m.weights.h5").read_bytes())
    os.remove(tmp_path / "s_00000.weights.h5")
    _assert_same_complaint(*pair, lambda model: model.load_weights(tmp_path / "s.weights.json"), "s_00000.weights.h5", FileNotFoundError)


def test_a_renamed_index(pair, tmp_path):
    """Keras opens shard 00000 of the index's own name whatever the map says (B10); Lamina reads the map."""
    os.rename(tmp_path / "s.weights.json", tmp_path / "t.weights.json")
    _, _, theirs = keras_call(pair[0].load_weights, tmp_path / "t.weights.json")
    assert isinstance(theirs, FileNotFoundError) and "t_00000.weights.h5" in str(theirs)
    pair[1].load_weights(tmp_path / "t.weights.json")
    assert state_differences(*pair) == []


def test_saving_into_a_missing_folder(pair, tmp_path):
    _assert_same_complaint(*pair, lambda model: model.save_weights(tmp_path / "no/where/m.weights.h5"), "No such file|not found|[Uu]nable", FileNotFoundError)


def test_unbuilt_models(lamina, tmp_path):
    """from_json of a Sequential without an input has no variables yet."""
    model = keras.Sequential([keras.layers.Dense(3)])
    ours = lamina.from_json(model.to_json())
    built = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    built.save_weights(tmp_path / "m.weights.h5")
    for act in (lambda m: m.save_weights(tmp_path / "x.weights.h5"), lambda m: m.load_weights(tmp_path / "m.weights.h5")):
        _assert_same_complaint(model, ours, act, None)
    assert not (tmp_path / "x.weights.h5").exists()


def test_not_hdf5_and_cut_short(pair, tmp_path):
    whole = (tmp_path / "m.weights.h5").read_bytes()
    (tmp_path / "text.weights.h5").write_text("no HDF5 file" * 100)
    (tmp_path / "empty.weights.h5").write_bytes(b"")
    (tmp_path / "cut.weights.h5").write_bytes(whole[:len(whole) // 2])
    for name, pattern in (("text", "file signature not found"), ("empty", "file signature not found"), ("cut", "truncated file")):
        message = _assert_same_complaint(*pair, lambda model: model.load_weights(tmp_path / f"{name}.weights.h5"), pattern, OSError)
        assert f"{name}.weights.h5" in message


# --- weights that do not fit


def _other(edit_units=None, layers=3):
    x = inputs = keras.Input((4,), name="x")
    for index in range(layers):
        x = keras.layers.Dense((edit_units or {}).get(index, 3), name=f"d{index}")(x)
    return keras.Model(inputs, x, name="other")


MISMATCHES = {
    "shape": ({1: 5}, 3, r"The shape of the target variable and the shape of the target value in `variable\.assign\(value\)` must match\. variable\.shape=\(3, 5\), Received: value\.shape=\(3, 3\)\. Target variable: <Variable path=d1/kernel, shape=\(3, 5\), dtype=float32"),
    "count": ({}, 4, r"Layer 'd3' expected 2 variables, but received 0 variables during loading\. Expected: \['kernel', 'bias'\]"),
    "total": ({1: 5}, 4, r"A total of 3 objects could not be loaded\. Example error message for object <Dense name=d1, built=True>:"),
    "list": ({1: 5}, 4, r"List of objects that could not be loaded:\n\[<Dense name=d1, built=True>, <Dense name=d2, built=True>, <Dense name=d3, built=True>\]"),
}


@pytest.mark.parametrize("case", MISMATCHES)
@pytest.mark.parametrize("index", [False, True])
def test_mismatches(case, index, lamina, tmp_path):
    units, layers, pattern = MISMATCHES[case]
    path = tmp_path / ("m.weights.json" if index else "m.weights.h5")
    _other().save_weights(path, **({"max_shard_size": 64 / 1024**3} if index else {}))
    model = _other(units, layers)
    message = _assert_same_complaint(model, lamina.from_json(model.to_json()), lambda m: m.load_weights(path), pattern)
    assert str(path) in message


def test_missing_key(pair, tmp_path):
    """Keras says only `'1'` (B16); Lamina names layer, variable and what is there."""
    model, ours = pair
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        file.move("layers/dense/vars/1", "layers/dense/vars/2")
    message = _assert_same_complaint(model, ours, lambda m: m.load_weights(tmp_path / "m.weights.h5"), "'1'")
    assert "dense" in message and "bias" in message and "'2'" in message


# --- links and shapes that are refused


def _replace(file, path, value):
    del file[path]
    file[path] = value


def _external_storage(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (4, 3), "f4", external=[("raw.bin", 0, 48)])


def _virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4, 3))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def _bomb(file):
    """In chunks: a contiguous one is the other library's truncated file."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (2**20, 2**12), "f4", chunks=(1024, 1024))


REFUSED = {
    "soft link group": (lambda f: _replace(f, "layers/dense", h5py.SoftLink("/layers/head")), "Not allowed: H5 file with SoftLink"),
    "external link group": (lambda f: _replace(f, "layers/dense", h5py.ExternalLink("x.h5", "/")), "Not allowed: H5 file with ExternalLink"),
    "soft link vars": (lambda f: _replace(f, "layers/dense/vars", h5py.SoftLink("/vars")), "Not allowed: H5 file with SoftLink"),
    "soft link dataset": (lambda f: _replace(f, "layers/dense/vars/0", h5py.SoftLink("/layers/dense/vars/1")), "Not allowed: H5 file with SoftLink"),
    "external link dataset": (lambda f: _replace(f, "layers/dense/vars/0", h5py.ExternalLink("x.h5", "/y")), "Not allowed: H5 file with ExternalLink"),
    "external storage": (_external_storage, "Not allowed: H5 file with external Dataset"),
    "virtual dataset": (_virtual, "Not allowed: H5 file with virtual Dataset"),
    "shape bomb": (_bomb, r"Not allowed: H5 dataset '.*0' declares 16\.00 GB but only 0\.00 B are stored on disk; refusing to load a potential decompression/shape bomb\."),
    "dataset for a group": (lambda f: _replace(f, "layers/dense/vars", np.zeros(3)), "Invalid H5 file, expected Group but received"),
    "group for a dataset": (lambda f: (f.__delitem__("layers/dense/vars/0"), f.create_group("layers/dense/vars/0")), "Invalid H5 file, expected Dataset, received|expected 2 variables, but received 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_content(case, pair, tmp_path):
    edit, pattern = REFUSED[case]
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        edit(file)
    message = _assert_same_complaint(*pair, lambda model: model.load_weights(tmp_path / "m.weights.h5"), pattern)
    assert "m.weights.h5" in message and "layers/dense" in message


# --- archives and indices


def test_an_archive_without_weights(pair, tmp_path):
    """Keras's KeyError comes from zipfile; ours is a FormatError that names both."""
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    _, _, theirs = keras_call(pair[0].load_weights, tmp_path / "bad.keras")
    assert isinstance(theirs, KeyError)
    with pytest.raises(LaminaError, match="model.weights.h5") as caught:
        pair[1].load_weights(tmp_path / "bad.keras")
    assert caught.value.kind == "FormatError" and "bad.keras" in caught.value.message


@pytest.mark.parametrize("name", ["../s_00000.weights.h5", "/etc/passwd", "sub/s.weights.h5"])
def test_shards_elsewhere(name, pair, tmp_path):
    edit_index(tmp_path / "s.weights.json", lambda index: index["weight_map"].update({"/layers/dense/vars": [name]}))
    _assert_same_complaint(*pair, lambda model: model.load_weights(tmp_path / "s.weights.json"), re.escape(f"Invalid name '{name}'"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"/vars": 3}}', "null",
                                  "\ufeff{}", "[" * 100000], ids=lambda t: t[:20] or "empty")
def test_malformed_indices(text, pair, tmp_path):
    """Keras answers with whatever Python raises; Lamina with a FormatError that names the file."""
    path = tmp_path / "s.weights.json"
    path.write_text(text)
    _, _, theirs = keras_call(pair[0].load_weights, path)
    assert theirs is not None
    before = pair[1].values()
    with pytest.raises(LaminaError) as caught:
        pair[1].load_weights(path)
    assert caught.value.kind in ("FormatError", "MismatchError") and "s.weights.json" in caught.value.message
    assert pair[1].values() == before


# --- warnings


def test_a_weights_h5_path_with_a_shard_size(pair, lamina, tmp_path):
    """Both write x.weights.json, with the same warning."""
    model, ours = pair
    path = tmp_path / "x.weights.h5"
    _, theirs, _ = keras_call(model.save_weights, path, max_shard_size=1)
    text = (tmp_path / "x.weights.json").read_text()
    os.remove(tmp_path / "x.weights.json")
    ours.save_weights(path, max_shard_size=1)
    assert lamina.warnings == theirs and len(theirs) == 1
    assert index_without_seal((tmp_path / "x.weights.json").read_text()) == text and not path.exists()
    _assert_same_complaint(model, ours, lambda m: m.load_weights(path), "x.weights.h5", FileNotFoundError)


def test_a_shard_size_that_bounds_nothing(pair, tmp_path):
    """In bytes it is infinite, to both."""
    texts = []
    for folder, model in zip((tmp_path / "keras", tmp_path / "ours"), pair):
        folder.mkdir()
        model.save_weights(folder / "m.weights.json", max_shard_size=1e300)
        assert sorted(p.name for p in folder.iterdir()) == ["m.weights.json", "m_00000.weights.h5"]
        texts.append((folder / "m.weights.json").read_text())
    assert index_without_seal(texts[1]) == texts[0]


@pytest.mark.parametrize("name, existing, options", [
    ("m.weights.h5", "m.weights.h5", {}), ("s.weights.json", "s.weights.json", {"max_shard_size": 1}),
    ("s.weights.h5", "s.weights.json", {"max_shard_size": 1}),
    ("t.weights.json", "t_00000.weights.h5", {"max_shard_size": 1})])
def test_no_overwriting_without_a_terminal(name, existing, options, pair, tmp_path):
    """Keras would ask (and fail on end of input); Lamina guards the index and the shards too (B7)."""
    (tmp_path / existing).touch()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix in (".h5", ".json")}
    with pytest.raises(LaminaError, match=re.escape(existing)) as caught:
        pair[1].save_weights(tmp_path / name, overwrite=False, **options)
    assert caught.value.kind == "ValueError"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name in before} == before


# --- configurations


@pytest.mark.parametrize("edit, named", [
    (lambda layers: layers[1].update(class_name="Hashing"), "Hashing"),
    (lambda layers: layers[1]["config"].update(units="many"), "dense"),
    (lambda layers: layers[1]["config"].update(activation="swoosh"), "swoosh"),
    (lambda layers: layers[1]["config"].update(surprise=1), "surprise"),
    (lambda layers: layers[2]["config"].update(renorm=True), "renorm"),
], ids=["class", "units", "activation", "option", "batch renormalisation"])
def test_unknown_classes_and_options_are_named(edit, named, lamina):
    config = json.loads(small_model().to_json())
    edit(config["config"]["layers"])
    with pytest.raises(LaminaError, match=named) as caught:
        lamina.from_json(json.dumps(config))
    assert caught.value.kind in ("UnsupportedError", "ValueError", "FormatError")
    assert "dense" in caught.value.message or "norm" in caught.value.message
