"""Models written by hand as users write them: attributes in every place that the walk treats in its own
way. zoo.cpp holds the same models under the same names; each takes (batch, 4)."""

import keras
import numpy as np
from keras import layers, ops

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "bfloat16", "float32", "float64"]


def dense(units=4, **options):
    return layers.Dense(units, **options)


class AttributeAlphabet(keras.Model):
    """Names before `layers` keep their own path, later and private ones are reached through it."""

    def __init__(self):
        super().__init__()
        self.z, self._p, self.Z, self.a = dense(), dense(), dense(), dense()

    def call(self, x):
        return self.z(self._p(self.Z(self.a(x))))


class NestedContainers(keras.Model):
    def __init__(self):
        super().__init__()
        d = [dense() for _ in range(8)]
        self.blocks = [d[0], [d[1], [d[2]]], (d[3], d[4])]
        self.heads = {"b": d[5], "a": [d[6]]}
        self.zero = [[d[7]], layers.BatchNormalization()]
        self.order = [*d, self.zero[1]]

    def call(self, x):
        for layer in self.order:
            x = layer(x)
        return x


class DeepContainers(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = dense(), dense(), dense()
        self.deep = [[[self.first], self.second], [[[self.third]]]]

    def call(self, x):
        return self.third(self.second(self.first(x)))


class ListOfTuples(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [(dense(), layers.ReLU()), (dense(), layers.LeakyReLU())]
        self.end = (dense(2),)

    def call(self, x):
        for a, b in self.blocks:
            x = b(a(x))
        return self.end[0](x)


class CyclicContainer(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = dense()
        self.blocks = [self.inner]
        self.blocks.append(self.blocks)
        self.out = dense(2)

    def call(self, x):
        return self.out(self.inner(x))


class SharedEverywhere(keras.Model):
    """Layers met again consume a number of their container, and no path."""

    def __init__(self):
        super().__init__()
        self.first = dense()
        self.again = self.first
        self.items = [self.first, dense(), self.first, dense()]
        self.late = [self.items[1], dense()]

    def call(self, x):
        for layer in [self.first, *self.items, *self.late, self.again]:
            x = layer(x)
        return x


class Block(keras.layers.Layer):
    """A plain layer: no `layers` property, so public attributes come first, then private ones."""

    def __init__(self):
        super().__init__()
        self._h, self.d1, self.norm = dense(), dense(), layers.LayerNormalization()
        self.more = [dense(), [dense()]]

    def call(self, x):
        return self.more[1][0](self.more[0](self.norm(self._h(self.d1(x)))))


class PlainLayers(keras.Model):
    def __init__(self):
        super().__init__()
        self.block, self.stem, self.blocks = Block(), dense(), [Block(), Block()]

    def call(self, x):
        return self.blocks[1](self.blocks[0](self.block(self.stem(x))))


def BlockInFunctional():
    x = keras.Input((4,))
    return keras.Model(x, dense(2)(Block()(dense()(x))))


class FunctionalWithAttributes(keras.Model):

    def __init__(self):
        x = keras.Input((4,))
        body = dense()
        super().__init__(x, dense(2)(body(x)))
        self.alias = body
        self.extra = dense(3)
        self._hidden = dense(2)
        self.extra.build((None, 4))
        self._hidden.build((None, 4))


class ModelsInside(keras.Model):
    def __init__(self):
        super().__init__()
        self.stack = keras.Sequential([dense(), layers.Dropout(0.5), dense()])
        x = keras.Input((4,))
        self.graph = keras.Model(x, dense()(layers.Rescaling(0.5)(x)))
        self.written = AttributeAlphabet()
        self.zz = keras.Sequential([keras.Input((4,)), dense(2)])

    def call(self, x):
        return self.zz(self.written(self.graph(self.stack(x))))


def SequentialOfWritten():
    return keras.Sequential([keras.Input((4,)), AttributeAlphabet(), Block(), AttributeAlphabet(), dense(1)])


class Recurrent(keras.layers.Layer):
    """Sublayers at their own paths, as LSTM's `cell` and Bidirectional's two layers."""

    def __init__(self):
        super().__init__()
        self.cell = Block()

    def call(self, x):
        return self.cell(x)


class CellPaths(keras.Model):
    def __init__(self):
        super().__init__()
        self.forward_layer, self.backward_layer = Recurrent(), Recurrent()

    def call(self, x):
        return self.backward_layer(self.forward_layer(x))


class Attention(keras.layers.Layer):
    """Public properties reach private attributes first, as in MultiHeadAttention."""

    def __init__(self):
        super().__init__()
        self._query_dense, self._key_dense, self._softmax = dense(), dense(), layers.Softmax()

    @property
    def query_dense(self):
        return self._query_dense

    @property
    def key_dense(self):
        return self._key_dense

    def call(self, x):
        return self._softmax(self._key_dense(self._query_dense(x)))


def PropertyAliases():
    x = keras.Input((4,))
    return keras.Model(x, Attention()(x))


class RenamedLate(keras.Model):
    """Stored as `layers/dense`: `zz` sorts after `layers`."""

    def __init__(self):
        super().__init__()
        self.zz = dense()

    def call(self, x):
        return self.zz(x)


class RenamedEarly(keras.Model):
    """Stored as `aa`."""

    def __init__(self):
        super().__init__()
        self.aa = dense()

    def call(self, x):
        return self.aa(x)


class NonAsciiAttributes(keras.Model):
    def __init__(self):
        super().__init__()
        self.größe = dense(name="größe")
        self.层 = dense()
        self.Ä = [dense(), dense(name="\u00fc\U0001f600")]

    def call(self, x):
        return self.Ä[1](self.Ä[0](self.层(self.größe(x))))


class OwnWeights(keras.Model):
    """Variables of the model itself, at `/vars`; order by trainable flag, then creation."""

    def __init__(self):
        super().__init__()
        self.frozen_first = self.add_weight(name="frozen_first", shape=(2,), trainable=False)
        self.scale = self.add_weight(name="scale", shape=())
        self.body = dense()

    def call(self, x):
        return self.body(x)


class EveryType(keras.layers.Layer):
    """Variables of each dtype and awkward shapes."""

    def build(self, shape):
        for index, dtype in enumerate(DTYPES):
            self.add_weight(name=f"v_{dtype}", shape=[(3,), (2, 3), (), (0, 3)][index % 4], dtype=dtype,
                            initializer="zeros", trainable=index % 2 == 0)

    def call(self, x):
        return x


class AllTypes(keras.Model):
    def __init__(self):
        super().__init__()
        self.types, self.normalization = EveryType(), layers.Normalization()
        self.normalization.build((None, 4))  # in `call` Keras would leak a tracer on JAX

    def call(self, x):
        return self.normalization(self.types(x))


class NeverCalled(keras.Model):
    """An unbuilt sublayer has a group and no variables."""

    def __init__(self):
        super().__init__()
        self.used, self.idle = dense(), dense()

    def call(self, x):
        return self.used(x)


class TwoDigits(keras.Model):
    def __init__(self):
        super().__init__()
        self.many = [dense() for _ in range(12)]
        self.types = EveryType()

    def call(self, x):
        for layer in self.many:
            x = layer(x)
        return self.types(x)


class Backbone(keras.Model):
    """A Functional subclass that owns a layer outside its graph."""

    def __init__(self):
        x = keras.Input((4,))
        decoder, encoder = dense(2, name="decoder"), dense(name="encoder")
        super().__init__(x, encoder(x), name="backbone")
        self.decoder = decoder


class Task(keras.Model):
    def __init__(self):
        backbone = Backbone()
        super().__init__(backbone.input, backbone.decoder(backbone(backbone.input)))
        self.backbone = backbone


class NormalModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = dense(3)

    def call(self, x):
        return self.dense(x)


class WeirdModel(keras.Model):
    """`a_dense` comes first and is not in NormalModel's file; the property is."""

    def __init__(self):
        super().__init__()
        self.a_dense = dense(3)

    @property
    def dense(self):
        return self.a_dense

    def call(self, x):
        return self.dense(x)


class BlocksBefore315(keras.Model):
    """Tuples in a list: before 3.15 what they hold was saved under `layers`."""

    def __init__(self):
        super().__init__()
        self.blocks = [(dense(use_bias=False),) for _ in range(3)]
        self.out = dense(2)

    def call(self, x):
        for (layer,) in self.blocks:
            x = layer(x)
        return self.out(x)


class Dense_1(keras.layers.Dense):
    pass


class Collision(keras.Model):
    """A class whose name looks like a second Dense: both libraries refuse to save it."""

    def __init__(self):
        super().__init__()
        self.items = [dense(), dense(), Dense_1(4)]

    def call(self, x):
        for layer in self.items:
            x = layer(x)
        return x


class Affine(layers.Layer):
    """Weights of its own, used by `call`; the files' order is by trainable flag."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), dtype="int32", trainable=False, name="calls")
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", regularizer=keras.regularizers.L2(0.05),
                                     name="scale")
        self.shift = self.add_weight(shape=(shape[-1],), constraint="non_neg", name="shift")

    def call(self, x):
        return x * self.scale + self.shift


class Residual(layers.Layer):
    """A weight beside sublayers, one of them frozen."""

    def __init__(self):
        super().__init__()
        self.zz, self.frozen = dense(activation="tanh"), dense(trainable=False)

    def build(self, shape):
        self.gain = self.add_weight(shape=(1, shape[-1]), name="gain")
        self.zz.build(shape)
        self.frozen.build(shape)

    def call(self, x):
        return x + self.frozen(self.zz(x)) * self.gain


class LayersWithWeights(keras.Model):
    """Its own weight, one layer called twice, and another one."""

    def __init__(self):
        super().__init__()
        self.residual, self.affine, self.end = Residual(), Affine(), dense(2)

    def build(self, shape):
        self.gate = self.add_weight(shape=(1, 2), initializer="ones", name="gate")
        self.residual.build(shape)
        self.affine.build(shape)
        self.end.build(shape)

    def call(self, x, training=None):
        x = self.affine(self.residual(self.affine(x)))
        return self.end(x) * self.gate


def WeightsInFunctional():
    x, outer = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(x, Affine()(dense()(x)))
    return keras.Model(outer, dense(2)(Residual()(inner(Residual()(outer)))))


class Marked(layers.Layer):
    """Reads the mask that its input carries, and passes it on."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def build(self, shape):
        self.mark = self.add_weight(shape=(shape[-1],), name="mark")

    def call(self, x, mask=None):
        if mask is None:
            return x
        return x + keras.ops.cast(keras.ops.expand_dims(mask, -1), x.dtype) * self.mark


class Halves(layers.Layer):
    """Each step in two halves, and a mask for them."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, x):
        return keras.ops.reshape(x, (-1, 2 * x.shape[1], x.shape[2] // 2))

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else keras.ops.repeat(mask, 2, axis=1)


class OwnMasks(keras.Model):
    """Of ids."""

    def __init__(self):
        super().__init__()
        self.words, self.marked, self.halves = layers.Embedding(11, 6, mask_zero=True), Marked(), Halves()
        self.end, self.pool, self.plain = dense(2), layers.GlobalAveragePooling1D(), Marked()

    def call(self, ids, training=None):
        x = self.halves(self.marked(self.words(ids)))
        return self.pool(self.end(self.plain(x)))


class Blend(layers.Layer):
    """Arguments by name."""

    def __init__(self):
        super().__init__()
        self.inner = dense()

    def build(self, shape):
        self.share = self.add_weight(shape=(shape[-1],), name="share")
        self.inner.build(shape)

    def call(self, x, other=None, twice=False, training=False):
        y = self.inner(x)
        if other is not None:
            y = y + other * self.share
        if training:
            y = y + y
        return y + y if twice else y


class OwnArguments(keras.Model):
    def __init__(self):
        super().__init__()
        self.blend, self.end = Blend(), dense(2)

    def call(self, x, training=None):
        y = self.blend(x, other=x, twice=True, training=training)
        return self.end(self.blend(y, other=self.blend(x, training=training), training=training))


# Layers with weights, masks and arguments of their own: test_own_layers.py.
OWN = [LayersWithWeights, WeightsInFunctional, OwnMasks, OwnArguments]


def Operators():
    x = keras.Input((4,))
    h = dense()(x)
    n = h / ops.sqrt(ops.mean(ops.square(h), axis=-1, keepdims=True) + 1e-3)
    gate = ops.sigmoid(dense()(n))
    left = gate * n
    right = (1 - gate) * ops.gelu(-h)
    y = left + right
    y = ops.concatenate([y, ops.where(x > 0.25, x, 2.0), ops.clip(h, -1, 0.5)], axis=1)
    rows = ops.reshape(y, (-1, 3, 4))
    seen = ops.softmax(ops.matmul(rows, ops.transpose(rows, (0, 2, 1))) * 0.5)
    mixed = ops.matmul(seen, rows)
    parts = ops.stack([mixed[:, 0], ops.take(mixed, 2, axis=1), ops.max(mixed[:, 1::2], axis=1)], axis=1)
    return keras.Model(x, dense(2)(parts))


class RootMeanSquare(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = dense()

    def call(self, x):
        h = self.dense(x)
        return x + 2 * h / ops.sqrt(1e-3 + ops.mean(h * h, axis=-1, keepdims=True))


def OperatorsInALayer():
    x = keras.Input((4,))
    return keras.Model(x, dense(2)(ops.abs(RootMeanSquare()(RootMeanSquare()(x)))))


SAVABLE = [AttributeAlphabet, NestedContainers, DeepContainers, ListOfTuples, CyclicContainer, SharedEverywhere,
           PlainLayers, BlockInFunctional, FunctionalWithAttributes, ModelsInside, SequentialOfWritten, CellPaths,
           PropertyAliases, RenamedLate, RenamedEarly, NonAsciiAttributes, OwnWeights, AllTypes, NeverCalled, TwoDigits, Task,
           WeirdModel, BlocksBefore315, Operators, OperatorsInALayer]


def make(name):
    """The model `name`, built by its first data."""
    model = globals()[name]()
    model(np.zeros((2, 4), "float32"))
    return model
