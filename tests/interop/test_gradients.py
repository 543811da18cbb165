"""Gradients of whole models and what a step does to moving statistics, against Keras on JAX."""

import jax
import keras
import numpy as np
import pytest
from keras import layers, ops

import values


def mlp():
    x = keras.Input((20,))
    y = layers.Dense(32, activation="relu")(x)
    y = layers.LayerNormalization()(layers.Dense(24, activation="gelu")(y))
    return keras.Model(x, layers.Dense(10, activation="softmax")(layers.Dropout(0.0)(y)))


def convnet():
    x = keras.Input((17, 15, 3))
    y = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    y = layers.Activation("silu")(layers.BatchNormalization()(y))
    skip = layers.MaxPooling2D(2, padding="same")(y)
    y = layers.SeparableConv2D(16, 3, padding="same", strides=2, activation="relu")(y)
    y = layers.BatchNormalization(momentum=0.9)(layers.Add()([y, skip]))
    gate = layers.Dense(16, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.Multiply()([y, gate]))
    y = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="tanh")(y)
    return keras.Model(x, layers.Dense(5)(layers.Flatten()(layers.AveragePooling2D(4)(y))))


def volumes():
    x = keras.Input((9, 8, 11, 2))
    y = layers.ZeroPadding3D(((0, 1), (1, 0), (0, 0)))(x)
    y = layers.Conv3D(8, 3, padding="same", activation="tanh")(y)
    y = layers.Activation("silu")(layers.BatchNormalization()(layers.Conv3D(8, (2, 3, 3), groups=2, use_bias=False)(y)))
    y = layers.MaxPooling3D(2, padding="same")(y)
    z = layers.Conv3D(6, (1, 2, 2), strides=(1, 2, 2), activation="relu")(layers.Cropping3D((1, 0, 0))(y))
    z = layers.Conv3DTranspose(4, 3, strides=2, padding="same", activation="tanh")(layers.SpatialDropout3D(0.0)(z))
    z = layers.GlobalMaxPooling3D()(layers.UpSampling3D((1, 2, 1))(layers.AveragePooling3D(2, padding="same")(z)))
    return keras.Model(x, layers.Dense(4)(layers.Concatenate()([z, layers.GlobalAveragePooling3D()(y)])))


def partly_frozen():
    x = keras.Input((9, 9, 4))
    y = layers.Conv2D(8, 3, name="frozen")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.PReLU(shared_axes=[1, 2])(layers.DepthwiseConv2D(3, depth_multiplier=2)(y))
    model = keras.Model(x, layers.Dense(3)(layers.GlobalMaxPooling2D()(y)))
    for name in ("frozen", "norm"):
        model.get_layer(name).trainable = False
    return model


def embedding():
    x = keras.Input((7,), dtype="int32")
    y = layers.Conv1D(12, 3, padding="causal", activation="relu")(layers.Embedding(11, 6)(x))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling1D()(y)))


def transformer():
    x = inputs = keras.Input((7, 12))
    for causal in (False, True):
        y = layers.MultiHeadAttention(3, 5)(x, x, use_causal_mask=causal)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.Dense(12)(layers.Dense(24, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.0)(y)]))
    y = layers.EinsumDense("abc,cde->abde", (None, 2, 6), bias_axes="de", activation="tanh")(x)
    y = layers.MultiHeadAttention(2, 3, use_gate=True, output_shape=4)(layers.Reshape((7, 12))(y), x)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling1D()(y)))


def grouped_transformer():
    """As of today's decoders: root mean squares, heads that share keys and values; and attention of older kinds."""
    x = inputs = keras.Input((7, 12))
    for groups in (1, 3):
        y = layers.RMSNormalization()(x)
        x = layers.Add()([x, layers.GroupQueryAttention(4, 6, groups, use_bias=False)(y, y, use_causal_mask=True)])
        y = layers.RMSNormalization(axis=[1, 2])(x)
        x = layers.Add()([x, layers.Dense(12)(layers.Dense(24, activation="silu")(y))])
    y = layers.Attention(use_scale=True, score_mode="concat")([layers.Attention(use_scale=True)([x, x]), x])
    y = layers.GroupNormalization(3)(layers.AdditiveAttention()([y, x], use_causal_mask=True))
    y = layers.GroupNormalization(7, axis=1)(layers.UnitNormalization()(layers.Dense(8)(y)))
    y = layers.Dot(axes=(1, 1), normalize=True)([layers.SpatialDropout1D(0.0)(y), layers.Identity()(x)])
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(layers.AlphaDropout(0.0)(y))))


def scored():
    """What is learnt by the scores that attention returns, alone or beside its output."""
    x = keras.Input((7, 12))
    y, first = layers.MultiHeadAttention(2, 5)(x, x, use_causal_mask=True, return_attention_scores=True)
    _, second = layers.GroupQueryAttention(4, 6, 2)(y, x, return_attention_scores=True)
    z, third = layers.Attention(use_scale=True, score_mode="concat")([y, x], return_attention_scores=True)
    _, fourth = layers.AdditiveAttention()([z, y], return_attention_scores=True)
    scores = [layers.Dense(3)(layers.Flatten()(one)) for one in (first, second, third, fourth)]
    return keras.Model(x, layers.Dense(4)(layers.Concatenate()(scores)))


def group_normalized():
    x = keras.Input((9, 8, 4))
    y = layers.Conv2D(12, 3, padding="same")(x)
    y = layers.Activation("silu")(layers.GroupNormalization(4)(y))
    y = layers.GroupNormalization(-1, axis=1, center=False)(layers.Permute((3, 1, 2))(y))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.GroupNormalization(1)(y))))


def composed():
    """Normalizations, attention and diagonals of keras.ops, adaptive pooling with windows of several sizes."""
    x = keras.Input((7, 12))
    y = layers.Dense(12)(x)
    y = ops.layer_normalization(y, y[0, 0], y[0, 1]) + ops.rms_normalization(y, scale=y[0, 2], axis=-1)
    heads = ops.reshape(y, (-1, 7, 4, 3))
    keys, biases = ops.reshape(layers.Dense(6)(y), (-1, 7, 2, 3)), ops.reshape(layers.Dense(7)(y), (-1, 1, 7, 7))
    y = ops.dot_product_attention(heads, keys, 2 * keys, bias=biases, is_causal=True)
    y = ops.batch_normalization(y, y[0, 0, 0], ops.square(y[0, 0, 1]) + 1, -1, offset=y[0, 1, 0], scale=y[0, 1, 1])
    y = ops.space_to_depth(ops.pad(y, [(0, 0), (0, 1), (0, 0), (0, 0)]), 2)
    y = layers.AdaptiveMaxPooling2D((3, 2))(y) + layers.AdaptiveAveragePooling2D((3, 2))(y)
    y = ops.rot90(y, axes=(1, 2)) + ops.cross(y[..., :3], y[..., 3:6])[:, :2, :1, :1]
    z = ops.diagonal(y, 1, axis1=2, axis2=3) + ops.trace(y, axis1=1, axis2=2)[:, None, :3]
    return keras.Model(x, layers.Dense(4)(layers.Concatenate()([layers.Flatten()(y), layers.Flatten()(z)])))


def recurrent():
    x = keras.Input((7, 5))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode="ave")(x)
    y, state = layers.GRU(3, return_sequences=True, return_state=True)(y)
    z = layers.GRU(3, reset_after=False, go_backwards=True, use_bias=False)(y, initial_state=state)
    return keras.Model(x, layers.Dense(4)(layers.Concatenate()([layers.SimpleRNN(4)(y), z])))


def efficientnet():
    return keras.applications.EfficientNetV2B0(weights=None, input_shape=(64, 64, 3), classes=10,
                                               classifier_activation=None)


def step_of_keras(model, inputs, seeds):
    """Outputs, gradients of the trainable variables, and the other variables after a training step."""
    trainable = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]

    @jax.jit
    def step(trainable, others):
        def forward(trainable):
            return model.stateless_call(trainable, others, inputs[0], training=True)

        y, pull_back, after = jax.vjp(forward, trainable, has_aux=True)
        return y, pull_back(jax.numpy.asarray(seeds[0]))[0], after

    y, gradients, after = step(trainable, others)
    return np.asarray(y), [np.asarray(g) for g in gradients], after


def distance(ours, theirs, scale):
    return float(np.sqrt(np.mean((ours.astype("float64") - theirs) ** 2))) / scale


# Root mean square of the difference against that of the gradient: what rounding in float32 makes of
# it. That of a key's bias is nothing but rounding: it moves all scores of a target alike. EfficientNetV2B0's
# passes through some two hundred layers, half of them normalisations.
@pytest.mark.parametrize("make, tolerance", [(mlp, 2e-6), (convnet, 5e-6), (volumes, 5e-6), (partly_frozen, 5e-6),
                                             (embedding, 2e-6), (transformer, 1e-4), (grouped_transformer, 1e-4), (scored, 5e-4),
                                             (group_normalized, 2e-5), (composed, 2e-5), (recurrent, 1e-5), (efficientnet, 2e-3)])
def test_gradients(make, tolerance, rng, lamina, tmp_path):
    model = make()
    if make is efficientnet:
        model = without_dropout(model)
    values.randomize(model, rng)
    inputs = [rng.integers(0, 11, (5, 7)).astype("int32") if make is embedding else
              rng.normal(size=(5, *model.inputs[0].shape[1:])).astype("float32")]
    if make is efficientnet:
        inputs[0] = rng.uniform(0, 255, inputs[0].shape).astype("float32")
    seeds = [rng.normal(size=(5, model.outputs[0].shape[-1])).astype("float32")]
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")

    outputs, gradients = ours.differentiate(inputs, seeds)
    y, expected, after = step_of_keras(model, inputs, seeds)

    assert distance(outputs[0], y, np.sqrt(np.mean(y**2))) <= tolerance
    names = [v.path for v in model.trainable_variables]
    assert [path for path, _ in gradients] == names
    worst = 0
    typical = np.sqrt(np.mean(np.concatenate([g.ravel() for g in expected]) ** 2))
    for (path, gradient), theirs in zip(gradients, expected, strict=True):
        assert gradient.shape == theirs.shape, path
        scale = max(np.sqrt(np.mean(theirs**2)), 1e-3 * typical)
        worst = max(worst, distance(gradient, theirs, scale))
        assert distance(gradient, theirs, scale) <= tolerance, path
    print(f"{make.__name__}: worst gradient {worst:.2e}")

    # The step moved the averages, and nothing else.
    for variable, value in zip(model.non_trainable_variables, after, strict=True):
        variable.assign(value)
    ours.save_weights(tmp_path / "ours.weights.h5")
    before = [np.asarray(v.value) for v in model.variables]
    model.load_weights(tmp_path / "ours.weights.h5")
    for variable, theirs in zip(model.variables, before, strict=True):
        got = np.asarray(variable.value)
        if "moving" in variable.path:
            assert distance(got, theirs, np.sqrt(np.mean(theirs**2))) <= tolerance, variable.path
        else:
            np.testing.assert_array_equal(got, theirs, err_msg=variable.path)


def without_dropout(model):
    """The same model with every dropout's rate 0: its random numbers are not ours."""
    config = model.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Dropout":
            layer["config"]["rate"] = 0.0
    return type(model).from_config(config)


def test_a_wrong_gradient_would_be_noticed(rng, lamina, tmp_path):
    """The same model with one weight changed: the comparison must not be blind."""
    model = mlp()
    values.randomize(model, rng)
    inputs, seeds = [rng.normal(size=(5, 20)).astype("float32")], [rng.normal(size=(5, 10)).astype("float32")]
    _, expected, _ = step_of_keras(model, inputs, seeds)
    kernel = model.trainable_variables[2]
    kernel.assign(np.asarray(kernel.value) * 1.001)
    ours = lamina.from_json(model.to_json())
    model.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    _, gradients = ours.differentiate(inputs, seeds)
    assert distance(gradients[0][1], expected[0], np.sqrt(np.mean(expected[0] ** 2))) > 1e-5
