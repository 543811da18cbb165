"""Writes keras_cases.json: every layer with its options, as real Keras computes it.

Run: KERAS_BACKEND=jax python make_keras_cases.py
Each case holds a layer's configuration as model.to_json() writes it, symbolic input and output shapes,
the variables in file order, and one batch in and out. Tensors are {"shape", "dtype", "values"}.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np
from keras import layers as L
from keras.src.applications import convnext
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

rng = np.random.default_rng(20240607)


def tensor(array):
    array = np.asarray(array)
    values = array.astype("float64").ravel() if array.dtype.kind not in "iub" else array.ravel()
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "values": [float(f"{v:.8g}") if array.dtype.kind not in "iub" else int(v) for v in values],
    }


def random_input(shape, dtype):
    shape = [2 if d is None and i == 0 else 5 if d is None else d for i, d in enumerate(shape)]
    if dtype == "int32":
        return rng.integers(0, 4, shape).astype("int32")
    return rng.normal(0, 1.5, shape).round(2).astype(dtype)  # short in the file


def randomise(layer):
    values = []
    for v in layer.weights:
        if v.name == "count":
            value = np.array(3)
        elif "variance" in v.name:
            value = rng.uniform(0.3, 2, v.shape).round(2)
        else:
            value = rng.normal(0, 0.7, v.shape).round(2)
        v.assign(value)
        values.append(
            {
                "name": "variable" if v.name.startswith("variable_") else v.name,  # without a name it is counted
                "trainable": v.trainable,
                "value": tensor(np.asarray(v.value).astype(v.dtype)),
            }
        )
    if isinstance(layer, L.Normalization):
        layer.finalize_state()
    return values


def states(cell, xs):
    """As the cell nests them."""
    if not isinstance(cell, L.StackedRNNCells):
        return xs
    counts = [len(keras.tree.flatten(c.state_size)) for c in cell.cells]
    return [[xs.pop(0) for _ in range(count)] for count in counts]


def case(layer, *shapes, dtype="float32", numbers=True, **flags):
    """Applies `layer` to inputs of `shapes` (batch first); `flags`: arguments of its call."""

    def apply(xs):
        if isinstance(layer, (L.MultiHeadAttention, L.GroupQueryAttention)):
            return layer(*xs, **flags)
        if isinstance(layer, L.Attention):
            return layer(xs, **flags)
        if isinstance(layer, L.ReversibleEmbedding):
            return layer(xs[0], **flags)
        if isinstance(layer, (L.RNN, L.Bidirectional)) and len(xs) > 1:
            return layer(xs[0], initial_state=states(getattr(layer, "cell", None), xs[1:]))
        if hasattr(layer, "state_size") and not isinstance(layer, L.RNN):
            return layer(xs[0], states(layer, xs[1:]))
        if type(layer).__name__.startswith("Random"):  # else it is trained, where no model says otherwise
            return layer(xs[0], training=False)
        return layer(xs if len(xs) > 1 else xs[0])

    inputs = [L.Input(batch_shape=s, dtype=dtype) for s in shapes]
    outputs = keras.tree.flatten(apply(inputs))
    output = outputs[0]
    config = json.loads(keras.Model(inputs, outputs).to_json())
    entry = next(c for c in config["config"]["layers"] if c["config"]["name"] == layer.name)
    variables = randomise(layer)
    result = {
        "class_name": entry["class_name"],
        "config": entry["config"],
        "input_shapes": [list(s) for s in shapes],
        "input_dtype": dtype,
        "output_shape": list(output.shape),
        "output_dtype": str(output.dtype),
        "variables": variables,
    }
    if len(outputs) > 1:
        result["outputs"] = len(outputs)
    if flags:
        result["flags"] = sorted(flags)
    if numbers:
        xs = [random_input(s, dtype) for s in shapes]
        y = keras.tree.flatten(apply(xs))[0]
        result["inputs"] = [tensor(x) for x in xs]
        result["output"] = tensor(np.asarray(y).astype("float32") if "bfloat16" in str(y.dtype) else y)
    return result


IMAGE = (None, 7, 6, 4)
ODD = (2, 5, 7, 3)
FIRST = (None, 4, 7, 6)


def convolutions():
    for padding in ("valid", "same"):
        for strides in (1, 2, (1, 3), (3, 2)):
            yield case(L.Conv2D(3, (3, 2), strides=strides, padding=padding), IMAGE)
    yield case(L.Conv2D(4, 3, padding="same", dilation_rate=(2, 1), activation="silu"), IMAGE)
    yield case(L.Conv2D(6, 3, groups=2, use_bias=False, activation="relu"), IMAGE)
    yield case(L.Conv2D(3, 3, strides=2, padding="same", data_format="channels_first"), FIRST)
    yield case(L.Conv2D(3, 2, data_format="channels_first", activation="softmax"), FIRST)
    yield case(L.Conv2D(2, 3, padding="same"), (None, None, None, 4))
    for padding in ("valid", "same", "causal"):
        yield case(L.Conv1D(3, 3, padding=padding), (None, 8, 4))
        yield case(L.Conv1D(3, 4, strides=2, padding=padding, activation="tanh"), (None, 9, 4))
        yield case(L.Conv1D(3, 2, dilation_rate=3, padding=padding), (None, 9, 4))
    yield case(L.Conv1D(4, 3, groups=2, data_format="channels_first"), (None, 4, 8))
    for padding in ("valid", "same"):
        yield case(L.DepthwiseConv2D(3, padding=padding, depth_multiplier=2), IMAGE)
        yield case(L.DepthwiseConv2D((2, 3), strides=2, padding=padding, activation="silu"), IMAGE)
    yield case(L.DepthwiseConv2D(3, dilation_rate=2, padding="same", use_bias=False), IMAGE)
    yield case(L.DepthwiseConv2D(3, padding="same", data_format="channels_first"), FIRST)
    for padding in ("valid", "same"):
        yield case(L.SeparableConv2D(3, 3, strides=2, padding=padding, depth_multiplier=2), IMAGE)
    yield case(L.SeparableConv2D(3, 2, use_bias=False, activation="relu6", dilation_rate=2), IMAGE)
    yield case(L.SeparableConv2D(3, 3, padding="same", data_format="channels_first"), FIRST)
    for padding in ("valid", "same"):
        for kernel, strides in ((3, 1), (3, 2), (2, 3), ((4, 2), (2, 1)), (1, 2)):
            yield case(L.Conv2DTranspose(2, kernel, strides=strides, padding=padding), (None, 4, 3, 3))
        for extra in (0, 1):
            yield case(
                L.Conv2DTranspose(2, 3, strides=2, padding=padding, output_padding=extra),
                (None, 4, 3, 3),
            )
        yield case(L.Conv2DTranspose(2, 3, padding=padding, dilation_rate=2), (None, 4, 3, 3))
    yield case(
        L.Conv2DTranspose(2, 3, strides=2, data_format="channels_first", activation="elu", use_bias=False),
        (None, 3, 4, 3),
    )


def core():
    yield case(L.Dense(3), (None, 4))
    yield case(L.Dense(3, use_bias=False, activation="softmax"), (None, 2, 4))
    yield case(L.Dense(2, activation=L.LeakyReLU(negative_slope=0.1)), (None, 4))
    yield case(L.Dense(2, kernel_initializer=keras.initializers.HeNormal(3), kernel_regularizer="l2"), (3, 4))
    yield case(L.Dense(2, kernel_initializer=keras.initializers.Constant([1.0, 2.0])), (3, 4))
    yield case(L.Dense(2, dtype="float64"), (None, 4), dtype="float64")
    yield case(L.Dense(3), (None, 4), dtype="int32")
    yield case(L.Embedding(4, 3), (None, 5), dtype="int32")
    yield case(L.Embedding(4, 3), (None, 2, 3), dtype="int32")


def normalizations():
    yield case(L.BatchNormalization(), IMAGE)
    yield case(L.BatchNormalization(axis=1, center=False, epsilon=0.01), IMAGE)
    yield case(L.BatchNormalization(scale=False), (None, 4))
    yield case(L.BatchNormalization(center=False, scale=False, axis=-2), (None, 3, 4))
    yield case(L.LayerNormalization(), IMAGE)
    yield case(L.LayerNormalization(axis=[1, 2], center=False), (None, 3, 4))
    yield case(L.LayerNormalization(axis=[3, 1], scale=False), (None, 3, 2, 4))
    yield case(L.LayerNormalization(axis=[-1, -2], epsilon=0.1), (None, 3, 2, 4))
    yield case(L.Normalization(), (None, 3, 4))
    yield case(L.Normalization(axis=None), (None, 3, 4))
    yield case(L.Normalization(axis=(1, -1)), (None, 3, 2, 4))
    yield case(L.Normalization(axis=1, invert=True), (None, 3, 2))
    yield case(L.Normalization(mean=[1.0, 2.0, 0.5], variance=[3.0, 4.0, 0.0]), (None, 2, 3))
    yield case(L.Normalization(axis=(1, 2), mean=[[1.0], [2.0]], variance=[[3.0], [4.0]]), (None, 2, 3))
    yield case(L.Normalization(axis=None, mean=1.5, variance=4.0, invert=True), (None, 2, 3))
    yield case(L.Rescaling(1 / 127.5, offset=-1), (None, 3, 4))
    yield case(L.Rescaling([0.5, 0.25, 2.0], offset=[1.0, 2.0, 3.0]), (None, 2, 3))
    yield case(L.Rescaling([[0.5], [0.25]], offset=1.0), (None, 2, 3))
    yield case(L.Rescaling(1 / 255), (None, 3, 4), dtype="int32")


def activations():
    names = (
        "linear relu relu6 leaky_relu elu selu silu swish gelu sigmoid hard_sigmoid hard_silu hard_swish"
        " tanh softplus softsign exponential mish softmax log_softmax"
    )
    for name in names.split():
        yield case(L.Activation(name), (None, 3, 4))
    yield case(L.Activation(L.ReLU(3.0)), (None, 6))
    yield case(L.ReLU(), (None, 6))
    yield case(L.ReLU(1.0, 0.2, 0.5), (None, 3, 6))
    yield case(L.ReLU(negative_slope=0.3), (None, 3, 6))
    yield case(L.LeakyReLU(), (None, 6))
    yield case(L.LeakyReLU(0.1), (None, 6))
    yield case(L.ELU(0.7), (None, 6))
    yield case(L.Softmax(), (None, 3, 4))
    yield case(L.Softmax(axis=1), (None, 3, 4))
    yield case(L.Softmax(axis=[1, 2]), (None, 3, 4))
    yield case(L.PReLU(), (None, 3, 4))
    yield case(L.PReLU(shared_axes=[1]), (None, 3, 4))
    yield case(L.PReLU(shared_axes=[1, 2]), (None, 3, 4))
    yield case(L.Dropout(0.4, seed=1, noise_shape=(2, 1)), (2, 6))


def pooling():
    yield case(L.MaxPooling2D(), IMAGE)
    for cls in (L.MaxPooling2D, L.AveragePooling2D):
        yield case(cls(2), IMAGE)
        yield case(cls((3, 2), padding="same"), ODD)
        yield case(cls(3, strides=(2, 1), padding="same"), ODD)
        yield case(cls(2, strides=1, padding="same", data_format="channels_first"), FIRST)
        yield case(cls(2), (None, None, 6, 3))
    for cls in (L.MaxPooling1D, L.AveragePooling1D):
        yield case(cls(2), (None, 7, 4))
        yield case(cls(3, strides=2, padding="same"), (None, 8, 4))
        yield case(cls(2, data_format="channels_first"), (None, 4, 7))
    for cls in (L.GlobalAveragePooling2D, L.GlobalMaxPooling2D):
        yield case(cls(), IMAGE)
        yield case(cls(keepdims=True), (None, None, None, 4))
        yield case(cls(data_format="channels_first"), FIRST)
        yield case(cls(data_format="channels_first", keepdims=True), FIRST)
    for cls in (L.GlobalAveragePooling1D, L.GlobalMaxPooling1D):
        yield case(cls(), (None, 7, 4))
        yield case(cls(data_format="channels_first", keepdims=True), (None, 4, 7))


def reshaping():
    yield case(L.ZeroPadding2D(), ODD)
    yield case(L.ZeroPadding2D((0, 2)), ODD)
    yield case(L.ZeroPadding2D(((1, 2), (3, 0))), (None, None, 4, 2))
    yield case(L.ZeroPadding2D(((1, 2), (3, 0)), data_format="channels_first"), FIRST)
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        yield case(L.UpSampling2D((2, 3), interpolation=interpolation), (None, 3, 2, 2))
    yield case(L.UpSampling2D(2, data_format="channels_first"), (None, 2, None, 3))
    yield case(L.UpSampling2D(2, data_format="channels_first", interpolation="bilinear"), (None, 2, 4, 3))
    yield case(L.Reshape((3, 4)), (None, 12))
    yield case(L.Reshape((2, -1)), (None, 3, 4))
    yield case(L.Reshape((-1, 2)), (None, None, 4))
    yield case(L.Reshape((1, 1, 4)), (None, 4), dtype="int32")
    yield case(L.Flatten(), IMAGE)
    yield case(L.Flatten(data_format="channels_first"), FIRST)
    yield case(L.Flatten(), (None, None, 2))
    yield case(L.Flatten(), (None,))
    yield case(L.Permute((3, 1, 2)), (None, 2, 3, 4))
    yield case(L.Permute((2, 1)), (None, None, 4))


def merging():
    for cls in (L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum):
        yield case(cls(), (None, 3, 4), (None, 3, 4), (None, 3, 4))
        yield case(cls(), (None, 2, 3, 4), (None, 1, 1, 4))
        yield case(cls(), (None, 4), (None, 3, 4))
        yield case(cls(), (None, None, 4), (2, 5, 1))
    yield case(L.Subtract(), (None, 3, 4), (None, 3, 4))
    yield case(L.Concatenate(), (None, 3, 4), (None, 3, 2))
    yield case(L.Concatenate(axis=1), (None, 3, 4), (None, None, 4), (None, 1, 4))


def narrow():
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.Dense(3, dtype=policy, activation="relu"), (None, 4), numbers=False)
        yield case(L.BatchNormalization(dtype=policy), (None, 4), numbers=False)
        yield case(L.LayerNormalization(dtype=policy), (None, 4), numbers=False)
        yield case(L.Embedding(4, 3, dtype=policy), (None, 5), dtype="int32", numbers=False)
        yield case(L.Flatten(dtype=policy), (None, 5), dtype="int32", numbers=False)


def attention():
    global rng
    rng = np.random.default_rng(20260607)  # of its own, so that others may come before it
    yield case(L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", activation="relu"), (None, 2, 4))
    yield case(L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"), (None, 3, 4))
    yield case(L.EinsumDense("abcd,cde->abe", (None, 3), bias_axes="e"), (None, 3, 2, 4))
    # Of open axes in front Keras gives the shape with their sizes turned round.
    yield case(L.EinsumDense("...x,xy->...y", 3, bias_axes="y"), (None, 3, 3, 4))
    yield case(L.EinsumDense("ab...,bc->ac...", 3, bias_axes="c"), (None, 4, 2, 3))
    yield case(L.EinsumDense("abc,bcd->abd", (3, 2), bias_axes="bd"), (None, 3, 4))
    yield case(L.EinsumDense("abc,dc->adb", (3, None)), (None, 5, 4))
    yield case(L.EinsumDense("abc,bd->acd", (4, 3), bias_axes="c"), (None, 2, 4))
    yield case(L.EinsumDense("ab,cb->ac", 3, bias_axes="c", dtype="float64"), (None, 4), dtype="float64")
    SEQUENCE = (None, 5, 6)
    yield case(L.MultiHeadAttention(2, 3), SEQUENCE, SEQUENCE)
    yield case(L.MultiHeadAttention(2, 3), SEQUENCE, SEQUENCE, use_causal_mask=True)
    # Without dropout Keras has JAX do it, which takes no other value_dim than key_dim.
    yield case(L.MultiHeadAttention(3, 2, 4, dropout=0.1, use_bias=False), SEQUENCE, (None, 4, 5), (None, 4, 3))
    yield case(L.MultiHeadAttention(1, 4, output_shape=3, dropout=0.3), SEQUENCE, (None, 3, 6), use_causal_mask=True)
    yield case(L.MultiHeadAttention(2, 2, output_shape=(2, 3), use_gate=True), SEQUENCE, SEQUENCE)
    yield case(L.MultiHeadAttention(2, 2, sliding_window=2), SEQUENCE, SEQUENCE)
    yield case(L.MultiHeadAttention(2, 2, sliding_window=2), SEQUENCE, SEQUENCE, use_causal_mask=True)
    yield case(L.MultiHeadAttention(2, 3, attention_axes=(1, 2)), (None, 2, 3, 4), (None, 3, 2, 5))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.MultiHeadAttention(2, 3, dtype=policy), SEQUENCE, SEQUENCE, numbers=False)
        yield case(L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", dtype=policy), (None, 2, 4), numbers=False)


def masks():
    yield case(L.Masking(), (None, 5, 6))
    yield case(L.Masking(0.5, dtype="mixed_bfloat16"), (None, 2, 3, 4), numbers=False)


def recurrent():
    global rng
    rng = np.random.default_rng(20261130)
    SEQUENCE, OPEN = (None, 6, 3), (None, None, 3)
    for cls in (L.SimpleRNN, L.LSTM, L.GRU):
        yield case(cls(4), SEQUENCE)
        yield case(cls(3, return_sequences=True, go_backwards=True), OPEN)
        yield case(cls(2, use_bias=False, activation="relu", dropout=0.3, unroll=True), SEQUENCE)
        yield case(cls(2, go_backwards=True, recurrent_dropout=0.2, return_sequences=True), (None, 1, 3))
    yield case(L.LSTM(3, recurrent_activation="hard_sigmoid", unit_forget_bias=False), SEQUENCE)
    yield case(L.LSTM(3, activation="softmax", recurrent_activation="softmax"), SEQUENCE)
    yield case(L.GRU(3, reset_after=False, return_sequences=True), SEQUENCE)
    yield case(L.GRU(3, reset_after=False, use_bias=False, recurrent_activation="softmax"), SEQUENCE)
    yield case(L.SimpleRNN(4, return_sequences=True), SEQUENCE, (None, 4))
    yield case(L.LSTM(4, return_sequences=True), SEQUENCE, (None, 4), (None, 4))
    yield case(L.GRU(4, go_backwards=True), SEQUENCE, (None, 4))
    for mode in ("concat", "sum", "ave", "mul"):
        yield case(L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode=mode), SEQUENCE)
    yield case(L.Bidirectional(L.GRU(3)), OPEN)
    yield case(L.Bidirectional(L.SimpleRNN(2), backward_layer=L.GRU(2, go_backwards=True)), SEQUENCE)
    backwards = L.SimpleRNN(2, go_backwards=True, return_sequences=True)
    yield case(L.Bidirectional(backwards, backward_layer=L.GRU(2, return_sequences=True)), SEQUENCE)
    yield case(L.Bidirectional(L.GRU(2, return_sequences=True)), SEQUENCE, (None, 2), (None, 2))
    yield case(L.RepeatVector(3), (None, 4))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        for cls in (L.SimpleRNN, L.LSTM, L.GRU):
            # JAX has no orthogonal matrices of these types.
            yield case(cls(3, recurrent_initializer="glorot_uniform", dtype=policy), SEQUENCE, numbers=False)


def more_normalizations():
    global rng
    rng = np.random.default_rng(20261201)
    yield case(L.RMSNormalization(), (None, 3, 4))
    yield case(L.RMSNormalization(axis=[2, 1], epsilon=0.1), (None, 3, 4))
    # Keras multiplies the last axes, whatever those are that it normalises.
    yield case(L.RMSNormalization(axis=1), (None, 4, 4))
    yield case(L.RMSNormalization(axis=[-1, 1]), (None, 3, 3))
    yield case(L.GroupNormalization(2), (None, 5, 4))
    yield case(L.GroupNormalization(2, axis=1, epsilon=0.01), FIRST)
    yield case(L.GroupNormalization(-1), IMAGE)
    yield case(L.GroupNormalization(1, center=False), IMAGE)
    yield case(L.GroupNormalization(3, axis=-2, scale=False), (None, 5, 6, 2))
    yield case(L.GroupNormalization(2, center=False, scale=False), (None, 8))
    yield case(L.UnitNormalization(), (None, 3, 4))
    yield case(L.UnitNormalization(axis=1), (None, 3, 4))
    yield case(L.UnitNormalization(axis=[1, -1]), (None, 3, 2, 4))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.RMSNormalization(dtype=policy), (None, 4), numbers=False)
        yield case(L.GroupNormalization(2, dtype=policy), (None, 8), numbers=False)
        yield case(L.UnitNormalization(dtype=policy), (None, 4), numbers=False)


def more_attention():
    global rng
    rng = np.random.default_rng(20261202)
    QUERY, VALUE, KEY = (None, 5, 6), (None, 4, 6), (None, 4, 3)
    yield case(L.GroupQueryAttention(3, 4, 2), QUERY, QUERY)
    yield case(L.GroupQueryAttention(2, 4, 1, use_gate=True), QUERY, VALUE, KEY)
    yield case(L.GroupQueryAttention(2, 3, 3, use_bias=False), QUERY, QUERY, use_causal_mask=True)
    yield case(L.GroupQueryAttention(2, 4, 2, sliding_window=2, dropout=0.3), QUERY, QUERY, use_causal_mask=True)
    for options in ({}, {"use_scale": True, "dropout": 0.2}, {"score_mode": "concat"},
                    {"score_mode": "concat", "use_scale": True}):
        yield case(L.Attention(**options), QUERY, VALUE)
        yield case(L.Attention(**options), QUERY, KEY, VALUE, use_causal_mask=True)
    yield case(L.AdditiveAttention(), QUERY, VALUE)
    yield case(L.AdditiveAttention(), QUERY, KEY, VALUE, use_causal_mask=True)
    yield case(L.AdditiveAttention(use_scale=False), QUERY, VALUE)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.GroupQueryAttention(3, 4, 2, dtype=policy), QUERY, QUERY, numbers=False)
        yield case(L.Attention(dtype=policy), QUERY, VALUE, numbers=False)
        yield case(L.AdditiveAttention(dtype=policy), QUERY, VALUE, numbers=False)


def more_core():
    global rng
    rng = np.random.default_rng(20261203)
    yield case(L.Identity(), (None, 3, 4))
    yield case(L.Identity(), (None, 5), dtype="int32")
    yield case(L.ActivityRegularization(l1=0.1, l2=0.2), (None, 3))
    yield case(L.SpatialDropout1D(0.3), (None, 3, 4))
    yield case(L.SpatialDropout2D(0.3, seed=1), IMAGE)
    yield case(L.SpatialDropout2D(0.3, data_format="channels_first"), FIRST)
    yield case(L.AlphaDropout(0.3, noise_shape=(2, 1)), (2, 6))
    yield case(L.Dot(axes=1), (None, 4), (None, 4))
    yield case(L.Dot(axes=(2, 2), normalize=True), (None, 3, 4), (None, 5, 4))
    yield case(L.Dot(axes=(1, 2)), (None, 3, 4), (None, 5, 3))
    yield case(L.Dot(axes=(2, 1)), (None, 3, 4), (None, 4))
    yield case(L.Dot(axes=-1, normalize=True), (None, 4), (None, 2, 3, 4))
    yield case(L.Dot(axes=(2, 2)), (None, 2, 3, 4), (None, 5, 3, 2))


def time_distributed():
    global rng
    rng = np.random.default_rng(20261201)
    yield case(L.TimeDistributed(L.Dense(3, activation="tanh")), (None, 4, 2))
    yield case(L.TimeDistributed(L.Conv2D(2, 3, padding="same")), (None, 3, 4, 3, 2))
    yield case(L.TimeDistributed(L.BatchNormalization()), (2, 3, 4))
    yield case(L.TimeDistributed(L.GRU(2)), (None, None, 4, 3))
    yield case(L.TimeDistributed(L.TimeDistributed(L.Embedding(4, 3))), (None, 3, 2, 2), dtype="int32")
    yield case(L.TimeDistributed(L.Bidirectional(L.SimpleRNN(2))), (None, 2, 3, 3))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.TimeDistributed(L.Dense(3, dtype=policy), dtype=policy), (None, 4, 2), numbers=False)


def cells():
    global rng
    rng = np.random.default_rng(20261202)
    SEQUENCE = (None, 5, 3)
    yield case(L.SimpleRNNCell(4), (None, 3), (None, 4))
    yield case(L.LSTMCell(4, activation="relu", recurrent_activation="hard_sigmoid"), (None, 3), (None, 4), (None, 4))
    yield case(L.GRUCell(4), (None, 3), (None, 4))
    yield case(L.GRUCell(2, reset_after=False, use_bias=False, dropout=0.2), (None, 3), (None, 2))
    yield case(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)]), (None, 4), (None, 3), (None, 3), (None, 2))
    yield case(L.RNN(L.SimpleRNNCell(3), return_sequences=True), SEQUENCE)
    yield case(L.RNN(L.LSTMCell(3, recurrent_dropout=0.1), go_backwards=True), (None, None, 3))
    yield case(L.RNN(L.GRUCell(3), return_sequences=True, unroll=True), SEQUENCE, (None, 3))
    stack = lambda: [L.LSTMCell(3), L.GRUCell(4), L.SimpleRNNCell(2)]
    yield case(L.RNN(stack(), return_sequences=True, return_state=True, zero_output_for_mask=True), SEQUENCE)
    yield case(L.RNN(stack(), go_backwards=True, return_sequences=True), SEQUENCE)
    yield case(L.RNN(L.StackedRNNCells(stack())), SEQUENCE, (None, 3), (None, 3), (None, 4), (None, 2))
    yield case(L.Bidirectional(L.RNN([L.GRUCell(2), L.LSTMCell(3)], return_sequences=True)), SEQUENCE)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        cell = L.GRUCell(3, recurrent_initializer="glorot_uniform", dtype=policy)
        yield case(L.RNN(cell, dtype=policy), SEQUENCE, numbers=False)


def one_dimension():
    global rng
    rng = np.random.default_rng(20261203)
    STEPS, FIRST_STEPS = (None, 7, 3), (None, 3, 7)
    for padding in ("valid", "same"):
        yield case(L.DepthwiseConv1D(3, strides=2, padding=padding, depth_multiplier=2), STEPS)
        yield case(L.SeparableConv1D(4, 3, strides=2, padding=padding, depth_multiplier=2), STEPS)
        for kernel, strides in ((3, 1), (3, 2), (2, 3), (1, 2)):
            yield case(L.Conv1DTranspose(2, kernel, strides=strides, padding=padding), STEPS)
        yield case(L.Conv1DTranspose(2, 3, strides=2, padding=padding, output_padding=1), STEPS)
        yield case(L.Conv1DTranspose(2, 3, padding=padding, dilation_rate=2), STEPS)
    yield case(L.DepthwiseConv1D(2, dilation_rate=3, use_bias=False, activation="silu"), (None, None, 3))
    yield case(L.DepthwiseConv1D(3, padding="same", data_format="channels_first"), FIRST_STEPS)
    yield case(L.SeparableConv1D(2, 2, dilation_rate=2, use_bias=False, activation="softmax"), STEPS)
    yield case(L.SeparableConv1D(2, 3, padding="same", data_format="channels_first"), FIRST_STEPS)
    yield case(L.Conv1DTranspose(2, 3, strides=2, data_format="channels_first", activation="elu"), FIRST_STEPS)
    yield case(L.ZeroPadding1D(2), STEPS)
    yield case(L.ZeroPadding1D((0, 3), data_format="channels_first"), FIRST_STEPS)
    yield case(L.Cropping1D(), (None, None, 3))
    yield case(L.Cropping1D((2, 0)), STEPS)
    yield case(L.Cropping2D(), IMAGE)
    yield case(L.Cropping2D(((1, 2), (0, 3))), IMAGE)
    yield case(L.Cropping2D((1, 2), data_format="channels_first"), FIRST)
    yield case(L.UpSampling1D(), (None, None, 3))
    yield case(L.UpSampling1D(3), STEPS)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.Conv1DTranspose(2, 3, dtype=policy), STEPS, numbers=False)
        yield case(L.UpSampling1D(dtype=policy), STEPS, numbers=False)


def noise():
    global rng
    rng = np.random.default_rng(20261204)
    yield case(L.GaussianNoise(0.3), (None, 3, 4))
    yield case(L.GaussianNoise(0.2, seed=3, dtype="mixed_bfloat16"), (None, 3), numbers=False)
    yield case(L.GaussianDropout(0.3), (None, 5))


def spectral():
    global rng
    rng = np.random.default_rng(20261205)
    yield case(L.SpectralNormalization(L.Dense(3, activation="tanh")), (None, 4))
    yield case(L.SpectralNormalization(L.Conv2D(2, 3, padding="same"), power_iterations=3), IMAGE)
    yield case(L.SpectralNormalization(L.DepthwiseConv1D(2, use_bias=False)), (None, 7, 3))
    yield case(L.SpectralNormalization(L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e")), (None, 5, 4))
    yield case(L.SpectralNormalization(L.Dense(3), dtype="mixed_bfloat16"), (None, 4), numbers=False)


def conv_lstm():
    global rng
    rng = np.random.default_rng(20261206)
    ROWS, ROWS_FIRST = (None, 3, 7, 2), (None, 3, 2, 7)
    VIDEO, VIDEO_FIRST = (None, 3, 5, 6, 2), (None, 3, 2, 5, 6)
    for padding in ("valid", "same"):
        yield case(L.ConvLSTM1D(2, 3, strides=2, padding=padding), ROWS)
        yield case(L.ConvLSTM2D(2, (2, 3), strides=(1, 2), padding=padding, return_sequences=True), VIDEO)
    yield case(L.ConvLSTM1D(1, 2, dilation_rate=2, use_bias=False, go_backwards=True, dropout=0.2), (None, None, 7, 2))
    yield case(L.ConvLSTM2D(3, 2, dilation_rate=(2, 1), unit_forget_bias=False, recurrent_dropout=0.3), VIDEO)
    yield case(L.ConvLSTM1D(2, 3, padding="same", data_format="channels_first", return_sequences=True), ROWS_FIRST)
    yield case(L.ConvLSTM2D(2, 3, data_format="channels_first", recurrent_activation="hard_sigmoid"), VIDEO_FIRST)
    yield case(L.ConvLSTM1D(2, 2, activation="softmax", data_format="channels_first"), ROWS_FIRST)
    yield case(L.ConvLSTM1D(2, 3, padding="same"), ROWS, (None, 7, 2), (None, 7, 2))
    yield case(L.ConvLSTM2D(2, 3, data_format="channels_first", return_state=True, activation="relu"), VIDEO_FIRST,
               (None, 2, 3, 4), (None, 2, 3, 4))
    yield case(L.Bidirectional(L.ConvLSTM1D(2, 3, return_sequences=True)), ROWS)
    yield case(L.Bidirectional(L.ConvLSTM2D(2, 2, data_format="channels_first"), merge_mode="ave"), VIDEO_FIRST)
    yield case(L.TimeDistributed(L.ConvLSTM1D(2, 2)), (None, 2, 3, 4, 2))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        # JAX has no orthogonal matrices of these types.
        yield case(L.ConvLSTM1D(2, 2, recurrent_initializer="glorot_uniform", dtype=policy), ROWS, numbers=False)


def conv_lstm_of_volumes():
    global rng
    rng = np.random.default_rng(20261208)
    VOLUMES, VOLUMES_FIRST = (None, 3, 4, 3, 5, 2), (None, 3, 2, 4, 3, 5)
    for padding in ("valid", "same"):
        yield case(L.ConvLSTM3D(2, (2, 1, 3), strides=(1, 2, 1), padding=padding, return_sequences=True), VOLUMES)
    yield case(L.ConvLSTM3D(1, 2, dilation_rate=(1, 2, 2), use_bias=False, go_backwards=True, dropout=0.2), VOLUMES)
    yield case(L.ConvLSTM3D(2, 2, data_format="channels_first", activation="softmax", recurrent_dropout=0.3),
               VOLUMES_FIRST)
    yield case(L.ConvLSTM3D(2, 2, data_format="channels_first", return_state=True), VOLUMES_FIRST,
               (None, 2, 3, 2, 4), (None, 2, 3, 2, 4))
    yield case(L.Bidirectional(L.ConvLSTM3D(1, 2, return_sequences=True), merge_mode="ave"), VOLUMES)


def images():
    global rng
    rng = np.random.default_rng(20261206)
    yield case(L.Resizing(3, 7), IMAGE)
    yield case(L.Resizing(9, 2, interpolation="bicubic", antialias=True), IMAGE)
    yield case(L.Resizing(4, 4, interpolation="nearest", data_format="channels_first"), FIRST)
    yield case(L.Resizing(3, 8, interpolation="lanczos3", crop_to_aspect_ratio=True, antialias=True), IMAGE)
    yield case(L.Resizing(8, 3, pad_to_aspect_ratio=True, fill_value=0.5), IMAGE)
    yield case(L.Resizing(3, 8, pad_to_aspect_ratio=True, data_format="channels_first"), FIRST)
    yield case(L.Resizing(2, 3, interpolation="lanczos5"), (None, None, None, 2), dtype="int32")
    yield case(L.CenterCrop(2, 3), IMAGE)
    yield case(L.CenterCrop(9, 4, data_format="channels_first"), FIRST)
    yield case(L.RandomFlip("horizontal", seed=2), IMAGE)
    yield case(L.RandomTranslation(0.1, (-0.2, 0.3), fill_mode="wrap"), IMAGE)
    yield case(L.RandomRotation(0.1, interpolation="nearest", data_format="channels_first"), FIRST)
    yield case(L.RandomZoom((-0.1, 0.2)), IMAGE)
    yield case(L.RandomZoom(0.3, 0.2, fill_mode="constant", fill_value=2.0, bounding_box_format="xyxy"), IMAGE)
    yield case(L.RandomBrightness(0.2, value_range=(1, 0)), IMAGE)
    yield case(L.RandomContrast((0.3, 0.2), value_range=(0.0, 1.0), seed=5), IMAGE)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.Resizing(3, 7, dtype=policy), IMAGE, numbers=False)
        yield case(L.RandomContrast(0.1, dtype=policy), IMAGE, numbers=False)


def categories():
    global rng
    rng = np.random.default_rng(20261207)
    for mode in ("one_hot", "multi_hot", "count"):
        yield case(L.CategoryEncoding(3, output_mode=mode), (None, 5), dtype="int32")
    yield case(L.CategoryEncoding(5, output_mode="one_hot"), (None, 1), dtype="int32")
    yield case(L.CategoryEncoding(4, output_mode="one_hot", dtype="mixed_float16"), (None, 2, 3), dtype="int32", numbers=False)
    bounds = [-1.0, 0.0, 0.5, 0.5, 2.0]
    yield case(L.Discretization(bounds), (None, 4, 3))
    yield case(L.Discretization(bounds), (None, 8), dtype="int32")
    for mode in ("one_hot", "multi_hot", "count"):
        yield case(L.Discretization(bounds, output_mode=mode), (None, 6))
    yield case(L.Discretization(bounds, output_mode="one_hot"), (None, 1))


def volumes():
    global rng
    rng = np.random.default_rng(20261206)
    VOLUME, FIRST_VOLUME = (None, 4, 3, 5, 2), (None, 2, 4, 3, 5)
    for padding in ("valid", "same"):
        for strides in (1, 2, (2, 1, 3)):
            yield case(L.Conv3D(2, (2, 1, 3), strides=strides, padding=padding), VOLUME)
            yield case(L.Conv3DTranspose(2, (1, 3, 2), strides=strides, padding=padding), (None, 2, 2, 3, 2))
        yield case(L.Conv3D(2, 2, dilation_rate=(1, 2, 2), padding=padding, activation="silu"), VOLUME)
        yield case(L.Conv3DTranspose(1, 2, dilation_rate=(1, 2, 3), padding=padding), (None, 2, 2, 3, 2))
        yield case(L.Conv3DTranspose(2, 3, strides=2, padding=padding, output_padding=1), (None, 1, 2, 2, 2))
        yield case(L.MaxPooling3D(2, padding=padding), VOLUME)
        yield case(L.MaxPooling3D((2, 3, 1), strides=(1, 2, 2), padding=padding), VOLUME)
        yield case(L.AveragePooling3D(2, padding=padding), VOLUME)
        yield case(L.AveragePooling3D((3, 1, 2), strides=(2, 1, 3), padding=padding), VOLUME)
    yield case(L.Conv3D(4, (1, 2, 2), groups=2, use_bias=False, activation="relu"), VOLUME)
    yield case(L.Conv3D(4, (2, 2, 3), strides=(2, 2, 3), groups=2, padding="same"), VOLUME)
    yield case(L.Conv3D(2, 2, padding="same", data_format="channels_first"), FIRST_VOLUME)
    yield case(L.Conv3D(2, 2, data_format="channels_first", activation="softmax"), FIRST_VOLUME)
    yield case(L.Conv3D(1, 1), (None, None, None, None, 3))
    yield case(L.Conv3DTranspose(2, 2, strides=(1, 2, 2), data_format="channels_first", activation="elu"),
               (None, 2, 2, 3, 2))
    yield case(L.MaxPooling3D(data_format="channels_first"), FIRST_VOLUME)
    yield case(L.AveragePooling3D((1, 2, 2), padding="same", data_format="channels_first"), FIRST_VOLUME)
    for layer in (L.GlobalMaxPooling3D, L.GlobalAveragePooling3D):
        yield case(layer(), VOLUME)
        yield case(layer(data_format="channels_first", keepdims=True), FIRST_VOLUME)
    yield case(L.ZeroPadding3D(), (None, 1, 2, 1, 2))
    yield case(L.ZeroPadding3D((0, 1, 2)), (None, 1, 2, 1, 2))
    yield case(L.ZeroPadding3D(((0, 1), (1, 0), (0, 0)), data_format="channels_first"), (None, 1, 2, 2, 1))
    yield case(L.Cropping3D(), VOLUME)
    yield case(L.Cropping3D((1, 0, 2)), (None, 4, None, 5, 2))
    yield case(L.Cropping3D(((0, 1), (1, 0), (2, 1)), data_format="channels_first"), FIRST_VOLUME)
    yield case(L.UpSampling3D(), (None, 2, 1, 2, 2))
    yield case(L.UpSampling3D((1, 3, 2), data_format="channels_first"), (None, 2, 2, 1, 2))
    yield case(L.SpatialDropout3D(0.3), (None, 2, 2, 1, 3))
    yield case(L.SpatialDropout3D(0.2, data_format="channels_first"), (None, 2, 2, 1, 3))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.Conv3D(2, 2, dtype=policy), VOLUME, numbers=False)
        yield case(L.MaxPooling3D(dtype=policy), VOLUME, numbers=False)


def crops():
    """In prediction Keras gives the images as they are, whatever shape it says."""
    global rng
    rng = np.random.default_rng(20261209)
    yield case(L.RandomCrop(7, 6, seed=3), IMAGE)
    yield case(L.RandomCrop(2, 3, data_format="channels_first"), FIRST, numbers=False)


def application_layers():
    global rng
    rng = np.random.default_rng(20261207)
    yield case(convnext.LayerScale(1e-6, 4), (None, 3, 4))
    yield case(convnext.LayerScale(0.5, 3), (None, 2, None, 3))
    yield case(convnext.LayerScale(0.5, 3, dtype="mixed_bfloat16"), (None, 3), numbers=False)
    yield case(convnext.StochasticDepth(0.25), (None, 3, 4))
    yield case(convnext.StochasticDepth(0.5, dtype="mixed_bfloat16"), (None, 3), numbers=False)


def of_applications():
    global rng
    rng = np.random.default_rng(20261208)
    yield case(CustomScaleLayer(0.17), IMAGE, IMAGE)
    yield case(CustomScaleLayer(scale=-2.0), (None, 3, 1), (None, 1, 4))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(CustomScaleLayer(0.3, dtype=policy), (None, 5), (None, 5), numbers=False)


def adaptive_pooling():
    global rng
    rng = np.random.default_rng(20261210)
    kinds = {1: (L.AdaptiveAveragePooling1D, L.AdaptiveMaxPooling1D), 2: (L.AdaptiveAveragePooling2D, L.AdaptiveMaxPooling2D),
             3: (L.AdaptiveAveragePooling3D, L.AdaptiveMaxPooling3D)}
    for layer in kinds[1]:
        for size in (1, 3, 5, 6, 10):  # of 7 Keras on JAX gives NaN
            yield case(layer(size), (None, 7, 2))
        yield case(layer(4, data_format="channels_first"), (None, 2, 10))
    for layer in kinds[2]:
        yield case(layer(3), IMAGE)
        yield case(layer((5, 4)), IMAGE)
        yield case(layer((1, 8)), ODD)
        yield case(layer((4, 3), data_format="channels_first"), FIRST)
        yield case(layer(2), (None, None, None, 3))
    for layer in kinds[3]:
        yield case(layer(2), (None, 4, 3, 5, 2))
        yield case(layer((3, 2, 4), data_format="channels_first"), (None, 2, 4, 3, 5))
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        for layer in kinds[1]:
            yield case(layer(3, dtype=policy), (None, 5, 2), numbers=False)


def reversible_embedding():
    global rng
    rng = np.random.default_rng(20261211)
    for tied in (True, False):
        yield case(L.ReversibleEmbedding(4, 3, tie_weights=tied), (None, 5), dtype="int32")
        yield case(L.ReversibleEmbedding(4, 3, tie_weights=tied), (None, 2, 3), reverse=True)
        yield case(L.ReversibleEmbedding(5, 2, tie_weights=tied, logit_soft_cap=1.5, mask_zero=True), (None, None, 2),
                   reverse=True)
    yield case(L.ReversibleEmbedding(4, 3, reverse_dtype="float32", embeddings_initializer="glorot_normal"), (None, 3),
               reverse=True)
    for policy in ("bfloat16", "mixed_bfloat16", "float16", "mixed_float16"):
        yield case(L.ReversibleEmbedding(4, 3, dtype=policy), (None, 5), dtype="int32", numbers=False)


def main():
    keras.config.set_floatx("float32")
    groups = (core, convolutions, normalizations, activations, pooling, reshaping, merging, narrow, attention, masks,
              recurrent, more_normalizations, more_attention, more_core, time_distributed,
              cells, one_dimension, noise, spectral, conv_lstm, images, categories, volumes,
              conv_lstm_of_volumes, crops, application_layers, of_applications, adaptive_pooling, reversible_embedding)
    cases = [c for group in groups for c in group()]
    path = pathlib.Path(__file__).with_name("keras_cases.json")
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    path.write_text(f'{{"keras":"{keras.__version__}","cases":[\n{lines}\n]}}\n')
    print(len(cases), "cases,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
