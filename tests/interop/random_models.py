"""Random Keras models of the layers that Lamina has: branched, merged, nested, shared, with several
inputs and outputs, under every dtype policy."""

import math
import re

import jax
import jax.extend
import keras
import numpy as np

from layer_options import FORGETTING, KINDS, UNCAST, call, draw_options, layer_class, random_shape

POLICIES = ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
NAMES = ["kopf", "schicht_\u00e4\u00f6", "\u5c42", "a.b", "with space", "UPPER", "_private", "layers", "vars", "0"]
SINGLE = [name for name, kind in KINDS.items()
          if kind.inputs == "one" and kind.dtype == "float" and name not in FORGETTING | UNCAST]
MERGING = [name for name, kind in KINDS.items() if kind.inputs in ("two", "many")]
MAX_SIZE = 4000  # elements of one tensor of a sample


class ModelMaker:
    """Grows one model; `random` decides everything."""

    def __init__(self, random, policy):
        self.random = random
        self.policy = policy
        self.used_names = set()
        self.attentions = []
        self.shareable = []

    def name(self):
        free = [name for name in NAMES if name not in self.used_names]
        if not free or self.random.random() > 0.15:
            return None
        name = self.random.choice(free)
        self.used_names.add(name)
        return name

    def layer(self, class_name, options):
        options = dict(options)
        name = self.name()
        if name:
            options["name"] = name
        if self.random.random() < 0.1 and class_name != "TimeDistributed":  # what it gives has its layer's, in Keras
            options["dtype"] = self.random.choice(POLICIES[:2]) if self.policy in POLICIES[:2] else self.policy
        layer = layer_class(class_name)(**options)
        layer.trainable = self.random.random() > 0.2
        return layer

    def single(self, tensor):
        """One layer on one tensor: new, or one that was used on an equal shape before."""
        shape = tuple(tensor.shape[1:])
        again = [layer for layer, known in self.shareable if known == shape]
        if again and self.random.random() < 0.25:
            return self.random.choice(again)(tensor)
        for _ in range(50):
            class_name = self.random.choice(SINGLE)
            options = draw_options(self.random, class_name, shape, calm=True)
            if options is None:
                continue
            layer = self.layer(class_name, options)
            output = layer(tensor)
            if 0 < math.prod(output.shape[1:]) <= MAX_SIZE:
                self.shareable.append((layer, shape))
                return output
        return keras.layers.Activation("relu")(tensor)

    def merge(self, tensors):
        """A merging layer on tensors of equal shapes (or with axes of one for broadcasting)."""
        first = self.random.choice(tensors)
        partners = [t for t in tensors if t is not first and _broadcasts(t.shape[1:], first.shape[1:])]
        if not partners:
            return None
        class_name = self.random.choice(MERGING)
        count = 1 if KINDS[class_name].inputs == "two" else self.random.randint(1, min(3, len(partners)))
        inputs = [first]
        for partner in self.random.sample(partners, len(partners)):
            if len(inputs) <= count and all(_broadcasts(partner.shape[1:], t.shape[1:]) for t in inputs):
                inputs.append(partner)
        if class_name == "Concatenate":
            inputs = [t for t in inputs if t.shape == first.shape]
            if len(inputs) < 2:
                return None
        options = draw_options(self.random, class_name, tuple(first.shape[1:]), calm=True)
        output = self.layer(class_name, options)(inputs)
        return output if math.prod(output.shape[1:]) <= MAX_SIZE else None

    def attend(self, tensors):
        """Attention of one tensor to itself or to others of as many axes. Once in a model: the names of what it makes
        count on from one such layer to the next, in the order in which each library comes to make them."""
        queries = [t for t in tensors if len(t.shape) in (3, 4) and t.dtype != "int32"]
        if not queries or self.attentions:
            return None
        query = self.random.choice(queries)
        values = [t for t in queries if len(t.shape) == len(query.shape) and t.shape[1] >= query.shape[1]]
        value = self.random.choice(values)
        keys = [t for t in queries if t.shape[1:-1] == value.shape[1:-1]]
        inputs = [query, value] + self.random.choice([[], [self.random.choice(keys)]])
        options = draw_options(self.random, "MultiHeadAttention", tuple(query.shape[1:]), calm=True)
        self.attentions.append(self.layer("MultiHeadAttention", options))
        output = call(self.random, self.attentions[0], inputs)
        return output if math.prod(output.shape[1:]) <= MAX_SIZE else None

    def nested(self, tensor, depth):
        """A model inside the model, used once or twice."""
        shape = tuple(tensor.shape[1:])
        if self.random.random() < 0.4:
            inner = keras.Sequential(name=self.name())
            if self.random.random() < 0.7:
                inner.add(keras.Input(shape, dtype=tensor.dtype))
            probe = keras.Input(shape, dtype=tensor.dtype)
            for _ in range(self.random.randint(1, 4)):
                probe = self.single_into(inner, probe)
        else:
            maker = ModelMaker(self.random, self.policy)
            maker.used_names = self.used_names  # the nested model takes its own name there, too
            maker.attentions = self.attentions
            inner = maker.functional(self.random.randint(1, 4), depth + 1, [(shape, tensor.dtype)], 1)
        self.shareable.append((inner, shape))
        return inner(tensor)

    def single_into(self, stack, probe):
        shape = tuple(probe.shape[1:])
        for _ in range(50):
            class_name = self.random.choice(SINGLE)
            options = draw_options(self.random, class_name, shape, calm=True)
            if options is None:
                continue
            trial = layer_class(class_name)(**options)(probe)
            if 0 < math.prod(trial.shape[1:]) <= MAX_SIZE:
                stack.add(self.layer(class_name, options))
                return trial
        stack.add(keras.layers.Activation("relu"))
        return probe

    def functional(self, steps, depth=0, inputs=None, outputs=None):
        """A Functional model; `inputs` are (shape, dtype) pairs."""
        if inputs is None:
            inputs = [(random_shape(self.random, (1, 2, 3, 3)), None) for _ in range(self.random.choice([1, 1, 2, 3]))]
        placeholders = [keras.Input(shape, dtype=dtype) for shape, dtype in inputs]
        tensors = list(placeholders)
        if depth == 0 and self.random.random() < 0.15:
            ids = keras.Input((self.random.randint(3, 6),), dtype="int32")
            placeholders.append(ids)
            tensors.append(keras.layers.Embedding(10, self.random.randint(1, 6))(ids))
        for _ in range(steps):
            choice = self.random.random()
            # Recent tensors first, so that models grow deep as well as wide.
            tensor = self.random.choice(tensors[-3:])
            if choice < 0.2 and len(tensors) > 1:
                made = self.merge(tensors)
            elif choice < 0.32 and depth < 2:
                made = self.nested(tensor, depth)
            elif choice < 0.38:
                made = self.attend(tensors)
            else:
                made = self.single(tensor)
            if made is not None:
                tensors.extend(made if isinstance(made, list) else [made])
        count = outputs or self.random.choice([1, 1, 1, 2, 3])
        ends = tensors[-1:] + self.random.sample(tensors[len(placeholders):-1], max(0, min(count, len(tensors) - len(placeholders)) - 1))
        self.random.shuffle(ends)
        self.random.shuffle(placeholders)
        one = lambda tensors: tensors[0] if len(tensors) == 1 else tensors
        return keras.Model(one(placeholders), one(ends), name=self.name())

    def sequential(self, steps):
        shape = random_shape(self.random, (1, 2, 3))
        model = keras.Sequential(name=self.name())
        model.add(keras.Input(shape))
        probe = keras.Input(shape)
        for _ in range(steps):
            probe = self.single_into(model, probe)
        return model


def _broadcasts(shape, other):
    return len(shape) == len(other) and all(a == b or 1 in (a, b) for a, b in zip(shape, other))






def random_model(random):
    """(model, policy): a model under a policy, which stays the global one until the next call."""
    policy = random.choice(POLICIES)
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(policy)
    maker = ModelMaker(random, policy)
    steps = random.randint(1, 14)
    model = maker.sequential(steps) if random.random() < 0.2 else maker.functional(steps)
    return model, policy


def _forward(model):
    """Keras's model as a function of its variables' values and a list of inputs."""

    def forward(values, given):
        with keras.StatelessScope(zip(model.variables, values)):
            return model(given[0] if len(given) == 1 else given, training=False)

    return forward


def outputs(model, inputs):
    """Keras's outputs as a list of numpy arrays, for a list of inputs in the order of `model.inputs`. In one piece, as
    `model.predict` computes them: called as a function, each operation would be compiled by itself."""
    result = jax.jit(_forward(model))([v.value for v in model.variables], inputs)
    return [np.asarray(x) for x in keras.tree.flatten(result)]


def _bytes(arrays):
    return [(a.dtype, a.shape, a.tobytes()) for a in map(np.asarray, arrays)]


def _constants(program, held=()):
    """What a program, and each that it calls, holds: its text tells no more of that than the shapes."""
    found = _bytes(held)
    for equation in program.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                if isinstance(inner, jax.extend.core.ClosedJaxpr):
                    found += _constants(inner.jaxpr, inner.consts)
                elif isinstance(inner, jax.extend.core.Jaxpr):
                    found += _constants(inner)
    return found


def same_program(left, right, inputs):
    """Whether two models of equal weights compute the same of such inputs, operation by operation. False of others,
    also of those whose weights come in another order."""
    text, constants = [], []
    for model in (left, right):
        program = jax.make_jaxpr(_forward(model))([v.value for v in model.variables], inputs)
        text.append(re.sub("0x[0-9a-f]+", "", str(program.jaxpr)))  # addresses of what is differentiated otherwise
        constants.append(_constants(program.jaxpr, program.consts))
    return text[0] == text[1] and constants[0] == constants[1] and _bytes(left.weights) == _bytes(right.weights)
