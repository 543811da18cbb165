"""At the level of the weight tree, what Lamina has a layer for and what not: recurrent layers, attention,
optimizers, layers that name their variables themselves. Keras saves; a tree of the same nodes is loaded
and saved by Lamina; the files are equal, and Keras loads them to equal bits."""

import contextlib

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.saving import saving_lib

from h5_compare import checkpoint_differences, file_differences
from lamina_driver import LaminaError


class NamedVariables(layers.Layer):
    """Writes keys of its own, one of them with a group in it."""

    def build(self, shape):
        self.first = self.add_weight(name="first", shape=(3,), initializer="zeros")
        self.second = self.add_weight(name="second", shape=(2, 2), dtype="int32", initializer="zeros", trainable=False)

    def save_own_variables(self, store):
        store["idf_weights"] = self.first
        store["block/weight"] = self.second

    def load_own_variables(self, store):
        self.first.assign(store["idf_weights"])
        self.second.assign(store["block/weight"])

    def call(self, x):
        return x


def _bidirectional():
    return keras.Sequential([keras.Input((5, 3)), layers.Bidirectional(layers.LSTM(4)), layers.Dense(2)])


def _recurrent():
    return keras.Sequential([keras.Input((5, 3)), layers.GRU(4, return_sequences=True), layers.RNN(
        [layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True), layers.SimpleRNN(2),
        layers.Dropout(0.5, seed=1)])


def _attention():
    x = keras.Input((5, 6))
    return keras.Model(x, layers.Dense(1)(layers.MultiHeadAttention(2, 3, use_bias=True)(x, x)))


def _wrapped():
    return keras.Sequential([keras.Input((5, 4)), layers.TimeDistributed(layers.Dense(3)), layers.EinsumDense(
        "abc,cd->abd", (None, 2), bias_axes="d"), layers.GroupNormalization(1), layers.SpectralNormalization(layers.Dense(2))])


def _compiled(optimizer, dtype=None):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=dtype), layers.Dense(2, dtype=dtype)])
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


MODELS = {
    "bidirectional": _bidirectional,
    "recurrent": _recurrent,
    "attention": _attention,
    "wrapped": _wrapped,
    "named variables": lambda: keras.Sequential([keras.Input((4,)), NamedVariables(), layers.Dense(2)]),
    "adam": lambda: _compiled("adam"),
    "adam, bfloat16": lambda: _compiled("adam", "bfloat16"),
    "adafactor": lambda: _compiled(keras.optimizers.Adafactor()),
    "nadam": lambda: _compiled("nadam"),
    "schedule": lambda: _compiled(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9)),
    "averages": lambda: _compiled(keras.optimizers.AdamW(use_ema=True, gradient_accumulation_steps=2)),
    "loss scale": lambda: _compiled(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, momentum=0.9))),
}


def _variables(model):
    found = list(model.weights)
    if model.compiled:
        found += model.optimizer.variables
    return found


def _fill(model, rng):
    for variable in _variables(model):
        is_integer = "int" in variable.dtype
        value = rng.integers(0, 100, variable.shape) if is_integer else rng.normal(0, 1, variable.shape)
        variable.assign(value.astype("float32") if not is_integer else value)


def _bits(model):
    return [np.asarray(v).tobytes() for v in _variables(model)]


@contextlib.contextmanager
def _recorded_walk():
    """The paths and names that Keras makes groups for, in order."""
    made, original = [], {c: c.make for c in (saving_lib.H5IOStore, saving_lib.ShardedH5IOStore)}

    def wrap(store_class):
        def make(self, path, metadata=None):
            if not made or made[-1] != (path, (metadata or {}).get("name")):
                made.append((path, (metadata or {}).get("name")))
            return original[store_class](self, path, metadata)
        return make

    for store_class in original:
        store_class.make = wrap(store_class)
    try:
        yield made
    finally:
        for store_class, make in original.items():
            store_class.make = make


def _dtype(dataset):
    if dataset.dtype.kind == "V":
        return "bfloat16"
    return dataset.dtype.name


def _nodes(walk, path):
    """The tree of a file, in the order of the walk."""
    nodes = []
    with h5py.File(path) as file:
        for object_path, name in walk:
            variables = []
            group = file[f"{object_path}/vars"]
            group.visititems(lambda key, item: variables.append(
                {"key": key, "shape": item.shape, "dtype": _dtype(item)}) if isinstance(item, h5py.Dataset) else None)
            variables.sort(key=lambda v: (not v["key"].isdigit(), int(v["key"]) if v["key"].isdigit() else 0))
            nodes.append({"path": object_path, "name": name, "optimizer": "optimizer" in object_path, "variables": variables})
    return nodes


@pytest.mark.parametrize("name", MODELS)
def test_trees(name, rng, lamina, tmp_path):
    model = MODELS[name]()
    _fill(model, rng)
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    with _recorded_walk() as walk:
        model.save_weights(tmp_path / "keras/m.weights.h5")
    nodes = _nodes(walk, tmp_path / "keras/m.weights.h5")
    lamina.request("copy_tree", nodes=nodes, load=str(tmp_path / "keras/m.weights.h5"), save=str(tmp_path / "lamina/m.weights.h5"))
    assert lamina.warnings == []
    assert file_differences(tmp_path / "keras/m.weights.h5", tmp_path / "lamina/m.weights.h5") == []
    before = _bits(model)
    _fill(model, rng)
    model.load_weights(tmp_path / "lamina/m.weights.h5")
    assert _bits(model) == before


@pytest.mark.parametrize("name", [name for name in MODELS if name != "named variables"])
def test_trees_in_shards(name, rng, lamina, tmp_path):
    """Also in the order of Keras's walk: equal shards, equal index."""
    model = MODELS[name]()
    _fill(model, rng)
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    with _recorded_walk() as walk:
        model.save_weights(tmp_path / "whole.weights.h5")
    limit = max(int(np.prod(v.shape)) * 8 for v in _variables(model)) * 1.5 / 1024**3
    model.save_weights(tmp_path / "keras/m.weights.json", max_shard_size=limit)
    lamina.request("copy_tree", nodes=_nodes(walk, tmp_path / "whole.weights.h5"), load=str(tmp_path / "keras/m.weights.json"),
                   save=str(tmp_path / "lamina/m.weights.json"), max_shard_size=limit)
    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []
    before = _bits(model)
    _fill(model, rng)
    model.load_weights(tmp_path / "lamina/m.weights.json")
    assert _bits(model) == before


def test_h5_io_store_lora(rng, lamina, tmp_path):
    """A store with paths and keys of a user's choice: `lora` with a scalar, `lora/0` below it."""
    path = tmp_path / "layer.lora.weights.h5"
    a, b = rng.normal(0, 1, (8, 4)).astype("float32"), rng.normal(0, 1, (4, 16)).astype("float32")
    store = saving_lib.H5IOStore(path, mode="w")
    store.make("root")["rank"] = 4
    inner = store.make("root/lora/0")
    inner["lora_kernel_a"], inner["lora_kernel_b"] = a, b
    store.close()
    with h5py.File(path, "r+") as file:  # the tree's root has no name in a store of one's own
        file.create_group("vars").attrs["name"] = "r"
        for group in ("root", "root/lora/0"):
            file[group + "/vars"].attrs["name"] = "x"
    nodes = [{"path": "", "name": "r", "variables": []},
             {"path": "root", "name": "x", "variables": [{"key": "rank", "shape": [], "dtype": "int64"}]},
             {"path": "root/lora/0", "name": "x", "variables": [
                 {"key": "lora_kernel_a", "shape": [8, 4], "dtype": "float32"},
                 {"key": "lora_kernel_b", "shape": [4, 16], "dtype": "float32"}]}]
    lamina.request("copy_tree", nodes=nodes, load=str(path), save=str(tmp_path / "out.weights.h5"))
    assert file_differences(path, tmp_path / "out.weights.h5") == []
    read = saving_lib.H5IOStore(tmp_path / "out.weights.h5", mode="r")
    assert int(read.get("root")["rank"][()]) == 4
    np.testing.assert_array_equal(read.get("root/lora/0")["lora_kernel_a"][()], a)
    read.close()


def test_sharded_store_with_an_entry_over_two_shards(rng, lamina, tmp_path):
    """Keras's test_sharded_h5_io_store_basics and _cross_shard_read: an entry over two shards beside an
    integer scalar, and going back to an earlier shard."""
    a = rng.normal(0, 1, (1000, 1000)).astype("float32")
    b = rng.integers(-9, 9, (1000, 1000)).astype("int32")
    (tmp_path / "keras").mkdir()
    (tmp_path / "lamina").mkdir()
    path = tmp_path / "keras/store.weights.json"
    store = saving_lib.ShardedH5IOStore(path, max_shard_size=0.005, mode="w")
    store.make("", {"name": "root"})
    entry = store.make("one", {"name": "one"})
    entry["a"], entry["b"], entry["c"] = a, b, 42
    other = store.make("two", {"name": "two"})
    other["0"] = a + 1
    store.close()
    variable = lambda key, array: {"key": key, "shape": list(array.shape), "dtype": array.dtype.name}
    nodes = [{"path": "", "name": "root", "variables": []},
             {"path": "one", "name": "one", "variables": [variable("a", a), variable("b", b), variable("c", np.asarray(42))]},
             {"path": "two", "name": "two", "variables": [variable("0", a)]}]
    lamina.request("copy_tree", nodes=nodes, load=str(path), save=str(tmp_path / "lamina/store.weights.json"), max_shard_size=0.005)
    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []
    read = saving_lib.ShardedH5IOStore(tmp_path / "lamina/store.weights.json", mode="r")
    np.testing.assert_array_equal(read.get("two")["0"][()], a + 1)
    back = read.get("one")
    assert sorted(back.keys()) == ["a", "b", "c"] and int(back["c"][()]) == 42
    np.testing.assert_array_equal(back["b"][()], b)
    read.close()


def test_an_optimizer_of_another_class_with_as_many_variables(rng, lamina, tmp_path):
    """Adam's state fits Adamax's tree: silent in Keras, and here, as neither looks at the class."""
    adam, adamax = _compiled("adam"), _compiled("adamax")
    for model in (adam, adamax):
        _fill(model, rng)
    with _recorded_walk() as walk:
        adamax.save_weights(tmp_path / "adamax.weights.h5")
    adam.save_weights(tmp_path / "adam.weights.h5")
    nodes = _nodes(walk, tmp_path / "adamax.weights.h5")
    lamina.request("copy_tree", nodes=nodes, load=str(tmp_path / "adam.weights.h5"), save=str(tmp_path / "out.weights.h5"))
    assert lamina.warnings == []
    adamax.load_weights(tmp_path / "out.weights.h5")
    assert [b for b in _bits(adamax)] == _bits(adam)


def test_iteration_in_64_bits(rng, lamina, tmp_path):
    """The TensorFlow backend writes `iteration` as int64; a tree with int32 takes it, and the reverse."""
    model = _compiled("sgd")
    _fill(model, rng)
    with _recorded_walk() as walk:
        model.save_weights(tmp_path / "m.weights.h5")
    nodes = _nodes(walk, tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        value = int(file["optimizer/vars/0"][()])
        del file["optimizer/vars/0"]
        file["optimizer/vars"].create_dataset("0", data=np.int64(value))
    lamina.request("copy_tree", nodes=nodes, load=str(tmp_path / "m.weights.h5"), save=str(tmp_path / "out.weights.h5"))
    with h5py.File(tmp_path / "out.weights.h5") as file:
        assert file["optimizer/vars/0"].dtype == "int32" and int(file["optimizer/vars/0"][()]) == value


@pytest.mark.parametrize("saved, wanted", [("adam", "sgd"), ("sgd", "adam")])
def test_an_optimizer_with_another_count_is_a_warning(saved, wanted, rng, lamina, tmp_path):
    """In Keras's words, in strict mode too; the layers are loaded."""
    source, target = _compiled(saved), _compiled(wanted)
    for model in (source, target):
        _fill(model, rng)
    source.save_weights(tmp_path / "m.weights.h5")
    with _recorded_walk() as walk:
        target.save_weights(tmp_path / "t.weights.h5")
    nodes = _nodes(walk, tmp_path / "t.weights.h5")
    lamina.request("copy_tree", nodes=nodes, load=str(tmp_path / "m.weights.h5"), save=str(tmp_path / "out.weights.h5"))
    count = len(target.optimizer.variables), len(source.optimizer.variables)
    words = f"it has {count[0]} variables whereas the saved optimizer has {count[1]} variables. "
    assert any(words in warning for warning in lamina.warnings)
    with pytest.warns(UserWarning, match=words):
        target.load_weights(tmp_path / "m.weights.h5")


def test_too_large_for_a_shard(lamina, tmp_path):
    """Keras's test_sharded_h5_io_store_exception_raised, what of it a tree can meet."""
    path = tmp_path / "m.weights.h5"
    store = saving_lib.H5IOStore(path, mode="w")
    store.make("", {"name": "r"})["weights"] = np.zeros((100, 100), "float32")
    store.close()
    nodes = [{"path": "", "name": "r", "variables": [{"key": "weights", "shape": [100, 100], "dtype": "float32"}]}]
    with pytest.raises(LaminaError, match="exceeds the maximum shard size"):
        lamina.request("copy_tree", nodes=nodes, load=str(path), save=str(tmp_path / "x.weights.json"), max_shard_size=0.00001)
    nodes[0]["variables"][0]["key"] = "abc"
    with pytest.raises(LaminaError, match="abc"):
        lamina.request("copy_tree", nodes=nodes, load=str(path), save=str(tmp_path / "x.weights.h5"))
