"""One model in either library: what tests of layers in whole models have in common."""

import keras

import random_models
import tolerances
import values
from h5_compare import checkpoint_differences
from test_random_models import assert_same_weights, remade


def pair(make, rng, lamina, tmp_path):
    """(Keras's model, ours), with equal weights."""
    model = remade(make().to_json())
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    return model, ours


def from_archive(make, rng, lamina, tmp_path):
    """The same of Keras's archive."""
    model = remade(make().to_json())
    values.randomize(model, rng)
    model.save(tmp_path / "model.keras")
    return model, lamina.load_archive(tmp_path / "model.keras")


def assert_same_files(model, ours, tmp_path, shard):
    """Keras's weights are read, in one file and in shards of at most so many bytes, and what Lamina writes of them are
    Keras's files."""
    folders = [tmp_path / "keras", tmp_path / "lamina"]
    for folder in folders:
        folder.mkdir()
    for name, options in [("m.weights.h5", {}), ("m.weights.json", {"max_shard_size": shard / 1024**3})]:
        model.save_weights(folders[0] / name, **options)
        ours.load_weights(folders[0] / name)
        ours.save_weights(folders[1] / name, **options)
    assert checkpoint_differences(*folders) == []


def assert_read_back(model, ours, tmp_path):
    """Keras reads the archive that Lamina writes."""
    ours.save(tmp_path / "ours.keras")
    assert_same_weights(model, keras.models.load_model(tmp_path / "ours.keras"))


def assert_same_predictions(model, ours, inputs, policy):
    distance = tolerances.worst(ours.predict(inputs), random_models.outputs(model, inputs))
    print(f"distance {model.name} {policy} {distance:.2e}")
    assert distance <= tolerances.MODEL[tolerances.compute_dtype(policy)]
