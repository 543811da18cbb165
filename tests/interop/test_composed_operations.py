"""Operations of keras.ops that are made of others: normalizations and attention, what moves and multiplies elements of
planes, against Keras on JAX."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import random_models
import tolerances
from test_operations import of_operations, with_hashable_axes


def of_networks():
    """Normalizations, attention and blocks of channels, as Keras's layers and models call them."""
    x, image, q, k = keras.Input((4, 6)), keras.Input((4, 6, 8)), keras.Input((5, 4, 3)), keras.Input((6, 2, 3))
    v, bias, mask = keras.Input((6, 2, 3)), keras.Input((1, 5, 6)), keras.Input((4, 5, 6), dtype="bool")
    row, column, plane = x[0, 0], x[0, :, 0], x[0]
    variance = ops.square(row) + 0.5
    return keras.Model([x, image, q, k, v, bias, mask], [
        ops.layer_normalization(x), ops.layer_normalization(x, row, row, axis=-1, epsilon=0.1),
        ops.layer_normalization(x, column, axis=1), ops.layer_normalization(x, beta=plane, axis=[1, 2]),
        ops.rms_normalization(x), ops.rms_normalization(x, row), ops.rms_normalization(x, scale=plane, axis=(1, 2)),
        ops.batch_normalization(x, row, variance, -1), ops.batch_normalization(x, row, variance, 2, scale=row),
        ops.batch_normalization(x, column, ops.abs(column) + 0.3, 1, offset=column, scale=column, epsilon=0.2),
        ops.dot_product_attention(q, q, q), ops.dot_product_attention(q, k, v, is_causal=True),
        ops.dot_product_attention(q, k, v, bias=bias, scale=0.3), ops.dot_product_attention(q, k, v, mask=mask),
        ops.dot_product_attention(q, k, v, bias=bias, mask=mask, is_causal=True, flash_attention=False),
        ops.depth_to_space(image, 2), ops.space_to_depth(image, 2), ops.depth_to_space(image, 2, "channels_first"),
        ops.space_to_depth(image, 2, data_format="channels_first")])


def of_planes():
    x, n, v, w = keras.Input((4, 3)), keras.Input((4, 3), dtype="int32"), keras.Input((5, 3)), keras.Input((5, 2))
    small = keras.Input((3,), dtype="uint8")
    return keras.Model([x, n, v, w, small], [
        ops.outer(x, n), ops.outer(n, 2), ops.outer(0.5, small), ops.kron(x, x), ops.kron(n, n), ops.cross(v, v[:, ::-1]),
        ops.cross(v, w), ops.cross(w, v, axisc=1), ops.cross(w, 2 * w[:, ::-1]), ops.cross(n, n + 1, axis=-1),
        ops.vdot(x, 2 * x), ops.inner(x[0], x), ops.diagonal(x), ops.diagonal(x, 1, axis1=1, axis2=2),
        ops.diagonal(n, offset=-1, axis1=2, axis2=1), ops.diag(x[:, 0], k=1), ops.diag(x[0], k=-1), ops.trace(x, axis1=1, axis2=2),
        ops.trace(small), ops.rot90(x), ops.rot90(n, 3, axes=(1, 2)), ops.rot90(x, k=-1, axes=(-1, 0)), ops.diff(x),
        ops.diff(n, n=2, axis=1), ops.saturate_cast(x * 100, "uint8"), ops.saturate_cast(n, "uint8"),
        ops.saturate_cast(x * 1e30, "float16"), ops.isclose(x, 0.5, atol=0.4), ops.isclose(n, n * 2, equal_nan=True)])


@pytest.mark.parametrize("make", [of_networks, of_planes])
def test_what_is_composed(make, rng, lamina, tmp_path):
    model = make()
    ours = lamina.from_json(model.to_json())
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    inputs = []
    for x in model.inputs:
        shape = (3, *x.shape[1:])
        inputs.append(rng.normal(size=shape).astype("float32") if x.dtype == "float32" else
                      rng.integers(0 if x.dtype != "int32" else -5, 2 if x.dtype == "bool" else 6, shape).astype(x.dtype))
    got, theirs = ours.predict(inputs), random_models.outputs(with_hashable_axes(model), inputs)
    assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
    for at, (ours_, theirs_) in enumerate(zip(got, theirs, strict=True)):
        np.testing.assert_allclose(ours_.astype("float64"), np.asarray(theirs_, "float64"), rtol=2e-5, atol=2e-6,
                                   err_msg=f"output {at}")
    # What Lamina writes is that model to Keras, tensors that calls have by name among it.
    ours.save(tmp_path / "ours.keras")
    again = with_hashable_axes(keras.models.load_model(tmp_path / "ours.keras"))
    assert tolerances.worst(random_models.outputs(again, inputs), theirs) <= 1e-6
