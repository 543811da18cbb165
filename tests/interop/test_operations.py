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
POSITIVE = [ops.log, ops.log1p, ops.sqrt, ops.rsqrt, lambda x: x**-1.3]
FUNCTIONS = [
    ops.abs, ops.negative, ops.square, ops.exp, ops.expm1, ops.sin, ops.cos, ops.tanh, ops.relu, ops.relu6, ops.selu,
    ops.sigmoid, ops.log_sigmoid, ops.hard_sigmoid, ops.silu, ops.hard_silu, ops.softplus, ops.softsign, ops.softmax,
    ops.log_softmax, ops.zeros_like, ops.ones_like, lambda x: -x, lambda x: x**2, lambda x: ops.power(x, 3),
    lambda x: ops.leaky_relu(x, 0.3), lambda x: ops.elu(x, alpha=0.7), lambda x: ops.gelu(x, approximate=False),
    ops.gelu, lambda x: ops.clip(x, -1, 0.5), lambda x: keras.activations.relu(x, negative_slope=0.1, max_value=1.5),
    lambda x: ops.softmax(x, axis=1)]
REDUCTIONS = [ops.mean, ops.sum, ops.max, ops.min, ops.var]
BINARY = [ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum, lambda x, y: x + y, lambda x, y: x - y,
          lambda x, y: x * y, lambda x, y: ops.divide(x, 2 + ops.abs(y)), lambda x, y: x / (1.5 + y * y)]
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
                   lambda: ops.concatenate([x, x * 2, x], axis=self.axis(x))]
        if len(x.shape) > 2:
            axes = list(range(1, len(x.shape)))
            self.random.shuffle(axes)
            choices += [lambda: ops.transpose(x, (0, *axes)), lambda: ops.swapaxes(x, 1, -1)]
        return self.random.choice(choices)()

    def part(self, x):
        size = x.shape[1]
        choices = [lambda: x[:, -1:], lambda: x[:, : max(1, size // 2)], lambda: x[:, ::2], lambda: x[:, None],
                   lambda: x[..., -1:], lambda: ops.take(x, [size - 1, 0, 0], axis=1)]
        if len(x.shape) > 2:
            choices += [lambda: x[:, 0], lambda: x[..., 0], lambda: ops.take(x, -1, axis=1), lambda: x[:, -1, None]]
        return self.random.choice(choices)()

    def product(self, x):
        if len(x.shape) == 2:
            return ops.matmul(x[:, None], x[..., None])[:, 0]
        return ops.matmul(x, ops.swapaxes(x, -1, -2)) / 4

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


@pytest.mark.cases(60)
def test_random_models_of_operations(case, draw, rng, lamina, tmp_path):
    model = OperationMaker(draw).model(draw.randint(3, 14))
    config = model.to_json()
    model = remade(config)
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
    again = keras.models.load_model(tmp_path / "ours.keras")
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


KINKS = [-2.0, -1.0, -0.5, 0.0, -0.0, 0.5, 1.0, 2.0]


def kinked():
    """Of zeros, the bias: what each function makes of KINKS."""
    x = keras.Input((3,))
    h = layers.Dense(len(KINKS), kernel_initializer="zeros")(x)
    return keras.Model(x, ops.concatenate([
        ops.clip(h, -1, 0.5), ops.maximum(h, 0.0), ops.minimum(1, h), ops.maximum(h, -h), ops.relu(h),
        ops.relu6(h), ops.leaky_relu(h), ops.elu(h, alpha=0.7), ops.selu(h), ops.hard_sigmoid(6 * h),
        ops.hard_silu(6 * h), ops.softsign(h), h**0, h**2, ops.power(h, 3), ops.where(h > 0, h, 3 * h),
        ops.where(h >= 0, ops.sqrt(h), 0.0)], axis=-1))


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
