"""How far Lamina's outputs may lie from Keras's, relative to the largest element of the output.

One layer alone: a few units in the last place of the type it computes in, more for what sums much or
subtracts near-equal numbers. The narrow types round each result, and XLA and oneDNN keep different
intermediates wide, so two or three roundings may differ."""

import numpy as np

# Compute dtype: tolerance of one layer.
LAYER = {"float32": 4e-6, "float64": 1e-13, "float16": 3e-3, "bfloat16": 2.4e-2}

RECURRENT = {"SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "RNN", "Bidirectional",
             "TimeDistributed"}  # the last may be around one

# Keras computes means in `result_type(x, "float32")`, which is float32 for float64 too, and so the softmax of
# attention and the tanh of recurrent layers; Lamina computes these in float64.
SINGLE_IN_KERAS = {"BatchNormalization", "LayerNormalization", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
                   "GlobalAveragePooling3D", "RMSNormalization", "GroupNormalization", "MultiHeadAttention", "GroupQueryAttention",
                   "GroupedQueryAttention", "Attention", "AdditiveAttention", *RECURRENT}

# (layer, dtype): where one layer needs more, and why.
LAYER_EXCEPTIONS = {(name, "float64"): 2e-6 for name in SINGLE_IN_KERAS}
# Nearly equal values, and lone ones, over an epsilon of 1e-5 magnify what Keras rounds to float32.
LAYER_EXCEPTIONS["LayerNormalization", "float64"] = 5e-4
# Four products in a row; Keras rounds the scores and each step of the softmax where it drops.
for _name in ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"):
    LAYER_EXCEPTIONS |= {(_name, "float16"): 8e-3, (_name, "bfloat16"): 6e-2}
# Keras adds up the scaled value and the scaled mean, each of which is rounded.
LAYER_EXCEPTIONS["GroupNormalization", "float32"] = 2e-5
# What a step rounds the next ones go on with.
for _name in RECURRENT:
    LAYER_EXCEPTIONS |= {(_name, "float64"): 1e-5, (_name, "float32"): 1e-5, (_name, "float16"): 1e-2,
                         (_name, "bfloat16"): 8e-2}

LAYER_EXCEPTIONS["TimeDistributed", "float64"] = 5e-4  # or around a LayerNormalization

# Whole random models: errors of up to some thirty layers pile up.
MODEL = {"float32": 2e-4, "float64": 1e-11, "float16": 6e-2, "bfloat16": 3e-1}

# EfficientNetV2's logits.
APPLICATION = 1e-4

# Training, by policy: the loss of any step, relative to itself. The narrow types round the outputs that it is made of.
TRAINING = {"float32": 1e-4, "mixed_float16": 2e-3, "mixed_bfloat16": 1e-2}


def trained(optimizer):
    """Weights and optimizer state after some thirty steps in float32: root mean square of the difference, relative to
    that of the values. Lion takes signs: where a sum of gradients is nearly 0, its last bit makes a whole step."""
    return 2e-3 if optimizer == "Lion" else 1e-4


def compute_dtype(policy):
    return policy.removeprefix("mixed_")


def of_layer(name, policy, result="float64"):
    """`result` is the dtype of Keras's output (see `narrowed`)."""
    dtype = "float32" if policy == "float64" and result == "float32" else compute_dtype(policy)
    return LAYER_EXCEPTIONS.get((name, dtype), LAYER[dtype])


def narrowed(layer):
    """Keras 3.15's tanh returns float32 for float64 (on JAX); Lamina keeps the layer's type."""
    return getattr(getattr(layer, "activation", None), "__name__", "") == "tanh"


def of_model(model):
    """By the narrowest type that any layer computes in; Keras itself computes some layers in less."""
    tolerance = 0
    for layer in model._flatten_layers(include_self=False):
        dtype = layer.compute_dtype
        if dtype == "float64" and (type(layer).__name__ in SINGLE_IN_KERAS or narrowed(layer)):
            dtype = "float32"
        tolerance = max(tolerance, MODEL.get(dtype, 0))
    return tolerance or MODEL["float32"]


def distance(ours, theirs):
    """Largest difference relative to the largest element; infinite where the shapes, the dtypes or the
    NaNs differ (but for `narrowed`). Equal infinities are equal."""
    both = (ours.dtype, theirs.dtype)
    if ours.shape != theirs.shape or (ours.dtype != theirs.dtype and both != ("float64", "float32")):
        return np.inf
    a, b = ours.astype("float64"), theirs.astype("float64")
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    a, b = a[finite], b[finite]
    if a.size == 0:
        return 0.0
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-3))


def worst(ours, theirs):
    """The largest distance of two lists of outputs."""
    return max(distance(a, b) for a, b in zip(ours, theirs, strict=True))
