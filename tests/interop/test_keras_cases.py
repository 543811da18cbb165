"""The cases of Keras's own tests for weights files, those that are not covered by a broader test;
README.md maps each to its counterpart."""

import json
import pathlib

import h5py
import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
import zoo
from lamina_driver import LaminaError
from state import small_model, state_differences


def _bytes(layer):
    return b"".join(np.asarray(v).tobytes() for v in layer.weights)


def _assert_equal_outputs(model, ours, rng):
    inputs = [values.random_input(rng, (3, *x.shape[1:]), x.dtype) for x in model.inputs]
    for a, b in zip(ours.predict(inputs), random_models.outputs(model, inputs), strict=True):
        assert tolerances.distance(a, b) <= tolerances.MODEL["float32"]


def _round_trip(model, lamina, rng, tmp_path):
    """Keras -> Lamina -> Keras; the Lamina model."""
    values.randomize(model, rng)
    model.save_weights(tmp_path / "keras.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "keras.weights.h5")
    _assert_equal_outputs(model, ours, rng)
    ours.save_weights(tmp_path / "lamina.weights.h5")
    again = keras.models.model_from_json(model.to_json())
    again.load_weights(tmp_path / "lamina.weights.h5")
    assert state_differences(model, again) == []
    return ours


def _functional():
    x = inputs = keras.Input((4,))
    x = keras.layers.Dense(5, name="first")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="last")(x))


def test_save_load_weights_only(rng, lamina, tmp_path):
    _round_trip(_functional(), lamina, rng, tmp_path)


def test_functional_and_its_subclass_are_interchangeable(rng, lamina, tmp_path):
    class SubclassFunctional(keras.Model):
        def __init__(self):
            x = inputs = keras.Input((4,))
            first = keras.layers.Dense(5, name="first")
            last = keras.layers.Dense(1, name="last")
            super().__init__(inputs, last(first(x)))
            self.alias = first

    subclass = SubclassFunctional()
    values.randomize(subclass, rng)
    subclass.save_weights(tmp_path / "s.weights.h5")
    ours = lamina.from_json(_functional().to_json())
    ours.load_weights(tmp_path / "s.weights.h5")
    ours.save_weights(tmp_path / "l.weights.h5")
    other = SubclassFunctional()
    other.load_weights(tmp_path / "l.weights.h5")
    assert [np.asarray(w).tobytes() for w in subclass.weights] == [np.asarray(w).tobytes() for w in other.weights]


# --- test_partial_load


def _stack(*units):
    return keras.Sequential([keras.Input((3,), batch_size=2)] + [keras.layers.Dense(u) for u in units])


@pytest.mark.parametrize("kind", ["weights.h5", "weights.json", "keras"])
@pytest.mark.parametrize("units, complaint", [((4, 6), "must match"), ((4, 5, 5), "received 0 variables")])
def test_partial_load(units, complaint, kind, rng, lamina, tmp_path):
    original, path = _stack(4, 5), tmp_path / f"m.{kind}"
    values.randomize(original, rng)
    if kind == "keras":
        original.save(path)
    else:
        original.save_weights(path, **({"max_shard_size": 1} if kind == "weights.json" else {}))
    new = _stack(*units)
    values.randomize(new, rng)
    new.save_weights(tmp_path / "new.weights.h5")
    ours = lamina.from_json(new.to_json())
    ours.load_weights(tmp_path / "new.weights.h5")
    before = ours.values()
    with pytest.raises(ValueError, match=complaint):
        new.load_weights(path)
    new.load_weights(tmp_path / "new.weights.h5")
    with pytest.raises(LaminaError, match=complaint) as caught:
        ours.load_weights(path)
    assert caught.value.kind == "MismatchError"
    assert ours.values() == before  # where Keras has overwritten half
    new.load_weights(path, skip_mismatch=True)
    ours.load_weights(path, skip_mismatch=True)
    assert len(lamina.warnings) == 1 and complaint in lamina.warnings[0]
    # Keras may have assigned the first variables of a layer that it then skips: compare what it kept whole.
    assert ours.values()[:len(_bytes(original.layers[0]))] == _bytes(original.layers[0])
    kept = before[len(_bytes(original.layers[0])) + (0 if len(units) == 2 else len(_bytes(original.layers[1]))):]
    assert ours.values().endswith(kept)
    if len(units) == 3:
        assert state_differences(new, ours) == []


@pytest.mark.parametrize("limit, shards", [(1.0, 1), (0.01, 3)])
def test_weights_sharding(limit, shards, rng, lamina, tmp_path):
    """EfficientNetB0's counts are Keras's own; here the application that Lamina has, with Keras beside."""
    model = keras.applications.EfficientNetV2B0(weights=None, classes=10, input_shape=(32, 32, 3))
    values.randomize(model, rng)
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    model.save_weights(tmp_path / "keras/m.weights.json", max_shard_size=limit)
    ours = lamina.application("EfficientNetV2B0", classes=10, input_shape=[32, 32, 3])
    ours.load_weights(tmp_path / "keras/m.weights.json")
    ours.save_weights(tmp_path / "lamina/m.weights.json", max_shard_size=limit)
    assert len(list((tmp_path / "lamina").glob("m_*.weights.h5"))) == shards
    index = json.loads((tmp_path / "lamina/m.weights.json").read_text())
    assert list(index) == ["metadata", "weight_map"] and "total_size" in index["metadata"]
    from h5_compare import checkpoint_differences

    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []


def test_load_sharded_weights(rng, lamina, tmp_path):
    """max_shard_size=1: an index and one shard."""
    model = _stack(4, 5)
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "k.weights.h5")
    ours.load_weights(tmp_path / "k.weights.h5")
    (tmp_path / "out").mkdir()
    ours.save_weights(tmp_path / "out/m.weights.json", max_shard_size=1)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["m.weights.json", "m_00000.weights.h5"]
    again = keras.models.model_from_json(model.to_json())
    again.load_weights(pathlib.Path(tmp_path / "out/m.weights.json"))
    assert state_differences(model, again) == []


def test_reused_layer_is_stored_once(rng, lamina, tmp_path):
    x = keras.Input((4,))
    shared = keras.layers.Dense(4)
    model = keras.Model(x, keras.layers.Dense(1)(shared(shared(x))))
    ours = _round_trip(model, lamina, rng, tmp_path)
    assert len(ours.weights()) == 4


@pytest.mark.parametrize("times", [1, 2])
def test_nested_functional(times, rng, lamina, tmp_path):
    """Two nested models, and one that is called twice."""

    def inner():
        x = keras.Input((4,))
        return keras.Model(x, keras.layers.Dense(4)(keras.layers.Dense(3)(x)))

    a, b = keras.Input((4,)), keras.Input((4,))
    first = inner()
    second = first if times == 2 else inner()
    model = keras.Model([a, b], keras.layers.Concatenate()([first(a), second(b)]))
    ours = _round_trip(model, lamina, rng, tmp_path)
    assert len(ours.weights()) == (4 if times == 2 else 8)


@pytest.mark.parametrize("how", ["adapted", "given", "inverted"])
def test_normalization(how, rng, lamina, tmp_path):
    if how == "given":
        layer = keras.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 3, 2, 1])
    else:
        layer = keras.layers.Normalization(invert=how == "inverted")
        layer.adapt(rng.normal(3, 2, (64, 4)))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    _assert_equal_outputs(model, ours, rng)
    assert state_differences(model, ours) == []


def test_redefinition_of_trackable(rng, lamina, tmp_path):
    normal = zoo.make("NormalModel")
    values.randomize(normal, rng)
    normal.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.hand_written("WeirdModel")
    ours.load_weights(tmp_path / "m.weights.h5")
    assert lamina.warnings == []
    assert ours.values() == _bytes(normal.dense)


def test_a_file_from_before_nested_containers(rng, lamina, tmp_path):
    """Before 3.15 tuples in lists were not walked: their layers lie under `layers/dense_k`. Lamina finds
    them there, as Keras does, and tells why it looked."""
    model = zoo.make("BlocksBefore315")
    values.randomize(model, rng)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        blocks = [file[f"blocks/{name}/dense"] for name in ("container", "container_1", "container_2")]
        for index, block in enumerate(blocks):
            file[f"layers/dense{f'_{index}' if index else ''}"] = block
        del file["blocks"]
    ours = lamina.hand_written("BlocksBefore315")
    ours.load_weights(path)
    assert any("Skipping nested container at 'blocks/container'" in w for w in lamina.warnings)
    assert ours.values() == b"".join(np.asarray(v).tobytes() for v in model.weights)
    twin = zoo.make("BlocksBefore315")
    twin.load_weights(path)
    assert [np.asarray(v).tobytes() for v in twin.weights] == [np.asarray(v).tobytes() for v in model.weights]


@pytest.mark.parametrize("name", [model.__name__ for model in zoo.SAVABLE])
def test_a_fresh_file_gives_no_warning(name, lamina, tmp_path):
    ours = lamina.hand_written(name)
    ours.save_weights(tmp_path / "m.weights.h5")
    assert lamina.warnings == []
    ours.load_weights(tmp_path / "m.weights.h5")
    assert lamina.warnings == []


# --- objects_to_skip


def test_objects_to_skip(rng, lamina, tmp_path):
    """The skipped layer has no group, and the counters of the others do not change."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="a"), keras.layers.Dense(5, name="b")])
    values.randomize(model, rng)
    model.save_weights(tmp_path / "all.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "all.weights.h5")
    keras.saving.save_weights(model, tmp_path / "keras.weights.h5", objects_to_skip=[model.layers[0]])
    ours.save_weights(tmp_path / "lamina.weights.h5", objects_to_skip=["a"])
    from h5_compare import file_differences

    assert file_differences(tmp_path / "keras.weights.h5", tmp_path / "lamina.weights.h5") == []
    for path in ("keras.weights.h5", "all.weights.h5"):
        fresh = keras.models.model_from_json(model.to_json())
        values.randomize(fresh, rng)
        fresh.save_weights(tmp_path / "fresh.weights.h5")
        mine = lamina.from_json(model.to_json())
        mine.load_weights(tmp_path / "fresh.weights.h5")
        fresh.load_weights(tmp_path / path, objects_to_skip=[fresh.layers[0]])
        mine.load_weights(tmp_path / path, objects_to_skip=["a"])
        assert lamina.warnings == []
        assert state_differences(fresh, mine) == []


def test_skipping_a_backbone_keeps_its_attribute_layer(rng, lamina, tmp_path):
    task = zoo.make("Task")
    values.randomize(task, rng)
    task.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.hand_written("Task")
    before = ours.values()
    ours.load_weights(tmp_path / "m.weights.h5", objects_to_skip=["backbone", "decoder"])
    assert ours.values() == before
    ours.load_weights(tmp_path / "m.weights.h5")
    assert ours.values() != before


# --- 3.6: what Keras does not test


def test_an_exact_fit_stays_in_the_shard(rng, lamina, tmp_path):
    model = _stack(4, 5)  # 48 + 16, 80 + 20 bytes
    values.randomize(model, rng)
    model.save_weights(tmp_path / "k.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "k.weights.h5")
    from h5_compare import checkpoint_differences

    for limit, shards in ((144, 2), (143, 2), (164, 1), (163, 2), (80, 3)):
        for name, saver in (("keras", model), ("lamina", ours)):
            (tmp_path / f"{name}{limit}").mkdir()
            saver.save_weights(tmp_path / f"{name}{limit}/m.weights.json", max_shard_size=limit / 1024**3)
        assert checkpoint_differences(tmp_path / f"keras{limit}", tmp_path / f"lamina{limit}") == []
        assert len(list((tmp_path / f"lamina{limit}").glob("*.h5"))) == shards


def test_a_model_without_variables(lamina, tmp_path):
    """total_size is the integer 0 and the map is empty."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])
    ours = lamina.from_json(model.to_json())
    from h5_compare import checkpoint_differences, index_without_seal

    for name, saver in (("keras", model), ("lamina", ours)):
        (tmp_path / name).mkdir()
        for limit in (0, 1):
            saver.save_weights(tmp_path / f"{name}/m{limit}.weights.json", max_shard_size=limit)
        saver.save_weights(tmp_path / f"{name}/m.weights.h5")
    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []
    assert '"total_size": 0\n' in index_without_seal((tmp_path / "lamina/m1.weights.json").read_text())
    ours.load_weights(tmp_path / "keras/m1.weights.json")


def test_bools_count_one_bit(rng, lamina, tmp_path):
    """AllTypes begins with bool (3,): 0.375 byte of the total."""
    model, ours = zoo.make("AllTypes"), lamina.hand_written("AllTypes")
    for name, saver in (("keras", model), ("lamina", ours)):
        (tmp_path / name).mkdir()
        saver.save_weights(tmp_path / name / "m.weights.json", max_shard_size=1)
    from h5_compare import index_without_seal

    texts = [index_without_seal((tmp_path / name / "m.weights.json").read_text()) for name in ("keras", "lamina")]
    assert texts[0] == texts[1]
    assert json.loads(texts[1])["metadata"]["total_size"] % 1 == 0.375


def test_a_failed_save_keeps_the_old_file(rng, lamina, tmp_path):
    """Keras truncates first (B1) and leaves shard 0 (B8); Lamina refuses before it writes."""
    model = small_model()
    values.randomize(model, rng)
    path = tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=1)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name.startswith("m")}
    with pytest.raises(LaminaError, match="exceeds the maximum shard size") as caught:
        ours.save_weights(path, max_shard_size=16 / 1024**3)
    assert "/layers/dense/vars" in caught.value.message
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name in before} == before


def test_a_smaller_save_removes_the_shards_of_the_larger(rng, lamina, tmp_path):
    model = small_model()
    values.randomize(model, rng)
    folder = tmp_path / "out"
    folder.mkdir()
    model.save_weights(folder / "m.weights.json", max_shard_size=48 / 1024**3)
    stranger = folder / "m_00099.weights.h5"
    stranger.write_text("not ours")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(folder / "m.weights.json")
    ours.save_weights(folder / "m.weights.json", max_shard_size=1)
    assert sorted(p.name for p in folder.iterdir()) == ["m.weights.json", "m_00000.weights.h5", "m_00099.weights.h5"]
    again = keras.models.model_from_json(model.to_json())
    again.load_weights(folder / "m.weights.json")
    assert state_differences(again, model) == []


def test_a_failing_layer_keeps_all_its_variables(rng, lamina, tmp_path):
    """Kernel fits, bias does not: Keras has assigned the kernel by then (B13), Lamina nothing."""
    model = small_model()
    values.randomize(model, rng)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    before = ours.values()
    with h5py.File(path, "r+") as file:
        group = file["layers/dense_1/vars"]
        group["0"][...] = 7
        del group["1"]
        group["1"] = np.zeros(5, "f4")
        file["layers/dense/vars/0"][...] = 8
    with pytest.raises(LaminaError, match="value.shape=\\(5,\\)"):
        ours.load_weights(path)
    assert ours.values() == before
    ours.load_weights(path, skip_mismatch=True)
    assert ours.values().endswith(before[-(3 * 2 + 2) * 4:])
    assert ours.values() != before


def test_unused_inputs_and_their_order(rng, lamina, tmp_path):
    """inputs [y, x, z], concat(a(x), b(y)), z unused: x, y, a, b, z, concat."""
    x, y, z = keras.Input((2,), name="x"), keras.Input((3,), name="y"), keras.Input((4,), name="z")
    a, b = keras.layers.Dense(2, name="a"), keras.layers.Dense(2, name="b")
    model = keras.Model([y, x, z], keras.layers.Concatenate(name="concat")([a(x), b(y)]))
    assert [layer.name for layer in model.layers] == ["x", "y", "a", "b", "z", "concat"]
    _round_trip(model, lamina, rng, tmp_path)
    from h5_compare import file_differences

    assert file_differences(tmp_path / "keras.weights.h5", tmp_path / "lamina.weights.h5") == []


@pytest.mark.parametrize("form", ["fixed-length attribute", "no attribute", "tagged", "uint16"])
def test_bfloat16_that_keras_cannot_read(form, rng, lamina, tmp_path):
    """Each of these stops Keras. Lamina reads what is unmistakable, refuses the rest."""
    model = small_model("bfloat16")
    values.randomize(model, rng)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    ours = lamina.from_json(model.to_json())
    before = ours.values()
    with h5py.File(path, "r+") as file:
        _damage_bfloat16(file["layers/dense/vars"], form)
    with pytest.raises(Exception):
        small_model("bfloat16").load_weights(path)
    try:
        ours.load_weights(path)
    except LaminaError as error:
        assert error.kind in ("FormatError", "MismatchError") and "/layers/dense/vars" in error.message
        assert ours.values() == before
    else:
        assert state_differences(model, ours) == []


def _damage_bfloat16(group, form):
    data = group["0"]
    raw = np.asarray(small_bits := data[()]).view("u2")
    if form == "fixed-length attribute":
        del data.attrs["dtype"]
        data.attrs["dtype"] = np.bytes_("bfloat16")
        return
    if form == "no attribute":
        del data.attrs["dtype"]
        return
    del group["0"]
    if form == "uint16":
        made = group.create_dataset("0", data=raw)
    else:
        type_id = h5py.h5t.create(h5py.h5t.OPAQUE, 2)
        type_id.set_tag(b"bfloat16")
        space = h5py.h5s.create_simple(raw.shape)
        made = h5py.h5d.create(group.id, b"0", type_id, space)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(raw).view("V2"), type_id)
        made = h5py.Dataset(made)
    made.attrs["dtype"] = "bfloat16"
    del small_bits
