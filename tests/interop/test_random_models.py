"""Random models, of the generator's making: equal outputs and equal files both ways."""

import keras
import numpy as np
import pytest

import random_models
import tolerances
import values
from h5_compare import checkpoint_differences


def _random_limit(draw, model):
    """None, or a shard size in GB from the largest variable up to everything."""
    sizes = [np.prod(v.shape, initial=1) * {"bool": 1}.get(v.dtype, int("".join(filter(str.isdigit, v.dtype)) or 0)) / 8
             for v in model.variables if v.name != "seed_generator_state"]
    if draw.random() < 0.3 or not sizes:
        return None
    smallest = max(sizes)
    exact = draw.choice([smallest, smallest + min(sizes), draw.uniform(smallest, sum(sizes) + 1)])
    return max(exact, 1) / 1024**3


def remade(config):
    """Keras's model as it reads it: attention names what it makes by how many layers were made before."""
    keras.utils.clear_session(free_memory=False)
    return keras.models.model_from_json(config)


def _save_both(model, ours, draw, tmp_path):
    """Saves with equal options in both libraries; the folders and the path that Keras would load."""
    limit = _random_limit(draw, model)
    name = "m.weights.h5" if limit is None else "m.weights.json"
    folders = [tmp_path / "keras", tmp_path / "lamina"]
    for folder in folders:
        folder.mkdir()
    options = {} if limit is None else {"max_shard_size": limit}
    model.save_weights(folders[0] / name, **options)
    ours.load_weights(folders[0] / name)
    ours.save_weights(folders[1] / name, **options)
    return folders, folders[1] / name


def assert_same_weights(left, right):
    for a, b in zip(left.weights, right.weights, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), a.path


@pytest.mark.cases(200)
def test_random_model(case, draw, rng, lamina, tmp_path):
    model, policy = random_models.random_model(draw)
    config = model.to_json()
    model = remade(config)
    values.randomize(model, rng)
    (tmp_path / "config.json").write_text(config)
    ours = lamina.from_json(config)
    folders, written = _save_both(model, ours, draw, tmp_path)
    assert checkpoint_differences(*folders) == []

    again = keras.models.model_from_json(config)
    again.load_weights(written)
    assert_same_weights(model, again)

    rows = draw.randint(1, 4)
    inputs = [values.random_input(rng, (rows, *x.shape[1:]), x.dtype) for x in model.inputs]
    theirs = random_models.outputs(model, inputs)
    distance = tolerances.worst(ours.predict(inputs), theirs)
    print(f"distance {policy} {distance:.2e}")
    assert distance <= tolerances.of_model(model)
