"""applications::preprocess_input: the numbers and the complaints of keras.applications.imagenet_utils."""

import keras
import ml_dtypes
import numpy as np
import pytest

import tolerances
from lamina_driver import LaminaError

MODES = ["caffe", "tf", "torch"]
preprocess = keras.applications.imagenet_utils.preprocess_input


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "float32", "float64"])
@pytest.mark.parametrize("mode", MODES)
def test_arrays(mode, dtype, rng, lamina):
    for shape in ((5, 4, 3), (2, 3, 6, 3)):
        images = rng.uniform(0, 255, shape).astype(dtype)
        theirs = preprocess(images.copy(), mode=mode)  # it writes over what it is given
        ours = lamina.preprocess_input(images, mode)
        assert ours.dtype == theirs.dtype
        if dtype == "float16":  # which Keras rounds to after each step
            assert tolerances.distance(ours, theirs) <= tolerances.LAYER[dtype]
        else:
            assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_tensors_of_bfloat16(mode, rng, lamina):
    images = rng.uniform(0, 255, (2, 3, 6, 3)).astype(ml_dtypes.bfloat16)
    theirs = np.asarray(preprocess(keras.ops.convert_to_tensor(images), mode=mode))
    ours = lamina.preprocess_input(images, mode)
    assert tolerances.distance(ours, theirs) <= tolerances.LAYER["bfloat16"]


def test_gray_images(rng, lamina):
    images = rng.uniform(0, 255, (2, 3, 6, 1)).astype("float32")
    assert lamina.preprocess_input(images, "tf").tobytes() == preprocess(images.copy(), mode="tf").tobytes()


def test_an_unknown_mode(lamina):
    images = np.zeros((2, 2, 3), "float32")
    with pytest.raises(ValueError) as theirs:
        preprocess(images, mode="keras")
    with pytest.raises(LaminaError) as ours:
        lamina.preprocess_input(images, "keras")
    assert (ours.value.kind, ours.value.message) == ("ValueError", str(theirs.value))
