"""Files that Keras did not write itself but reads: other layouts, types, versions and indices. Lamina
reads each to the same weights as Keras does."""

import json
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

import values
from lamina_driver import LaminaError
from state import edit_index, small_model, state_differences

LAYERS = ["dense", "batch_normalization", "dense_1"]
LIMIT = 20 / 1024**3  # of small_model: entries span shards


def _rewrite(source, target, write=None, **create):
    """Copies a weights file object by object; `write(group, name, data)` makes the datasets."""
    write = write or (lambda group, name, data: group.create_dataset(name, data=data))
    with h5py.File(source) as old, h5py.File(target, "w", **create) as new:

        def copy(path, item):
            if isinstance(item, h5py.Group):
                made = new.require_group(path)
            else:
                made = write(new.require_group(path.rpartition("/")[0]), path.rpartition("/")[2], item[()])
            for name, value in item.attrs.items():
                made.attrs[name] = value

        old.visititems(copy)


def _compact(group, name, data):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(data.shape) if data.shape else h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(data.dtype), space, properties)
    dataset = h5py.Dataset(made)
    dataset[...] = data
    return dataset


def _with(**options):
    def write(group, name, data):
        return group.create_dataset(name, data=data, **(options if data.ndim else {}))
    return write


def _as(dtype):
    return lambda group, name, data: group.create_dataset(name, data=data.astype(dtype))


WRITERS = {
    "gzip": _with(compression="gzip", chunks=True),
    "gzip shuffle checksum": _with(compression="gzip", compression_opts=9, shuffle=True, fletcher32=True, chunks=True),
    "lzf": _with(compression="lzf", chunks=True),
    "chunks of one": lambda g, n, d: g.create_dataset(n, data=d, chunks=(1,) * d.ndim),
    "edge chunks": lambda g, n, d: g.create_dataset(n, data=d, chunks=tuple(max(1, s // 2 + 1) for s in d.shape)),
    "resizable": lambda g, n, d: g.create_dataset(n, data=d, maxshape=(None,) * d.ndim),
    "compact": _compact,
    "big-endian": _as(">f4"),
    "big-endian doubles": _as(">f8"),
    "doubles": _as("f8"),
    "halves": _as("f2"),
    "big-endian halves": _as(">f2"),
    "int8": _as("i1"),
    "big-endian int64": _as(">i8"),
    "uint16": _as("u2"),
    "with creation order": lambda g, n, d: g.create_dataset(n, data=d, track_times=True),
}


@pytest.fixture
def saved(rng, tmp_path):
    """A model whose values are whole numbers, so that any numeric type holds them, and its file."""
    model = small_model()
    for variable in model.variables:
        variable.assign(rng.integers(1, 100, variable.shape))
    path = tmp_path / "keras.weights.h5"
    model.save_weights(path)
    return model, path


def _assert_both_load(model, lamina, path):
    """Keras and Lamina read `path` into models of other values, and then hold what `model` holds."""
    theirs = keras.models.model_from_json(model.to_json())
    theirs.load_weights(path)
    assert state_differences(theirs, model) == []
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    assert state_differences(ours, model) == []
    return ours


@pytest.mark.parametrize("version", ["earliest", "v108", "v110", "v112", "latest"])
@pytest.mark.parametrize("writer", WRITERS)
def test_datasets(writer, version, saved, lamina, tmp_path):
    model, path = saved
    _rewrite(path, tmp_path / "other.weights.h5", WRITERS[writer], libver=(version, "latest"))
    _assert_both_load(model, lamina, tmp_path / "other.weights.h5")


@pytest.mark.parametrize("options", [{"userblock_size": 1024}, {"track_order": True}, {"fs_strategy": "page"},
                                     {"libver": "latest", "track_order": True}], ids=str)
def test_file_options(options, saved, lamina, tmp_path):
    model, path = saved
    _rewrite(path, tmp_path / "other.weights.h5", **options)
    _assert_both_load(model, lamina, tmp_path / "other.weights.h5")


def _hard_link(file):
    for layer in ("dense", "dense_1"):
        file[f"elsewhere_{layer}"] = file[f"layers/{layer}/vars/1"]


def _link_whole_groups(file):
    file["shadow"] = file["layers/dense"]
    del file["layers/dense"]
    file["layers/dense"] = file["shadow"]


def _drop_names(file):
    for path in ["/vars", *(f"/layers/{layer}/vars" for layer in LAYERS)]:
        del file[path].attrs["name"]


def _fixed_names(file):
    for layer in LAYERS:
        file[f"layers/{layer}/vars"].attrs["name"] = np.bytes_(layer)


def _extras(file):
    file.create_group("lamina/checksums").create_dataset("x", data=[1, 2])
    file["layers/dense"].create_dataset("beside_vars", data=3)
    file["layers/dense/vars/0"].attrs["unit"] = np.arange(5)
    file["layers"].attrs["comment"] = "für alle"
    file.attrs["big"] = np.zeros(5000)
    file["text"] = "some text"
    file["compound"] = np.zeros(2, [("a", "i4"), ("b", "f8")])
    file["reference"] = file["layers"].ref
    file["soft"] = h5py.SoftLink("/layers/dense")


def _drop_empty_groups(file):
    del file["layers/input_layer"], file["vars"]


def _many_groups(file):
    for i in range(300):
        file.create_group(f"layers/other_{i:04}/vars")


EDITS = [_hard_link, _link_whole_groups, _drop_names, _fixed_names, _extras, _drop_empty_groups, _many_groups]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("edit", EDITS)
def test_edited_trees(edit, libver, saved, lamina, tmp_path):
    model, path = saved
    other = tmp_path / "other.weights.h5"
    _rewrite(path, other, libver=libver)
    with h5py.File(other, "r+", libver=libver) as file:
        edit(file)
    _assert_both_load(model, lamina, other)


def test_shared_variables_as_hard_links(rng, lamina, tmp_path):
    """What keras#23678 proposes: one dataset under two layers."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    values.randomize(model, rng)
    model.layers[1].kernel.assign(model.layers[0].kernel)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense_1/vars/0"]
        file["layers/dense_1/vars/0"] = file["layers/dense/vars/0"]
    _assert_both_load(model, lamina, path)


def test_files_of_keras_2_13(saved, lamina):
    """The root holds `_layer_checkpoint_dependencies` in the place of `layers`."""
    model, path = saved
    with h5py.File(path, "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    _assert_both_load(model, lamina, path)


@pytest.mark.parametrize("stored", ["u1", "i1", "i4", "f4", "bool"])
def test_bools_of_other_types(stored, rng, lamina, tmp_path):
    import zoo

    model = zoo.make("AllTypes")
    values.randomize(model, rng)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        group = file["layers/every_type/vars"]
        key = next(k for k in group if group[k].dtype == bool)
        data = group[key][()]
        del group[key]
        group.create_dataset(key, data=data.astype(stored))
    ours = lamina.hand_written("AllTypes")
    ours.load_weights(path)
    keras.utils.clear_session()
    twin = zoo.make("AllTypes")
    twin.load_weights(path)
    assert state_differences(ours, twin) == []


@pytest.mark.parametrize("source", ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("target", ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", ["weights.h5", "weights.json", "keras"])
def test_conversion_between_dtypes(source, target, shape, rng, lamina, tmp_path):
    """Keras's test_load_weights, all pairs of policies: to the bit what Keras converts to."""
    model = small_model(source)
    values.randomize(model, rng, gain=3)
    path = tmp_path / f"m.{shape}"
    if shape == "keras":
        model.save(path)
    else:
        model.save_weights(path, **({"max_shard_size": 100 / 1024**3} if shape.endswith("json") else {}))
    theirs = small_model(target)
    theirs.load_weights(path)
    ours = lamina.from_json(theirs.to_json())
    ours.load_weights(path)
    assert state_differences(theirs, ours) == []


def test_values_that_conversion_changes(lamina, tmp_path):
    """Overflow to infinity, NaN, subnormals, ties, and floats to integers, as Keras converts them."""
    model = small_model("float64")
    awkward = [1e300, -1e300, np.nan, np.inf, -np.inf, 1e-320, -0.0, 65504, 65520, 2**-24, 2**-25, 1 + 2**-9 + 2**-30]
    for variable in model.variables:
        variable.assign(np.resize(awkward, variable.shape))
    model.save_weights(tmp_path / "m.weights.h5")
    for target in ("float32", "float16", "bfloat16"):
        theirs = small_model(target)
        theirs.load_weights(tmp_path / "m.weights.h5")
        ours = lamina.from_json(theirs.to_json())
        ours.load_weights(tmp_path / "m.weights.h5")
        differing = [line for line in state_differences(theirs, ours)]
        assert differing == [], target


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives(method, rng, lamina, tmp_path):
    model = small_model()
    values.randomize(model, rng)
    model.save(tmp_path / "stored.keras")
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(tmp_path / "stored.keras") as source, zipfile.ZipFile(path, "w", method) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    _assert_both_load(model, lamina, path)
    whole = lamina.load_archive(path)
    assert state_differences(whole, model) == []


def test_an_archive_behind_other_bytes(rng, lamina, tmp_path):
    model = small_model()
    values.randomize(model, rng)
    path = tmp_path / "m.keras"
    model.save(path)
    path.write_bytes(b"#!/bin/sh\n" + rng.bytes(1000) + path.read_bytes())
    _assert_both_load(model, lamina, path)
    assert state_differences(lamina.load_archive(path), model) == []


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_an_archive_with_a_bomb(member, lamina, tmp_path, monkeypatch):
    """A member that grows a hundredfold: Keras's bound is 4 GiB, which the test lowers to Lamina's 64 MiB."""
    model = small_model()
    model.save(tmp_path / "whole.keras")
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(tmp_path / "whole.keras") as source, \
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + b" " * ((80 << 20) * (name == member)))
    monkeypatch.setattr(keras.src.saving.saving_lib, "_ZIP_MEMBER_BOMB_FLOOR_BYTES", 64 << 20)
    with pytest.raises(ValueError, match="decompression bomb"):
        keras.models.load_model(path)
    with pytest.raises(LaminaError, match="Not allowed: the member") as refused:
        lamina.load_archive(path)
    assert refused.value.kind == "FormatError" and str(path) in refused.value.message
    if member == "model.weights.h5":
        with pytest.raises(LaminaError, match="decompression bomb"):
            lamina.from_json(model.to_json()).load_weights(path)


def test_a_compiled_file_and_an_uncompiled_model(rng, lamina, tmp_path):
    """The optimizer's variables are nobody's: Keras is silent, Lamina says so once."""
    model = small_model()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    plain = small_model()
    plain.load_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(plain.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    warning, = lamina.warnings
    assert "/optimizer/vars" in warning and "did not ask for" in warning
    assert state_differences(ours, plain) == []


# --- indices


@pytest.fixture
def sharded(rng, tmp_path):
    """A sharded save whose entries span shards."""
    model = small_model()
    values.randomize(model, rng)
    path = tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=48 / 1024**3)
    spans = [v for v in json.loads(path.read_text())["weight_map"].values() if isinstance(v, list) and len(v) > 1]
    assert spans
    return model, path


def test_entries_that_span_shards(sharded, lamina):
    _assert_both_load(*sharded[:1], lamina, sharded[1])


def test_a_list_where_keras_writes_a_string(rng, lamina, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False), keras.layers.Dense(2)])
    values.randomize(model, rng)
    path = tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=1)
    written = json.loads(path.read_text())["weight_map"]
    assert isinstance(written["/layers/dense/vars"], str) and isinstance(written["/layers/dense_1/vars"], list)

    def swap(index):
        index["weight_map"] = {k: [v] if isinstance(v, str) else v[0] for k, v in index["weight_map"].items()}

    edit_index(path, swap)
    _assert_both_load(model, lamina, path)


def test_other_text_of_an_index(sharded, lamina):
    """Extra keys, an integer total, other order, no white space: what Keras ignores."""
    model, path = sharded
    index = json.loads(path.read_text())
    index["metadata"] = {"total_size": int(index["metadata"]["total_size"]), "made by": "somebody"}
    index["weight_map"] = dict(reversed(index["weight_map"].items()))
    path.write_text(json.dumps({"extra": [1, {"x": None}], **index}))
    _assert_both_load(model, lamina, path)


@pytest.mark.parametrize("stem", ["a.weights.v2.weights", "schön.weights", "with space.weights", "7.weights", ".weights"])
def test_names_of_shards(stem, rng, lamina, tmp_path):
    """The base loses every `.weights`, and both libraries name and find the same files."""
    model = small_model(names=("größe", "层", "b c"))
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    model.save_weights(tmp_path / "keras" / f"{stem}.json", max_shard_size=48 / 1024**3)
    ours.load_weights(tmp_path / "keras" / f"{stem}.json")
    ours.save_weights(tmp_path / "lamina" / f"{stem}.json", max_shard_size=48 / 1024**3)
    from h5_compare import checkpoint_differences

    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []


def test_a_renamed_checkpoint_needs_all_its_files(sharded, lamina, tmp_path):
    """Index and first shard go by one name; the map names the others."""
    model, path = sharded
    renamed = tmp_path / "other.weights.json"
    shutil.copy(path, renamed)
    shutil.copy(tmp_path / "m_00000.weights.h5", tmp_path / "other_00000.weights.h5")
    _assert_both_load(model, lamina, renamed)


def test_entries_kept_together_load_in_keras(rng, lamina, tmp_path):
    """keep_entries_together: no entry spans shards, and Keras reads the same weights."""
    model = small_model()
    values.randomize(model, rng)
    model.save_weights(tmp_path / "k.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "k.weights.h5")
    path = tmp_path / "m.weights.json"
    ours.save_weights(path, max_shard_size=64 / 1024**3, keep_entries_together=True)
    index = json.loads(path.read_text())["weight_map"]
    assert all(isinstance(v, str) or len(set(v)) == 1 for v in index.values())
    assert len(set(v if isinstance(v, str) else v[0] for v in index.values())) > 1
    _assert_both_load(model, lamina, path)


# --- what sealing adds


@pytest.mark.parametrize("limit", [None, 48 / 1024**3])
def test_keras_reads_sealed_files(limit, rng, lamina, tmp_path):
    """The group, the key in the index and the mark at the end are nothing to Keras."""
    model = small_model()
    values.randomize(model, rng)
    model.save_weights(tmp_path / "k.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "k.weights.h5")
    path = tmp_path / ("m.weights.json" if limit else "m.weights.h5")
    ours.save_weights(path, **({"max_shard_size": limit} if limit else {}))
    files = [path] if limit is None else sorted(tmp_path.glob("m_*.weights.h5"))
    assert (len(files) > 1) == (limit is not None)
    for file in files:
        with h5py.File(file) as sealed:
            assert set(sealed["lamina/seal"]) == {"save", "shard", "crc32c"}
    if limit:
        seal = json.loads(path.read_text())["metadata"]["lamina"]
        with h5py.File(files[0]) as sealed:
            assert seal["save"] == bytes(sealed["lamina/seal/save"][()]).hex()
    _assert_both_load(model, lamina, path)


@pytest.mark.parametrize("limit", [None, 48 / 1024**3])
def test_without_seal_files_are_those_of_keras(limit, rng, lamina, tmp_path):
    """To the byte of the index, and every object of the trees: nothing is set aside here."""
    from h5_compare import checkpoint_files, describe_file

    model = small_model()
    values.randomize(model, rng)
    options = {"max_shard_size": limit} if limit else {}
    name = "m.weights.json" if limit else "m.weights.h5"
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    model.save_weights(tmp_path / "keras" / name, **options)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "keras" / name)
    ours.save_weights(tmp_path / "lamina" / name, seal=False, **options)
    for theirs in checkpoint_files(tmp_path / "keras" / name):
        other = tmp_path / "lamina" / theirs.name
        if theirs.suffix == ".json":
            assert theirs.read_bytes() == other.read_bytes()
        else:
            assert describe_file(theirs) == describe_file(other)


def test_a_sealed_file_that_keras_changes_is_refused(rng, lamina, tmp_path):
    """Somebody writes into a tensor in place: the checksum is then another."""
    from lamina_driver import LaminaError

    model = small_model()
    ours = lamina.from_json(model.to_json())
    ours.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        file["layers/dense/vars/0"][0, 0] += 1
    with pytest.raises(LaminaError) as caught:
        ours.load_weights(tmp_path / "m.weights.h5")
    assert caught.value.kind == "CorruptionError"
