"""Operations of keras.ops and operators in functional models, both ways, against Keras on JAX."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

import random_models
import tolerances
import values
import zoo
from test_fit import compiled_pair, learnable, train_both
from test_gradients import step_of_keras
from test_random_models import assert_same_weights, remade

# Of one tensor of any rank; `positive`: where the others are NaN.
POSITIVE = [ops.log, ops.log1p, ops.log2, ops.log10, ops.sqrt, ops.rsqrt, ops.reciprocal, lambda x: x**-1.3,
            lambda x: 1.5**x, lambda x: ops.power(x, ops.tanh(x)), lambda x: ops.arccosh(1 + x), ops.cbrt]
FUNCTIONS = [
    ops.abs, ops.negative, ops.square, ops.exp, ops.expm1, ops.sin, ops.cos, ops.tanh, ops.relu, ops.relu6, ops.selu,
    ops.sigmoid, ops.log_sigmoid, ops.hard_sigmoid, ops.silu, ops.hard_silu, ops.softplus, ops.softsign, ops.softmax,
    ops.log_softmax, ops.zeros_like, ops.ones_like, lambda x: -x, lambda x: x**2, lambda x: ops.power(x, 3),
    lambda x: ops.leaky_relu(x, 0.3), lambda x: ops.elu(x, alpha=0.7), lambda x: ops.gelu(x, approximate=False),
    ops.gelu, lambda x: ops.clip(x, -1, 0.5), lambda x: keras.activations.relu(x, negative_slope=0.1, max_value=1.5),
    lambda x: ops.softmax(x, axis=1), ops.erf, ops.arctan, ops.sinh, ops.cosh, ops.celu, ops.hard_tanh, ops.tanh_shrink,
    ops.deg2rad, lambda x: ops.rad2deg(x) / 60, ops.squareplus, ops.soft_shrink, ops.stop_gradient, ops.normalize, lambda x: ops.full_like(x, 0.3),
    lambda x: ops.normalize(x, axis=1, order=3), lambda x: ops.celu(x, alpha=0.7), lambda x: ops.tan(ops.tanh(x)),
    ops.arcsinh, ops.erfc, ops.sinc, ops.exp2, ops.nan_to_num, lambda x: ops.arcsin(0.9 * ops.tanh(x)),
    lambda x: ops.arccos(0.9 * ops.tanh(x)), lambda x: ops.arctanh(0.9 * ops.tanh(x)),
    lambda x: ops.sort(x, axis=1), lambda x: ops.sort(x), lambda x: ops.logaddexp(x, 0.5), ops.layer_normalization,
    ops.rms_normalization, lambda x: ops.layer_normalization(x, axis=1, epsilon=0.01),
    lambda x: ops.rms_normalization(x, axis=(1, -1) if len(x.shape) > 2 else -1),
    lambda x: ops.divide_no_nan(x, ops.maximum(x, 0.0))]
REDUCTIONS = [ops.mean, ops.sum, ops.max, ops.min, ops.var, ops.std, ops.prod, ops.logsumexp, ops.amax, ops.amin,
              ops.norm, ops.ptp, ops.median, ops.nansum, ops.nanmean, ops.nanmax, ops.nanmin, ops.nanprod,
              lambda x, axis, keepdims: ops.percentile(x, 70, axis=axis, keepdims=keepdims), lambda x, axis, keepdims: ops.quantile(x, 0.3, axis=axis, keepdims=keepdims)]
BINARY = [ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum, lambda x, y: x + y, lambda x, y: x - y,
          lambda x, y: x * y, lambda x, y: ops.divide(x, 2 + ops.abs(y)), lambda x, y: x / (1.5 + y * y),
          ops.fmax, ops.fmin, ops.hypot, ops.logaddexp, ops.logaddexp2, lambda x, y: ops.arctan2(x, 1.5 + ops.abs(y))]
COMPARISONS = [ops.equal, ops.not_equal, ops.greater, ops.greater_equal, ops.less, ops.less_equal, lambda x, y: x > y]
NUMBERS = [0.25, 2, -1.5, 3, 0.1]


class OperationMaker:
    """Grows a model of operations and of layers between them; `random` decides everything."""

    def __init__(self, random):
        self.random = random

    def axis(self, x, batch=False):
        at = self.random.randrange(0 if batch else 1, len(x.shape))
        return at - len(x.shape) if self.random.random() < 0.5 else at

    def of_one(self, x):
        if self.random.random() < 0.2:
            return self.random.choice(POSITIVE)(ops.abs(x) + 0.5)
        function = self.random.choice(FUNCTIONS)
        # The logarithm of the only one is 0, beside which no rounding is small.
        return (ops.softmax if function is ops.log_softmax and x.shape[-1] == 1 else function)(x)

    def of_number(self, x):
        number = self.random.choice(NUMBERS)
        return self.random.choice([
            lambda: x + number, lambda: number - x, lambda: x * number, lambda: number * x, lambda: x / number,
            lambda: number / (1 + x * x), lambda: ops.maximum(x, number), lambda: ops.minimum(number, x)])()

    def of_two(self, x, y):
        choice = self.random.random()
        if choice < 0.7:
            return self.random.choice(BINARY)(x, y)
        compared = self.random.choice(COMPARISONS)(x, self.random.choice([y, 0.25, 1]))
        return ops.where(compared, x, y) if choice < 0.85 else ops.cast(compared, x.dtype) * y

    def reduced(self, x):
        axis = self.axis(x)
        if len(x.shape) > 2 and self.random.random() < 0.3:
            return self.random.choice(REDUCTIONS)(x, axis=(1, -1) if len(x.shape) > 2 else 1, keepdims=True)
        keepdims = len(x.shape) < 3 or self.random.random() < 0.5
        return self.random.choice(REDUCTIONS)(x, axis=axis, keepdims=keepdims)

    def moved(self, x):
        sizes = x.shape[1:]
        choices = [lambda: ops.expand_dims(x, self.axis(x)), lambda: ops.reshape(x, (-1, int(np.prod(sizes)))),
                   lambda: ops.squeeze(ops.expand_dims(x, 1), 1), lambda: ops.stack([x, -x], axis=self.axis(x)),
                   lambda: ops.concatenate([x, x * 2, x], axis=self.axis(x)), lambda: ops.flip(x, axis=self.axis(x)),
                   lambda: ops.fliplr(x), lambda: ops.hstack([x, 2 * x]),
                   lambda: ops.roll(x, self.random.randrange(-5, 6), axis=self.axis(x)), lambda: x[:, ::-1],
                   lambda: ops.repeat(x, 2, axis=self.axis(x)), lambda: ops.tile(x, (1, 2) + (1,) * (len(sizes) - 1)),
                   lambda: ops.moveaxis(x, self.axis(x), 1), lambda: ops.cumsum(x, axis=self.axis(x)),
                   lambda: ops.cumprod(x, axis=self.axis(x)), lambda: ops.glu(ops.concatenate([x, x], -1)),
                   lambda: ops.pad(x, [(0, 0), (1, 2)] + [(0, 0)] * (len(sizes) - 1), constant_values=0.5),
                   lambda: ops.pad(x, [(0, 0), (1, 0)] + [(0, 0)] * (len(sizes) - 1), mode="symmetric")]
        if len(x.shape) > 2:
            axes = list(range(1, len(x.shape)))
            self.random.shuffle(axes)
            choices += [lambda: ops.transpose(x, (0, *axes)), lambda: ops.swapaxes(x, 1, -1)]
        return self.random.choice(choices)()

    def part(self, x):
        size = x.shape[1]
        choices = [lambda: x[:, -1:], lambda: x[:, : max(1, size // 2)], lambda: x[:, ::2], lambda: x[:, None],
                   lambda: x[..., -1:], lambda: ops.top_k(x, x.shape[-1])[0], lambda: ops.take(x, [size - 1, 0, 0], axis=1), lambda: x[:, ::-2],
                   lambda: ops.take(x, np.array([[0, size - 1], [-1, 0]]), axis=1),
                   lambda: ops.split(x, [1], axis=1)[0],
                   lambda: ops.take_along_axis(x, ops.argmax(x, axis=1, keepdims=True), axis=1),
                   lambda: x * ops.one_hot(ops.argmin(x, axis=-1), x.shape[-1])]
        if len(x.shape) > 2:
            choices += [lambda: ops.unstack(x, axis=1)[-1], lambda: x[:, 0], lambda: x[..., 0], lambda: ops.take(x, -1, axis=1), lambda: x[:, -1, None]]
        return self.random.choice(choices)()

    def product(self, x):
        if len(x.shape) == 2:
            return ops.matmul(x[:, None], x[..., None])[:, 0]
        return self.random.choice([
            lambda: ops.matmul(x, ops.swapaxes(x, -1, -2)) / 4, lambda: ops.einsum("...ij,...kj->...ik", x, x) / 4,
            lambda: ops.einsum("n...j,n...j->n...", x, x) / 4])()

    def layer(self, x):
        return self.random.choice([layers.Dense(3, activation="tanh"), layers.LayerNormalization()])(x)

    def step(self, tensors):
        x = self.random.choice(tensors[-3:])
        alike = [t for t in tensors if t.shape == x.shape]
        make = self.random.choice([self.of_one, self.of_one, self.of_number, self.reduced, self.moved, self.part,
                                   self.product, self.layer, None, None])
        return self.of_two(x, self.random.choice(alike)) if make is None else make(x)

    def model(self, steps):
        inputs = [keras.Input((4, 3)), keras.Input((4, 3)), keras.Input((6,))]
        tensors = list(inputs)
        while steps:
            made = self.step(tensors)
            if len(made.shape) < 5 and 0 < np.prod(made.shape[1:]) <= 400:
                # Between steps values are calm, so that rounding stays what it is.
                tensors.append(made if self.random.random() < 0.3 else ops.tanh(made))
                steps -= 1
        outputs = [ops.tanh(x) for x in tensors[len(inputs):][-4:]]
        return keras.Model(inputs, outputs)


def settled(config):
    """Without what Lamina need not have: how each tensor is seen beside its origin."""
    return [(layer["class_name"], layer["module"], layer["name"], layer["config"],
             [node["args"] for node in layer["inbound_nodes"]]) for layer in config["layers"]]


def of_operations(config):
    return [row for row in settled(config) if row[1].startswith(("keras.src.ops", "keras.src.activations"))]


def with_hashable_axes(model):
    """Of a list of axes, as configurations have it, JAX compiles no norm, no quantile and no turn."""
    for operation in model.operations:
        for name in ("axis", "axes"):
            if isinstance(getattr(operation, name, None), list) and not isinstance(operation, keras.layers.Layer):
                setattr(operation, name, tuple(getattr(operation, name)))
    return model


@pytest.mark.cases(60)
def test_random_models_of_operations(case, draw, rng, lamina, tmp_path):
    model = OperationMaker(draw).model(draw.randint(3, 14))
    config = model.to_json()
    model = with_hashable_axes(remade(config))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "keras.weights.h5")
    (tmp_path / "config.json").write_text(config)
    ours = lamina.from_json(config)
    ours.load_weights(tmp_path / "keras.weights.h5")
    inputs = [values.random_input(rng, (4, *x.shape[1:]), x.dtype) for x in model.inputs]
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= tolerances.of_model(model)

    # What Lamina writes is that model to Keras.
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(config)["config"])
    ours.save(tmp_path / "ours.keras")
    again = with_hashable_axes(keras.models.load_model(tmp_path / "ours.keras"))
    assert_same_weights(model, again)
    assert tolerances.worst(random_models.outputs(again, inputs), theirs) <= 1e-6
    assert [x.path for x in again.weights] == [x.path for x in model.weights]


def test_what_is_written_in_either_language(rng, lamina, tmp_path):
    """The same statements in Python and in C++ give the same configuration, weights at the same paths."""
    model, ours = zoo.Operators(), lamina.hand_written("Operators")
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    ours.save(tmp_path / "ours.keras")
    inputs = [values.random_input(rng, (5, 4), "float32")]
    theirs = random_models.outputs(model, inputs)
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert tolerances.worst(ours.predict(inputs), theirs) <= tolerances.MODEL["float32"]
    assert tolerances.worst(random_models.outputs(again, inputs), theirs) <= 1e-6


def policy_of_halves(name):
    x = keras.Input((5, 4), dtype=name)
    y = layers.Dense(3, dtype=name)(x) * 0.1
    z = ops.concatenate([y / (1 + ops.mean(ops.square(y), axis=-1, keepdims=True)), y - 2], axis=-1)
    return keras.Model(x, [ops.softmax(z), ops.sum(z, axis=1), ops.cast(z, "float32") + z])


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_dtypes_of_halves(name, rng, lamina, tmp_path):
    model = policy_of_halves(name)
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = [values.random_input(rng, (4, 5, 4), name)]
    got, theirs = ours.predict(inputs), random_models.outputs(model, inputs)
    assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
    assert tolerances.worst(got, theirs) <= tolerances.MODEL[name]


def integers():
    x, y = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="uint8")
    return keras.Model([x, y], [
        x + y, x * 3 - 1, x / y, ops.mean(x, axis=1), ops.sum(y, axis=-1), ops.max(x, axis=1), ops.min(y, axis=1),
        ops.abs(x), ops.square(x), x > 1, ops.logical_and(x > 1, ops.logical_not(y > 2)), ops.any(x > 3, axis=1),
        ops.all(y > 0, axis=-1, keepdims=True), ops.exp(y), ops.where(x > y, x, 7), ops.clip(x, 0, 3),
        ops.concatenate([x, y], axis=1), ops.cast(x, "bool"), x + 0.5, ops.equal(x, 3), 1 < x])


def test_integers_and_bools(rng, lamina):
    model = integers()
    ours = lamina.from_json(model.to_json())
    inputs = [rng.integers(-5, 6, (4, 6)).astype("int32"), rng.integers(1, 9, (4, 6)).astype("uint8")]
    got, theirs = ours.predict(inputs), random_models.outputs(model, inputs)
    assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
    for ours_, theirs_ in zip(got, theirs, strict=True):
        np.testing.assert_allclose(ours_.astype("float64"), np.asarray(theirs_, "float64"), rtol=1e-6)


def contractions():
    x, y, q, k = (keras.Input(shape) for shape in [(4, 3), (3, 5), (6, 2, 3), (4, 2, 3)])
    scores = ops.einsum("bqhd,bkhd->bhqk", q, k)
    return keras.Model([x, y, q, k], [
        ops.einsum("bij,bjk->bik", x, y), ops.einsum("bij,bjk", x, y), ops.einsum("...ij,...jk->...ki", x, y),
        ops.einsum("bij->bj", x), ops.einsum("bij->jbi", x), ops.einsum("bij,bjk,bij->bk", x, y, x), scores,
        ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), k), ops.dot(x, y[0]), ops.dot(x, y[0, :, 0]),
        ops.tensordot(x, y[0], axes=1), ops.tensordot(x, y, axes=[[0, 2], [0, 1]]), ops.matmul(x, y)])


def test_contractions(rng, lamina):
    """einsum and its kin, and their gradients."""
    model = contractions()
    ours = lamina.from_json(model.to_json())
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    inputs = [values.random_input(rng, (3, *x.shape[1:]), x.dtype) for x in model.inputs]
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= tolerances.MODEL["float32"]


def chosen():
    x, i, along = keras.Input((5, 4)), keras.Input((2,), dtype="int32"), keras.Input((5, 3), dtype="int32")
    return keras.Model([x, i, along], [
        ops.take(x, i, axis=-1), ops.take(x[0], i, axis=1), ops.take(x, i), ops.take_along_axis(x, along, axis=2),
        ops.take_along_axis(x, along[:, :1], axis=-1), ops.one_hot(i, 3), ops.one_hot(i, 3, axis=1, dtype="int32"),
        ops.argmax(x, axis=1), ops.argmin(x), ops.argmax(x, axis=-1, keepdims=True), ops.cumsum(i, axis=1),
        ops.count_nonzero(x > 0, axis=1), ops.isnan(x), ops.isfinite(x), ops.logical_xor(x > 0, x > 1),
        *ops.split(x, 2, axis=-1), *ops.unstack(i, axis=1), ops.flip(i, axis=1), i // 2, i % 3, x // 0.3, x % -0.7,
        ops.floor_divide(7, x), ops.round(x, 1), ops.floor(x), ops.ceil(x), ops.sign(i), ops.sign(x),
        ops.tril(x), ops.triu(x, 1), ops.deg2rad(i), ops.rad2deg(x), ops.ptp(x, axis=(0, -1)), ops.vstack([x, 2 * x]),
        ops.hstack([x[:, :, :3], along]), ops.flipud(i), ops.fliplr(along),
        ops.ravel(x), ops.prod(i, axis=1), ops.repeat(i, 2, axis=1)])


def test_elements_chosen_by_tensors(rng, lamina):
    model = chosen()
    ours = lamina.from_json(model.to_json())
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    inputs = [rng.normal(size=(3, 5, 4)).astype("float32"), rng.integers(-3, 3, (3, 2)).astype("int32"),
              rng.integers(-4, 4, (3, 5, 3)).astype("int32")]
    got, theirs = ours.predict(inputs), random_models.outputs(model, inputs)
    assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
    for ours_, theirs_ in zip(got, theirs, strict=True):
        np.testing.assert_allclose(ours_.astype("float64"), np.asarray(theirs_, "float64"), rtol=1e-5, atol=1e-6)


NAN, INFINITY = float("nan"), float("inf")


def sorted_all():
    x, i = keras.Input((2, 40)), keras.Input((9,), dtype="int32")
    u, h = keras.Input((9,), dtype="uint8"), keras.Input((9,), dtype="float16")
    return keras.Model([x, i, u, h], [
        ops.sort(x), ops.sort(x, axis=1), ops.sort(x, axis=None), ops.argsort(x), ops.argsort(x, axis=0),
        ops.argsort(x, axis=None), *ops.top_k(x, 5), *ops.top_k(x, 40, sorted=False), ops.sort(i, axis=0), ops.argsort(i),
        *ops.top_k(i, 3), ops.sort(u), ops.argsort(u), *ops.top_k(u, 2), ops.sort(h), ops.argsort(h), *ops.top_k(h, 4),
        ops.median(x), ops.median(x, axis=1), ops.median(x, axis=(0, 2), keepdims=True), ops.median(i, axis=1),
        ops.median(h, axis=-1), ops.quantile(x, 0.3), ops.quantile(x, 0.75, axis=2), ops.quantile(h, 0.1, axis=1),
        ops.quantile(i, 1.0, axis=0, keepdims=True)])


def test_sorting(rng, lamina):
    """Many alike, and some that are no numbers."""
    model = with_hashable_axes(sorted_all())
    ours = lamina.from_json(model.to_json())
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    x = rng.choice([-1.5, -0.0, 0.0, 0.25, 3.0, INFINITY, -INFINITY], (4, 2, 40)).astype("float32")
    for case in range(3):
        if case == 1:
            x[0, 1, 7] = NAN
        if case == 2:
            x = rng.normal(size=x.shape).astype("float32")
        inputs = [x, rng.integers(-3, 4, (4, 9)).astype("int32"), rng.integers(0, 4, (4, 9)).astype("uint8"),
                  rng.normal(size=(4, 9)).astype("float16")]
        got, theirs = ours.predict(inputs), random_models.outputs(model, inputs)
        assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
        for at, (ours_, theirs_) in enumerate(zip(got, theirs, strict=True)):
            rtol = 1e-3 if ours_.dtype == "float16" else 1e-6
            np.testing.assert_allclose(ours_.astype("float64"), np.asarray(theirs_, "float64"), rtol=rtol,
                                       err_msg=f"output {at} of case {case}")


def of_special_numbers():
    x, y, n = keras.Input((8,)), keras.Input((8,)), keras.Input((8,), dtype="int32")
    return keras.Model([x, y, n], [
        *[f(x) for f in [ops.isposinf, ops.isneginf, ops.signbit, ops.nan_to_num, ops.cbrt, ops.exp2, ops.erfc, ops.arcsin,
                         ops.arccos, ops.arcsinh, ops.arccosh, ops.arctanh]],
        *[f(x, y) for f in [ops.fmax, ops.fmin, ops.fmod, ops.arctan2, ops.hypot, ops.heaviside, ops.logaddexp,
                            ops.logaddexp2]],
        ops.nan_to_num(x, nan=2, posinf=7, neginf=-8.5), ops.signbit(n), ops.isposinf(n), ops.isneginf(n), ops.nan_to_num(n),
        ops.divide_no_nan(x, y), ops.divide_no_nan(n, y), ops.divide_no_nan(2, x), ops.isclose(x, y), ops.isclose(n, y),
        ops.isclose(x, y, rtol=0.5, equal_nan=True), *[f(x, axis=-1) for f in [ops.nansum, ops.nanmean, ops.nanprod, ops.nanmax,
                                                                             ops.nanmin]],
        *[f(n, axis=1) for f in [ops.nansum, ops.nanmean, ops.nanprod, ops.nanmax, ops.nanmin]], ops.saturate_cast(x, "int16"),
        ops.saturate_cast(x, "float16"), ops.fmax(n, 2), ops.fmin(n, x), ops.fmod(n, 3), ops.fmod(n, -2), ops.arctan2(n, 2), ops.logaddexp(n, 0.5),
        ops.logaddexp2(1, n), ops.hypot(n, n), ops.heaviside(n, y), *[f(n) for f in [
            ops.arcsinh, ops.arccos, ops.cbrt, ops.exp2, ops.sinc, ops.erfc]]])


def test_functions_of_special_numbers(rng, lamina):
    model = of_special_numbers()
    ours = lamina.from_json(model.to_json())
    assert of_operations(json.loads(ours.to_json())["config"]) == of_operations(json.loads(model.to_json())["config"])
    numbers = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.0, INFINITY, -INFINITY, NAN]
    inputs = [rng.choice(numbers, (20, 8)).astype("float32"), rng.choice(numbers, (20, 8)).astype("float32"),
              rng.integers(-4, 5, (20, 8)).astype("int32")]
    got, theirs = ours.predict(inputs), random_models.outputs(model, inputs)
    assert [x.dtype.name for x in got] == [x.dtype for x in model.outputs]
    for at, (ours_, theirs_) in enumerate(zip(got, theirs, strict=True)):
        np.testing.assert_allclose(ours_.astype("float64"), np.asarray(theirs_, "float64"), rtol=2e-6, atol=2e-7,
                                   err_msg=f"output {at}")


def test_signs_of_zero(lamina):
    x = keras.Input((3,))
    model = keras.Model(x, [-x, x * -1.0, 2.0 * x, 0.0 - x, x - 0.0, ops.min(x, axis=-1), ops.flip(x, axis=1)])
    inputs = [np.array([[0.0, -0.0, 1.0], [-0.0, 0.0, -0.0]], "float32")]
    for ours, theirs in zip(lamina.from_json(model.to_json()).predict(inputs), random_models.outputs(model, inputs),
                            strict=True):
        assert ours.tobytes() == np.asarray(theirs).tobytes()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_slopes_of_halves(name, rng, lamina):
    """They are rounded, too: Keras computes in the dtype of what it is given."""
    x = keras.Input((200,), dtype=name)
    model = keras.Model(x, [ops.leaky_relu(x, 0.3), layers.LeakyReLU(0.3, dtype=name)(x), ops.elu(x, 0.7)])
    inputs = [values.random_input(rng, (4, 200), name)]
    got, theirs = lamina.from_json(model.to_json()).predict(inputs), random_models.outputs(model, inputs)
    for ours, wanted in zip(got[:2], theirs[:2], strict=True):
        assert ours.tobytes() == np.asarray(wanted).astype(ours.dtype).tobytes()
    assert tolerances.worst(got[2:], theirs[2:]) <= tolerances.MODEL[name]


def test_axes_given_twice_are_refused(lamina):
    """As JAX does when Keras runs; symbolically Keras takes them."""
    x = keras.Input((4, 3))
    config = keras.Model(x, ops.mean(x, axis=(1, -1))).to_json().replace("[1, -1]", "[1, 1]")
    with pytest.raises(Exception, match="duplicate value in 'axis'"):
        lamina.from_json(config)


KINKS = [-2.0, -1.0, -0.5, 0.0, -0.0, 0.5, 1.0, 2.0]


def kinked():
    """Of zeros, the bias: what each function makes of KINKS."""
    x = keras.Input((3,))
    h = layers.Dense(len(KINKS), kernel_initializer="zeros")(x)
    return keras.Model(x, ops.concatenate([
        ops.clip(h, -1, 0.5), ops.maximum(h, 0.0), ops.minimum(1, h), ops.maximum(h, -h), ops.relu(h),
        ops.relu6(h), ops.leaky_relu(h), ops.elu(h, alpha=0.7), ops.selu(h), ops.hard_sigmoid(6 * h),
        ops.hard_silu(6 * h), ops.softsign(h), h**0, h**2, ops.power(h, 3), ops.where(h > 0, h, 3 * h),
        ops.where(h >= 0, ops.sqrt(h), 0.0), ops.power(ops.abs(h) + 1, h),
        ops.hard_tanh(h), ops.celu(h), ops.threshold(h, 0.5, 7), ops.floor(h), ops.sign(h), ops.mod(h, 0.75),
        ops.stop_gradient(h) * h, ops.cumprod(h, axis=1), ops.logsumexp(ops.stack([h, 0 * h], -1), axis=-1),
        ops.ptp(ops.stack([h, 0 * h, 0 * h + 1], -1), axis=-1), ops.sort(h, axis=1) * (h + 3), ops.top_k(h, len(KINKS))[0] * h,
        ops.fmax(h, 0.5), ops.fmin(h, 0.5), ops.fmax(h, -h), ops.logaddexp(h, h), ops.logaddexp(h, 0.5),
        ops.heaviside(h, h), ops.sinc(h), ops.nan_to_num(h), ops.median(ops.stack([h, 0 * h, 0 * h + 1], -1), axis=-1),
        ops.fmod(h, 0.75), ops.arcsinh(h), ops.arctan2(h, 0 * h + 1), ops.divide_no_nan(1.0, h), ops.divide_no_nan(h, h),
        ops.nanmax(ops.stack([h, 0 * h], -1), axis=-1), ops.nanmin(ops.stack([h, 0 * h, h], -1), axis=-1),
        ops.nansum(ops.stack([h, h / h], -1), axis=-1), ops.nanmean(ops.stack([h, h / h], -1), axis=-1),
        ops.nanprod(ops.stack([h, 0 * h + 2, h], -1), axis=-1)], axis=-1))


def test_gradients_at_kinks(lamina, tmp_path):
    """Where a function has several slopes it has Keras's; where Keras has none, none. Of |x| at 0 see the README."""
    model = kinked()
    model.layers[1].bias.assign(KINKS)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    x, width = np.zeros((1, 3), "float32"), model.output_shape[-1]
    for first in range(0, width, len(KINKS)):  # a function at a time
        seed = np.zeros((1, width), "float32")
        seed[:, first : first + len(KINKS)] = 1
        _, gradients = ours.differentiate([x], [seed])
        _, expected, _ = step_of_keras(model, [x], [seed])
        bias = next(g for path, g in gradients if path.endswith("bias"))
        np.testing.assert_allclose(bias, expected[1], rtol=1e-6, atol=1e-6, err_msg=f"outputs from {first} on")


def normed():
    """A gate and a norm by hand."""
    x = keras.Input((8,))
    h = layers.Dense(16)(x)
    h = h / ops.sqrt(ops.mean(ops.square(h), axis=-1, keepdims=True) + 1e-3)
    gate = ops.sigmoid(layers.Dense(16)(h))
    y = gate * h + (1 - gate) * layers.Dense(16, activation="tanh")(h)
    return keras.Model(x, layers.Dense(5)(ops.concatenate([y, ops.maximum(h, 0.1)], axis=-1)))


def test_training(rng, lamina, tmp_path):
    model, ours = compiled_pair(normed, "Adam", {}, rng, lamina, tmp_path)
    drift, _ = train_both(model, ours, *learnable(model, rng, 16, 50), 16)
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())


def test_the_table_of_layers(lamina):
    """Operations stand in it as layers do, without parameters."""
    model = normed()
    lines = []
    model.summary(print_fn=lambda text, **_: lines.append(text), line_length=76)
    theirs = [line.split() for line in "\n".join(lines).splitlines() if line.startswith(("│", " "))]
    ours = [line.split() for line in lamina.from_json(model.to_json()).summary().splitlines() if line.startswith(("│", " "))]
    assert ours == theirs
