"""Legacy HDF5 files, in which Keras publishes trained weights: written by Keras, loaded by Lamina as Keras loads them,
in order and by name, equal bits and equal words."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import values
from test_random_models import assert_same_weights


def _convnet(classes=5, name="convnet"):
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Activation("relu")(x)
    inner = keras.Sequential([keras.Input((10, 10, 4)), keras.layers.DepthwiseConv2D(3, name="inner_conv"),
                              keras.layers.BatchNormalization(name="inner_bn")], name="inner")
    x = keras.layers.GlobalAveragePooling2D()(inner(x))
    return keras.Model(inputs, keras.layers.Dense(classes, name=f"head{classes}")(x), name=name)


def _sequences():
    """Layers within layers, whose weights are listed in one row."""
    inputs = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(11, 8)(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))(x)
    x = keras.layers.MultiHeadAttention(2, 3)(x, x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(4))(keras.layers.Normalization()(x))
    return keras.Model(inputs, keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.LSTMCell(2)])(x))


def _weights_file(model, path):
    """As Keras 2's save_weights did, and Keras 3's model.save does within a whole model."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def _equal(ours, model, tmp_path):
    """What Lamina has, by way of a file that Keras loads."""
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = keras.models.clone_model(model)
    again.load_weights(tmp_path / "ours.weights.h5")
    assert_same_weights(model, again)


@pytest.mark.parametrize("kind", ["weights", "model"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_file_of_keras_gives_the_same_bits(kind, frozen, rng, lamina, tmp_path):
    model = _convnet()
    if frozen:  # decides upon the order of weights
        model.get_layer("inner").layers[0].trainable = False
    values.randomize(model, rng)
    path = tmp_path / "m.h5"
    if kind == "model":
        model.save(path)
    else:
        _weights_file(model, path)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    _equal(ours, model, tmp_path)


def test_recurrent_layers_and_attention_give_the_same_bits(rng, lamina, tmp_path):
    model = _sequences()
    values.randomize(model, rng)
    ours = lamina.from_json(model.to_json())
    ours.load_weights(_weights_file(model, tmp_path / "m.h5"))
    _equal(ours, model, tmp_path)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_by_name_takes_the_layers_that_are_named(suffix, rng, lamina, tmp_path):
    saved, target = _convnet(5), _convnet(7)
    values.randomize(saved, rng)
    values.randomize(target, rng)
    path = _weights_file(saved, tmp_path / f"m{suffix}")
    ours = lamina.from_json(target.to_json())
    target.save_weights(tmp_path / "target.weights.h5")
    ours.load_weights(tmp_path / "target.weights.h5")
    ours.load_weights(path, by_name=True)
    target.load_weights(path, by_name=True)
    _equal(ours, target, tmp_path)
    assert np.array_equal(target.get_layer("conv").kernel, saved.get_layer("conv").kernel)


def test_long_lists_of_layers_are_in_parts(rng, lamina, tmp_path):
    """More names than an object header holds."""
    layers = [keras.layers.Dense(1, name=f"{i:03}_{'long' * 100}") for i in range(200)]
    model = keras.Sequential([keras.Input((1,)), *layers])
    for variable in model.variables:
        variable.assign(rng.normal(0, 1, variable.shape).astype("float32"))
    path = _weights_file(model, tmp_path / "m.h5")
    with h5py.File(path) as file:
        assert "layer_names1" in file.attrs
    ours = lamina.from_json(model.to_json())
    ours.load_weights(path)
    _equal(ours, model, tmp_path)


def _words(call):
    with pytest.raises(Exception) as error:  # noqa: PT011: whatever Keras raises
        call()
    return str(error.value)


def _one_convolution(filters=4, use_bias=True):
    inputs = keras.Input((12, 12, 3))
    return keras.Model(inputs, keras.layers.Conv2D(filters, 3, name="conv", use_bias=use_bias)(inputs))


MISFITS = {"layers": (_one_convolution, {}), "shape": (lambda: _convnet(7), {}),
           "shape by name": (lambda: _one_convolution(filters=6), {"by_name": True}),
           "weights by name": (lambda: _one_convolution(use_bias=False), {"by_name": True})}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_told_in_keras_words(case, lamina, tmp_path):
    make, options = MISFITS[case]
    path = _weights_file(_convnet(5), tmp_path / "m.h5")
    model = make()
    ours = lamina.from_json(model.to_json())
    theirs = _words(lambda: model.load_weights(path, **options))
    assert theirs.rstrip(".") in _words(lambda: ours.load_weights(path, **options))


def test_options_that_other_files_have_are_refused(lamina, tmp_path):
    model = _convnet()
    path = _weights_file(model, tmp_path / "m.h5")
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    for file, theirs, options in (
            (path, {"objects_to_skip": [model.get_layer("conv")]}, {"objects_to_skip": ["conv"]}),
            (tmp_path / "m.weights.h5", {"by_name": True}, {"by_name": True})):
        words = _words(lambda file=file, theirs=theirs: model.load_weights(file, **theirs))
        assert words in _words(lambda file=file, options=options: ours.load_weights(file, **options))


def test_mismatched_shapes_are_skipped_with_a_warning(rng, lamina, tmp_path):
    saved, target = _convnet(5), _convnet(7)
    values.randomize(saved, rng)
    values.randomize(target, rng)
    path = _weights_file(saved, tmp_path / "m.h5")
    ours = lamina.from_json(target.to_json())
    target.save_weights(tmp_path / "target.weights.h5")
    ours.load_weights(tmp_path / "target.weights.h5")
    ours.load_weights(path, skip_mismatch=True)
    with pytest.warns(UserWarning, match="Skipping loading weights for layer"):
        target.load_weights(path, skip_mismatch=True)
    _equal(ours, target, tmp_path)
