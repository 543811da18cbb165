"""Random options for each layer that Lamina has: what `random_models` and `test_layers` draw from.

Each entry of KINDS says which inputs a layer takes and draws keyword arguments for one of them. Shapes
here have no batch."""

import dataclasses
import math
from collections.abc import Callable

import keras
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

ACTIVATIONS = [
    None, "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "silu", "gelu", "sigmoid",
    "hard_sigmoid", "hard_silu", "tanh", "softplus", "softsign", "exponential", "mish", "softmax",
    "log_softmax",
]
# Those that neither blow up nor flatten what follows them: for activations deep inside a model.
CALM_ACTIVATIONS = [None, "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hard_silu", "tanh", "softsign"]
INITIALIZERS = ["glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal", "ones", "zeros",
                "random_normal", "random_uniform", "truncated_normal", "variance_scaling"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """`draw(random, shape, calm)` gives keyword arguments for an input of that shape, or None where the
    layer does not suit it. `calm` keeps away from options that make a whole model ill-conditioned."""

    draw: Callable
    ranks: tuple
    # "one"; "two" or "many": equal shapes, or shapes that broadcast; "attention": query, value and perhaps key.
    # "weighed": the same, where query and value, or key and query, have as many features; "dotted": two of one size
    # along the axes that are drawn.
    inputs: str = "one"
    dtype: str = "float"


def _activation(random, calm):
    return random.choice(CALM_ACTIVATIONS if calm else ACTIVATIONS)


def _data_format(random):
    return random.choices(["channels_last", "channels_first"], [3, 1])[0]


def _split(shape, data_format):
    """(spatial sizes, channels)."""
    return (shape[:-1], shape[-1]) if data_format == "channels_last" else (shape[1:], shape[0])


def _per_axis(random, low, high, count):
    """One number for all axes, or one for each, in the forms that Keras takes."""
    values = tuple(random.randint(low, high) for _ in range(count))
    return values[0] if random.random() < 0.4 or count == 1 and random.random() < 0.5 else values


def _numbers(value, count):
    return (value,) * count if isinstance(value, int) else tuple(value)


def _window(random, spatial, paddings=("valid", "same"), dilate=True, kernel="kernel_size"):
    """Window, strides, padding and dilation that fit; Keras has strides or dilation, not both."""
    count = len(spatial)
    size = _per_axis(random, 1, 3, count)
    options = {kernel: size, "padding": random.choice(paddings)}
    dilation = 1
    if dilate and random.random() < 0.3:
        dilation = options["dilation_rate"] = _per_axis(random, 1, 2, count)
    else:
        options["strides"] = _per_axis(random, 1, 3, count)
    reach = [(k - 1) * d + 1 for k, d in zip(_numbers(size, count), _numbers(dilation, count))]
    if options["padding"] == "valid" and any(r > s for r, s in zip(reach, spatial)):
        return None
    return options


def _common_conv(random, calm):
    return {"use_bias": random.random() < 0.7, "activation": _activation(random, calm),
            "bias_initializer": random.choice(["zeros", "ones"])}


def _conv(random, shape, calm):
    data_format = _data_format(random)
    spatial, channels = _split(shape, data_format)
    paddings = ("valid", "same", "causal") if len(shape) == 2 and data_format == "channels_last" else ("valid", "same")
    options = _window(random, spatial, paddings)
    if options is None:
        return None
    groups = random.choice([g for g in range(1, channels + 1) if channels % g == 0])
    return options | _common_conv(random, calm) | {
        "filters": groups * random.randint(1, 4), "groups": groups, "data_format": data_format,
        "kernel_initializer": random.choice(INITIALIZERS)}


def _depthwise(random, shape, calm):
    data_format = _data_format(random)
    options = _window(random, _split(shape, data_format)[0])
    return options and options | _common_conv(random, calm) | {
        "depth_multiplier": random.randint(1, 3), "data_format": data_format}


def _separable(random, shape, calm):
    options = _depthwise(random, shape, calm)
    return options and options | {"filters": random.randint(1, 5)}


def _conv_transpose(random, shape, calm):
    data_format = _data_format(random)
    spatial, _ = _split(shape, data_format)
    options = _window(random, spatial)
    if options is None or math.prod(shape) > 600:
        return None
    strides = _numbers(options.get("strides", 1), len(spatial))
    if random.random() < 0.4:
        options["output_padding"] = tuple(random.randint(0, s - 1) for s in strides)
    return options | _common_conv(random, calm) | {"filters": random.randint(1, 4), "data_format": data_format}


def _dense(random, shape, calm):
    return {"units": random.randint(1, 7), "use_bias": random.random() < 0.7,
            "activation": _activation(random, calm), "kernel_initializer": random.choice(INITIALIZERS)}


def _batch_normalization(random, shape, calm):
    rank = len(shape) + 1
    axis = random.choice([-1, -1, random.randint(1, rank - 1), -random.randint(1, rank - 1)])
    return {"axis": axis, "epsilon": random.choice([1e-3, 1e-2, 1e-5]), "momentum": random.random(),
            "center": random.random() < 0.7, "scale": random.random() < 0.7}


def _some_axes(random, rank):
    axes = random.sample(range(1, rank), random.randint(1, rank - 1))
    return [a - rank if random.random() < 0.5 else a for a in axes]


def _layer_normalization(random, shape, calm):
    rank = len(shape) + 1
    # A lone value has no spread: its normal form is noise over epsilon.
    axis = -1 if random.random() < 0.5 else sorted(a % rank for a in _some_axes(random, rank))
    axes = [axis % rank] if isinstance(axis, int) else axis
    if calm and math.prod(shape[a - 1] for a in axes) < 4:
        return None
    return {"axis": axis, "epsilon": random.choice([1e-3, 1e-2]) if calm else random.choice([1e-3, 1e-5]),
            "center": random.random() < 0.7, "scale": random.random() < 0.7}


def _rms_normalization(random, shape, calm):
    """Of the last axes, which are those that Keras multiplies by the scale."""
    rank, count = len(shape) + 1, random.randint(1, len(shape))
    if calm and math.prod(shape[-count:]) < 4:
        return None
    axes = list(range(-count, 0)) if random.random() < 0.5 else list(range(rank - count, rank))
    return {"axis": -1 if count == 1 else axes, "epsilon": random.choice([1e-6, 1e-3])}


def _group_normalization(random, shape, calm):
    rank = len(shape) + 1
    axis = random.choice([-1, random.randint(1, rank - 1), -random.randint(1, rank - 1)])
    channels = ((1,) + shape)[axis]
    groups = random.choice([-1] + [g for g in range(1, channels + 1) if channels % g == 0])
    # A few values may be nearly equal: their normal form is noise over epsilon.
    if math.prod(shape) // (channels if groups == -1 else groups) < 6:
        return None
    return {"groups": groups, "axis": axis, "epsilon": random.choice([1e-3, 1e-2]),
            "center": random.random() < 0.7, "scale": random.random() < 0.7}


def _unit_normalization(random, shape, calm):
    if calm:  # of zeros, which relu leaves, Keras's gradient is NaN, and in float16 its value
        return None
    axes = _some_axes(random, len(shape) + 1)
    return {"axis": axes if len(axes) > 1 else axes[0]}


def _relu(random, shape, calm):
    return {"max_value": random.choice([None, random.uniform(0.5, 3)]), "negative_slope": random.choice([0.0, 0.2]),
            "threshold": 0.0 if calm else random.choice([0.0, 0.5])}


def _prelu(random, shape, calm):
    rank = len(shape) + 1
    return {"shared_axes": random.choice([None, [a for a in range(1, rank) if random.random() < 0.5] or None])}


def _softmax(random, shape, calm):
    rank = len(shape) + 1
    return {"axis": random.choice([-1, random.randint(1, rank - 1), tuple(sorted(a % rank for a in _some_axes(random, rank)))])}


def _pool(random, shape, calm):
    data_format = _data_format(random)
    options = _window(random, _split(shape, data_format)[0], dilate=False, kernel="pool_size")
    if options is None:
        return None
    if random.random() < 0.3:
        del options["strides"]
    return options | {"data_format": data_format}


def _adaptive_pool(random, shape, calm):
    data_format = _data_format(random)
    count = len(_split(shape, data_format)[0])
    return {"output_size": _per_axis(random, 1, 6, count), "data_format": data_format}


def _global_pool(random, shape, calm):
    return {"data_format": _data_format(random), "keepdims": random.random() < 0.5}


def _zero_padding(random, shape, calm):
    pair = lambda: (random.randint(0, 2), random.randint(0, 2))
    return {"padding": random.choice([random.randint(0, 2), pair(), (pair(), pair())]), "data_format": _data_format(random)}


def _zero_padding_1d(random, shape, calm):
    return {"padding": random.choice([random.randint(0, 2), (random.randint(0, 2), random.randint(0, 2))]),
            "data_format": _data_format(random)}


def _zero_padding_3d(random, shape, calm):
    if math.prod(shape) > 600:
        return None
    pair = lambda: (random.randint(0, 2), random.randint(0, 1))
    return {"padding": random.choice([random.randint(0, 1), (*pair(), random.randint(0, 2)), (pair(), pair(), pair())]),
            "data_format": _data_format(random)}


def _cropped(random, size):
    first = random.randint(0, min(2, size - 1))
    return first, random.randint(0, min(2, size - 1 - first))


def _cropping_1d(random, shape, calm):
    return {"cropping": _cropped(random, shape[0])}


def _cropping(random, shape, calm):
    data_format = _data_format(random)
    return {"cropping": tuple(_cropped(random, size) for size in _split(shape, data_format)[0]), "data_format": data_format}


def _up_sampling(random, shape, calm):
    if math.prod(shape) > 600:
        return None
    return {"size": _per_axis(random, 1, 3, 2), "data_format": _data_format(random),
            "interpolation": random.choice(["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])}


def _image_size(random):
    return {"height": random.randint(1, 12), "width": random.randint(1, 12), "data_format": _data_format(random)}


def _resizing(random, shape, calm):
    ratio = random.choice([{}, {}, {"crop_to_aspect_ratio": True},
                           {"pad_to_aspect_ratio": True, "fill_value": random.uniform(-1, 1)}])
    return _image_size(random) | ratio | {
        "interpolation": random.choice(["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]),
        "antialias": random.random() < 0.5}


def _random_image(draw):
    """Options of a layer that changes images in training. Keras compiles no step of a model that has some of them."""
    return lambda random, shape, calm: None if calm else draw(random) | {
        "data_format": _data_format(random), "seed": random.choice([None, 3])}


def _factor(random, low=-1.0, high=1.0):
    return random.choice([random.uniform(max(low, 0), high), (random.uniform(low, high), random.uniform(low, high))])


def _value_range(random):
    return random.choice([{}, {"value_range": (random.uniform(-3, 0), random.uniform(0, 3))}])


def _affine(random):
    return {"fill_mode": random.choice(["reflect", "wrap", "constant", "nearest"]),
            "interpolation": random.choice(["nearest", "bilinear"]), "fill_value": random.uniform(-1, 1)}


def _category_encoding(random, shape, calm):
    modes = ["one_hot", "multi_hot", "count"] if len(shape) == 1 else ["one_hot"]
    return {"num_tokens": random.randint(1, 12), "output_mode": random.choice(modes)}


def _discretization(random, shape, calm):
    modes = ["int", "one_hot"] + (["multi_hot", "count"] if len(shape) == 1 else [])
    bounds = sorted(random.uniform(-1.5, 1.5) for _ in range(random.randint(1, 5)))
    return {"bin_boundaries": bounds, "output_mode": random.choice(modes)}


def _up_sampling_3d(random, shape, calm):
    if math.prod(shape) > 200:
        return None
    return {"size": _per_axis(random, 1, 3, 3), "data_format": _data_format(random)}


def _spatial_dropout(random, shape, calm):
    return {"rate": random.uniform(0, 0.9), "data_format": _data_format(random)}


def _reshape(random, shape, calm):
    left, target = math.prod(shape), []
    for _ in range(random.randint(0, 2)):
        target.append(random.choice([d for d in range(1, left + 1) if left % d == 0]))
        left //= target[-1]
    target.insert(random.randint(0, len(target)), left)
    if random.random() < 0.5:
        target[random.randrange(len(target))] = -1
    return {"target_shape": tuple(target)}


def _permute(random, shape, calm):
    return {"dims": tuple(random.sample(range(1, len(shape) + 1), len(shape)))}


def _concatenate(random, shape, calm):
    rank = len(shape) + 1
    return {"axis": random.choice([-1, random.randint(1, rank - 1)])}


def _rescaling(random, shape, calm):
    def number_or_list():
        one = random.random() < 0.6
        return random.uniform(-2, 2) if one else [random.uniform(-2, 2) for _ in range(shape[-1])]
    return {"scale": number_or_list(), "offset": number_or_list()}


def _normalization(random, shape, calm):
    rank = len(shape) + 1
    options = {"axis": random.choice([-1, None, random.randint(1, rank - 1)]), "invert": random.random() < 0.3}
    if random.random() < 0.5:
        size = 1 if options["axis"] is None else ((1,) + shape)[options["axis"]]
        options["mean"] = [random.uniform(-1, 1) for _ in range(size)]
        options["variance"] = [random.uniform(0.5, 2) for _ in range(size)]
        if options["axis"] is None:
            options["mean"], options["variance"] = options["mean"][0], options["variance"][0]
    return options


def _einsum_dense(random, shape, calm):
    """An equation of the axes that there are: each is kept, summed over, or multiplied index by index."""
    axes = "abcdefgh"[:len(shape) + 1]
    sizes = dict(zip(axes[1:], shape))
    kernel, output = "", "a"
    for axis in axes[1:]:
        part = random.choice(["row", "sum", "sum", "batch"])
        kernel += axis if part != "row" else ""
        output += axis if part != "sum" else ""
    for axis in "xyz"[:random.randint(1, 2)]:
        sizes[axis] = random.randint(1, 4)
        kernel += axis
        output += axis
    if calm and not set(kernel) - set(output):
        return None
    kernel = "".join(random.sample(kernel, len(kernel)))
    output = "a" + "".join(random.sample(output[1:], len(output) - 1))
    bias = "".join(axis for axis in output[1:] if random.random() < 0.5)
    activation = _activation(random, calm)
    return {"equation": f"{axes},{kernel}->{output}", "output_shape": tuple(sizes[axis] for axis in output[1:]),
            "bias_axes": bias or None, "activation": activation, "bias_initializer": random.choice(["zeros", "ones"])}


def _attention(random, shape, calm):
    # Without dropout Keras has JAX do it, which takes no other value_dim than key_dim, and on the CPU no float16.
    dropped = keras.config.dtype_policy().compute_dtype == "float16" or random.random() < 0.5
    sizes = {"value_dim": random.choice([None, random.randint(1, 5)]), "dropout": 0.4} if dropped else {}
    return sizes | {
        "num_heads": random.randint(1, 3), "key_dim": random.randint(1, 5),
        "use_bias": random.random() < 0.7, "use_gate": random.random() < 0.3,
        "output_shape": random.choice([None, None, random.randint(1, 6), (2, 3)]),
        "sliding_window": random.choice([None, None, random.randint(1, 3)]) if len(shape) == 2 else None}


def _group_query_attention(random, shape, calm):
    # Without dropout Keras has JAX do it, which takes no float16 on the CPU.
    dropped = keras.config.dtype_policy().compute_dtype == "float16" or random.random() < 0.5
    groups = random.randint(1, 3)
    return ({"dropout": 0.4} if dropped else {}) | {
        "head_dim": random.randint(1, 5), "num_query_heads": groups * random.randint(1, 3),
        "num_key_value_heads": groups, "use_bias": random.random() < 0.7, "use_gate": random.random() < 0.3,
        "sliding_window": random.choice([None, None, random.randint(1, 3)])}


def _plain_attention(random, shape, calm):
    return {"use_scale": random.random() < 0.5, "score_mode": random.choice(["dot", "concat"]),
            "dropout": random.choice([0.0, 0.3])}


def _additive_attention(random, shape, calm):
    return {"use_scale": random.random() < 0.7, "dropout": random.choice([0.0, 0.3])}


def _dot(random, shape, calm):
    """The second input, in test_layers, has the first one's size along the second of the axes, which is its last."""
    first = random.randint(1, len(shape))
    return {"axes": (random.choice([first, first - len(shape) - 1]), -1), "normalize": random.random() < 0.5}


def _alpha_dropout(random, shape, calm):
    noise = random.choice([None, tuple(random.choice([None, 1]) for _ in range(len(shape) + 1))])
    return {"rate": random.uniform(0, 0.9), "noise_shape": noise}


def _recurrent(random, shape, calm):
    """What all recurrent layers have. JAX has no orthogonal matrices in 16 bits."""
    return {"units": random.randint(1, 5), "activation": random.choice(["sigmoid", "softsign", "elu", "softmax", "relu"]),
            "use_bias": random.random() < 0.7, "bias_initializer": random.choice(["zeros", "ones"]),
            "recurrent_initializer": random.choice(INITIALIZERS), "return_sequences": random.random() < 0.5,
            "go_backwards": random.random() < 0.3, "unroll": random.random() < 0.2,
            "dropout": random.choice([0.0, 0.3]), "recurrent_dropout": random.choice([0.0, 0.0, 0.3])}


def _gated(random, shape, calm):
    options = _recurrent(random, shape, calm)
    # In float64 Keras 3.15's tanh (on JAX) gives float32, which a SimpleRNN cannot hand on to the next step.
    return options | {"activation": random.choice(["tanh", options["activation"]]),
                      "recurrent_activation": random.choice(["sigmoid", "hard_sigmoid", "softmax"])}


def _lstm(random, shape, calm):
    return _gated(random, shape, calm) | {"unit_forget_bias": random.random() < 0.5}


def _gru(random, shape, calm):
    options = _gated(random, shape, calm) | {"reset_after": random.random() < 0.5}
    # Keras 3.15 (on JAX) takes zeros of the widest type for the bias that is not there; a loop then refuses the state.
    return options | ({"unroll": True} if options["reset_after"] and not options["use_bias"] else {})


def _random_crop(random, shape, calm):
    """As large as the images: in prediction Keras leaves them as they are, whatever shape it says they have."""
    data_format = _data_format(random)
    height, width = _split(shape, data_format)[0]
    return {"height": height, "width": width, "data_format": data_format}


def _conv_lstm(random, shape, calm):
    """Of each image of a sequence."""
    data_format = _data_format(random)
    options = _window(random, _split(shape[1:], data_format)[0])
    if options is None or math.prod(shape) > 600:
        return None
    options |= _lstm(random, shape, calm) | {"data_format": data_format}
    return {"filters" if key == "units" else key: value for key, value in options.items()}


def _rnn(random, shape, calm):
    """One cell or several. Without its bias a GRU's loop refuses its state, see `_gru`."""
    def cell():
        name, draw = random.choice([("SimpleRNN", _recurrent), ("LSTM", _lstm), ("GRU", _gru)])
        options = draw(random, shape, calm)
        for key in ("return_sequences", "go_backwards", "unroll"):
            options.pop(key, None)
        if name == "GRU":
            options["use_bias"] = True
        return getattr(keras.layers, name + "Cell")(**options)
    cells = cell() if random.random() < 0.5 else [cell() for _ in range(random.randint(2, 3))]
    return {"cell": cells, "return_sequences": random.random() < 0.5, "go_backwards": random.random() < 0.3,
            "unroll": random.random() < 0.2}


def _bidirectional(random, shape, calm):
    names = {2: ["SimpleRNN", "LSTM", "GRU"], 3: ["ConvLSTM1D"], 4: ["ConvLSTM2D"], 5: ["ConvLSTM3D"]}[len(shape)]
    name = random.choice(names)
    options = KINDS[name].draw(random, shape, calm)
    if options is None:
        return None
    layer = getattr(keras.layers, name)(**options | {"go_backwards": False})
    return {"layer": layer, "merge_mode": random.choice(["concat", "sum", "ave", "mul"])}


def _time_distributed(random, shape, calm):
    """Around a layer that suits what a step is."""
    names = {1: ["Dense", "BatchNormalization", "LayerNormalization", "Dropout", "RepeatVector", "PReLU"],
             2: ["Conv1D", "LSTM", "GlobalAveragePooling1D", "Permute", "Dense", "MaxPooling1D"],
             3: ["Conv2D", "BatchNormalization", "Flatten", "UpSampling2D", "DepthwiseConv2D", "ConvLSTM1D"]}[len(shape) - 1]
    name = random.choice(names)
    options = KINDS[name].draw(random, shape[1:], calm)
    return options and {"layer": getattr(keras.layers, name)(**options)}


def _embedding(random, shape, calm):
    return {"input_dim": 10, "output_dim": random.randint(1, 5)}


def _reversible_embedding(random, shape, calm):
    return _embedding(random, shape, calm) | {"tie_weights": random.random() < 0.5, "mask_zero": random.random() < 0.5}


_NOTHING = lambda random, shape, calm: {}
_ANY = (1, 2, 3, 4)

KINDS = {
    "Dense": Kind(_dense, _ANY),
    "EinsumDense": Kind(_einsum_dense, _ANY),
    "MultiHeadAttention": Kind(_attention, (2, 2, 3), "attention"),
    "GroupQueryAttention": Kind(_group_query_attention, (2,), "weighed"),
    "Attention": Kind(_plain_attention, (2,), "weighed"),
    "AdditiveAttention": Kind(_additive_attention, (2,), "weighed"),
    "Dot": Kind(_dot, (1, 2, 3), "dotted"),
    "SimpleRNN": Kind(_recurrent, (2,)),
    "LSTM": Kind(_lstm, (2,)),
    "GRU": Kind(_gru, (2,)),
    "ConvLSTM1D": Kind(_conv_lstm, (3,)),
    "ConvLSTM2D": Kind(_conv_lstm, (4,)),
    "ConvLSTM3D": Kind(_conv_lstm, (5,)),
    "RNN": Kind(_rnn, (2,)),
    "Bidirectional": Kind(_bidirectional, (2, 3, 4, 5)),
    "TimeDistributed": Kind(_time_distributed, (2, 3, 4)),
    "Conv1D": Kind(_conv, (2,)),
    "Conv2D": Kind(_conv, (3,)),
    "Conv3D": Kind(_conv, (4,)),
    "DepthwiseConv1D": Kind(_depthwise, (2,)),
    "DepthwiseConv2D": Kind(_depthwise, (3,)),
    "SeparableConv1D": Kind(_separable, (2,)),
    "SeparableConv2D": Kind(_separable, (3,)),
    "Conv1DTranspose": Kind(_conv_transpose, (2,)),
    "Conv2DTranspose": Kind(_conv_transpose, (3,)),
    "Conv3DTranspose": Kind(_conv_transpose, (4,)),
    "BatchNormalization": Kind(_batch_normalization, _ANY),
    "LayerNormalization": Kind(_layer_normalization, _ANY),
    "RMSNormalization": Kind(_rms_normalization, _ANY),
    "GroupNormalization": Kind(_group_normalization, _ANY),
    "UnitNormalization": Kind(_unit_normalization, _ANY),
    "Activation": Kind(lambda random, shape, calm: {"activation": _activation(random, calm) or "linear"}, _ANY),
    "ReLU": Kind(_relu, _ANY),
    "LeakyReLU": Kind(lambda random, shape, calm: {"negative_slope": random.uniform(0, 1)}, _ANY),
    "PReLU": Kind(_prelu, _ANY),
    "ELU": Kind(lambda random, shape, calm: {"alpha": random.uniform(0.1, 2)}, _ANY),
    "Softmax": Kind(_softmax, _ANY),
    "Dropout": Kind(lambda random, shape, calm: {"rate": random.uniform(0, 0.9)}, _ANY),
    "SpatialDropout1D": Kind(lambda random, shape, calm: {"rate": random.uniform(0, 0.9)}, (2,)),
    "SpatialDropout2D": Kind(_spatial_dropout, (3,)),
    "SpatialDropout3D": Kind(_spatial_dropout, (4,)),
    "AlphaDropout": Kind(_alpha_dropout, _ANY),
    "GaussianNoise": Kind(lambda random, shape, calm: {"stddev": random.uniform(0, 1)}, _ANY),
    "GaussianDropout": Kind(lambda random, shape, calm: {"rate": random.uniform(0, 0.9)}, _ANY),
    "ActivityRegularization": Kind(lambda random, shape, calm: {"l1": random.uniform(0, 0.1),
                                                                "l2": random.uniform(0, 0.1)}, _ANY),
    "Identity": Kind(_NOTHING, _ANY),
    "LayerScale": Kind(lambda random, shape, calm: {"init_values": random.uniform(0, 1),
                                                    "projection_dim": shape[-1]}, _ANY),
    "StochasticDepth": Kind(lambda random, shape, calm: {"drop_path_rate": random.uniform(0, 0.9)}, _ANY),
    "MaxPooling1D": Kind(_pool, (2,)),
    "MaxPooling2D": Kind(_pool, (3,)),
    "MaxPooling3D": Kind(_pool, (4,)),
    "AveragePooling1D": Kind(_pool, (2,)),
    "AveragePooling2D": Kind(_pool, (3,)),
    "AveragePooling3D": Kind(_pool, (4,)),
    "GlobalAveragePooling1D": Kind(_global_pool, (2,)),
    "GlobalAveragePooling2D": Kind(_global_pool, (3,)),
    "GlobalAveragePooling3D": Kind(_global_pool, (4,)),
    "GlobalMaxPooling1D": Kind(_global_pool, (2,)),
    "GlobalMaxPooling2D": Kind(_global_pool, (3,)),
    "GlobalMaxPooling3D": Kind(_global_pool, (4,)),
    "AdaptiveAveragePooling1D": Kind(_adaptive_pool, (2,)),
    "AdaptiveAveragePooling2D": Kind(_adaptive_pool, (3,)),
    "AdaptiveAveragePooling3D": Kind(_adaptive_pool, (4,)),
    "AdaptiveMaxPooling1D": Kind(_adaptive_pool, (2,)),
    "AdaptiveMaxPooling2D": Kind(_adaptive_pool, (3,)),
    "AdaptiveMaxPooling3D": Kind(_adaptive_pool, (4,)),
    "ZeroPadding1D": Kind(_zero_padding_1d, (2,)),
    "ZeroPadding2D": Kind(_zero_padding, (3,)),
    "ZeroPadding3D": Kind(_zero_padding_3d, (4,)),
    "Cropping1D": Kind(_cropping_1d, (2,)),
    "Cropping2D": Kind(_cropping, (3,)),
    "Cropping3D": Kind(_cropping, (4,)),
    "UpSampling1D": Kind(lambda random, shape, calm: {"size": random.randint(1, 3)}, (2,)),
    "UpSampling2D": Kind(_up_sampling, (3,)),
    "UpSampling3D": Kind(_up_sampling_3d, (4,)),
    "Reshape": Kind(_reshape, _ANY),
    "Flatten": Kind(lambda random, shape, calm: {"data_format": _data_format(random)}, _ANY),
    "Permute": Kind(_permute, _ANY),
    "RepeatVector": Kind(lambda random, shape, calm: {"n": random.randint(1, 5)}, (1,)),
    "Add": Kind(_NOTHING, _ANY, "many"),
    "Subtract": Kind(_NOTHING, _ANY, "two"),
    "Multiply": Kind(_NOTHING, _ANY, "many"),
    "Average": Kind(_NOTHING, _ANY, "many"),
    "Maximum": Kind(_NOTHING, _ANY, "many"),
    "Minimum": Kind(_NOTHING, _ANY, "many"),
    "Concatenate": Kind(_concatenate, _ANY, "many"),
    "CustomScaleLayer": Kind(lambda random, shape, calm: {"scale": random.uniform(-1, 1)}, _ANY, "two"),
    "Rescaling": Kind(_rescaling, _ANY),
    "Normalization": Kind(_normalization, _ANY),
    "Resizing": Kind(_resizing, (3,)),
    "CenterCrop": Kind(lambda random, shape, calm: _image_size(random), (3,)),
    "RandomCrop": Kind(_random_crop, (3,)),
    "RandomFlip": Kind(_random_image(lambda random: {
        "mode": random.choice(["horizontal", "vertical", "horizontal_and_vertical"])}), (3,)),
    "RandomTranslation": Kind(_random_image(lambda random: _affine(random) | {
        "height_factor": _factor(random), "width_factor": _factor(random)}), (3,)),
    "RandomRotation": Kind(_random_image(lambda random: _affine(random) | {"factor": _factor(random)}), (3,)),
    "RandomZoom": Kind(_random_image(lambda random: _affine(random) | {
        "height_factor": _factor(random, -0.9), "width_factor": random.choice([None, _factor(random, -0.9)])}), (3,)),
    "RandomBrightness": Kind(_random_image(lambda random: _value_range(random) | {"factor": _factor(random)}), (3,)),
    "RandomContrast": Kind(_random_image(lambda random: _value_range(random) | {"factor": _factor(random, 0.0)}), (3,)),
    "Discretization": Kind(_discretization, _ANY, dtype="bins"),
    "CategoryEncoding": Kind(_category_encoding, (1, 2), dtype="int32"),
    "Embedding": Kind(_embedding, (1, 2), dtype="int32"),
    "ReversibleEmbedding": Kind(_reversible_embedding, (1, 2), dtype="int32"),
}

# Classes that Keras's applications have for themselves.
_UNEXPORTED = {layer.__name__: layer for layer in (CustomScaleLayer, LayerScale, StochasticDepth)}


def layer_class(name):
    return _UNEXPORTED.get(name) or getattr(keras.layers, name)


# Keras writes the dtype of these layers' variables as that of the layer: a mixed policy is lost. (CategoryEncoding's is
# not, but what it gives is of that dtype, whatever its symbolic outputs say.)
FORGETTING = {"SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Discretization", "CategoryEncoding"}
# In prediction Keras gives what these take in the dtype that it has, whatever their symbolic outputs say.
UNCAST = {"RandomCrop"}


def call(random, layer, inputs, scores=False):
    """The layer applied to its inputs, with random arguments of the call where it has some; `scores`: among them that
    attention returns its scores."""
    single = type(layer).__name__ in ("Attention", "AdditiveAttention")
    if not single and type(layer).__name__ not in ("MultiHeadAttention", "GroupedQueryAttention"):
        return layer(inputs)
    returned = {"return_attention_scores": True} if scores and random.random() < 0.4 else {}
    if single:
        return layer(inputs, **({"use_causal_mask": True} if random.random() < 0.4 else {}), **returned)
    names = ("query", "value", "key")[:len(inputs)]
    by_place = random.randint(0, len(inputs))
    flags = {"use_causal_mask": True} if len(inputs[0].shape) == 3 and random.random() < 0.4 else {}
    return layer(*inputs[:by_place], **dict(list(zip(names, inputs))[by_place:]), **flags, **returned)


def random_shape(random, ranks):
    """Sizes that leave room for windows, without the batch."""
    rank = random.choice(ranks)
    return {1: lambda: (random.randint(1, 8),),
            2: lambda: (random.randint(4, 9), random.randint(1, 6)),
            3: lambda: (random.randint(4, 9), random.randint(4, 9), random.randint(1, 6)),
            4: lambda: tuple(random.randint(1, 4) for _ in range(4)),
            5: lambda: (random.randint(1, 3), *(random.randint(2, 4) for _ in range(3)), random.randint(1, 2))}[rank]()


def draw_options(random, name, shape, calm=False, attempts=20):
    """Options of layer `name` for an input of this shape, or None where none were found."""
    if len(shape) not in KINDS[name].ranks:
        return None
    for _ in range(attempts):
        options = KINDS[name].draw(random, shape, calm)
        if options is not None:
            return options
    return None
