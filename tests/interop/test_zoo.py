"""Hand-written models in Python and in C++ (zoo.py, zoo.cpp): subclassed ones, containers, sublayers at
paths of their own, own variables, every dtype."""

import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
import zoo
from h5_compare import checkpoint_differences
from lamina_driver import LaminaError
from test_random_models import assert_same_weights

NAMES = [model.__name__ for model in zoo.SAVABLE]


@pytest.mark.parametrize("policy", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_both_ways(name, policy, rng, lamina, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = zoo.make(name)
    values.randomize(model, rng)
    ours = lamina.hand_written(name, policy)
    assert_same_files(model, ours, tmp_path)
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)
    twin = zoo.make(name)
    twin.load_weights(tmp_path / "lamina" / "m.weights.h5")
    assert_same_weights(model, twin)
    inputs = [values.random_input(rng, (3, 4), "float32")]
    distance = tolerances.worst(ours.predict(inputs), random_models.outputs(model, inputs))
    assert distance <= tolerances.MODEL[policy]


def assert_same_files(model, ours, tmp_path):
    """Single, and in shards from the largest variable's size upwards."""
    for folder in ("keras", "lamina"):
        (tmp_path / folder).mkdir()
    largest = max([64, *(np.asarray(variable).nbytes for variable in model.variables)])
    for name, options in [("m.weights.h5", {}), ("s.weights.json", {"max_shard_size": largest / 1024**3}),
                          ("l.weights.json", {"max_shard_size": (largest + 86.5) / 1024**3}),
                          ("i.weights.json", {"max_shard_size": 1})]:
        model.save_weights(tmp_path / "keras" / name, **options)
        ours.load_weights(tmp_path / "keras" / name)
        ours.save_weights(tmp_path / "lamina" / name, **options)
    assert checkpoint_differences(tmp_path / "keras", tmp_path / "lamina") == []


def test_colliding_class_names_are_refused_by_both(lamina, tmp_path):
    with pytest.raises(ValueError, match="name already exists"):
        zoo.make("Collision").save_weights(tmp_path / "m.weights.h5")
    ours = lamina.hand_written("Collision")
    with pytest.raises(LaminaError, match="items/dense_1") as caught:
        ours.save_weights(tmp_path / "n.weights.h5")
    assert caught.value.kind == "ValueError"
    assert not (tmp_path / "n.weights.h5").exists()


def test_a_renamed_attribute_loads_as_in_keras(rng, lamina, tmp_path):
    """zz -> aa works through the property `layers`, aa -> zz does not: the walk goes by attribute names."""
    late, early = zoo.make("RenamedLate"), zoo.make("RenamedEarly")
    for model, name in ((late, "late"), (early, "early")):
        values.randomize(model, rng)
        model.save_weights(tmp_path / f"{name}.weights.h5")
    ours_early, ours_late = lamina.hand_written("RenamedEarly"), lamina.hand_written("RenamedLate")
    ours_early.load_weights(tmp_path / "late.weights.h5")
    early.load_weights(tmp_path / "late.weights.h5")
    assert ours_early.values() == b"".join(np.asarray(v).tobytes() for v in early.weights)

    values.randomize(early, rng)
    early.save_weights(tmp_path / "early.weights.h5")
    before = ours_late.values()
    with pytest.raises(ValueError, match="received 0 variables"):
        late.load_weights(tmp_path / "early.weights.h5")
    with pytest.raises(LaminaError, match="received 0 variables") as caught:
        ours_late.load_weights(tmp_path / "early.weights.h5")
    assert caught.value.kind == "MismatchError"
    assert ours_late.values() == before
