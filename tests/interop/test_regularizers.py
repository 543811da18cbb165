"""Regularizers of weights and activities, and constraints: training step by step against Keras on JAX, from the same
weights on the same batches. Not where Keras's backends differ: of |w| at 0, where a non-negative weight often is, JAX has
the derivative 1, TensorFlow, PyTorch and Lamina 0."""

import json

import keras
import numpy as np
import pytest
from keras import constraints, layers, regularizers

import values
from test_fit import LOSS, compile_both, compiled_pair, learnable, train_both
from test_training_parts import words

STEPS = 20


def mlp():
    x = keras.Input((12,))
    y = layers.Dense(32, activation="silu", kernel_regularizer=regularizers.L2(0.01),
                     bias_regularizer=regularizers.L1L2(0.02, 0.001), activity_regularizer=regularizers.L1L2(0.002, 0.01),
                     kernel_constraint=constraints.MaxNorm(0.9))(x)
    y = layers.Dense(24, activation="tanh", kernel_regularizer="l2",
                     bias_regularizer=regularizers.L2(0.02), bias_constraint="non_neg",
                     kernel_constraint=constraints.MinMaxNorm(0.4, 0.8, rate=0.7, axis=1))(y)
    y = layers.Dense(5, kernel_regularizer=regularizers.L1L2(l2=0.03),
                     kernel_constraint=constraints.UnitNorm(axis=[0, 1]))(y)
    return keras.Model(x, y, name="mlp")


def convnet():
    x = keras.Input((9, 9, 3))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False, kernel_regularizer=regularizers.L2(0.02),
                      kernel_constraint=constraints.MaxNorm(0.8, axis=[0, 1, 2]))(x)
    y = layers.BatchNormalization(momentum=0.9, gamma_regularizer=regularizers.L1(0.01), beta_regularizer="l2",
                                  beta_constraint=constraints.NonNeg())(y)
    y = layers.Activation("silu", activity_regularizer=regularizers.L2(0.001))(y)
    y = layers.DepthwiseConv2D(3, depthwise_regularizer=regularizers.L1L2(0.002, 0.01),
                               depthwise_constraint=constraints.UnitNorm(axis=[0, 1]))(y)
    shared = layers.Conv2D(8, 1, activation="tanh", kernel_regularizer=regularizers.L2(0.01))
    y = layers.Activation("linear", activity_regularizer=regularizers.L1(0.003))(shared(shared(y)))
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(5, kernel_constraint="max_norm")(y), name="convnet")


def expect_near(model, ours, tmp_path, relative=1e-3):
    """The weights of both, read by Keras."""
    ours.save_weights(tmp_path / "trained.weights.h5")
    twin = keras.Model.from_config(model.get_config())
    twin.load_weights(tmp_path / "trained.weights.h5")
    for theirs, got in zip(model.weights, twin.weights, strict=True):
        theirs, got = np.asarray(theirs.value, "float64"), np.asarray(got.value, "float64")
        assert np.linalg.norm(got - theirs) <= relative * max(np.linalg.norm(theirs), 1e-2), theirs.shape


def penalized():
    """What layers give that have penalties of their own, or are nothing else."""
    x = keras.Input((12,))
    y = layers.ActivityRegularization(l1=0.003, l2=0.002)(layers.Dense(16, activation="tanh")(x))
    y = layers.ActivityRegularization(l2=0.03)(layers.Reshape((4, 4))(y))
    # Keras calls this one past its regularizer.
    y = layers.TimeDistributed(layers.Dense(4, activation="tanh", activity_regularizer=regularizers.L2(0.5)))(y)
    y = layers.Dot(axes=2, activity_regularizer=regularizers.L2(0.002))([y, layers.RMSNormalization()(y)])
    return keras.Model(x, layers.Dense(5)(layers.Flatten()(y)), name="penalized")


def scored():
    """A penalty of the scores that a call returns beside its output, too."""
    x = keras.Input((12,))
    y = layers.Reshape((4, 6))(layers.Dense(24, activation="tanh")(x))
    heads = layers.GroupQueryAttention(3, 2, 1, activity_regularizer=regularizers.L2(0.05))
    both = heads(y, y, return_attention_scores=True)
    return keras.Model(x, layers.Dense(5)(layers.Concatenate()([layers.Flatten()(one) for one in both])), name="scored")


def evaluated(model, ours, x, y, batch):
    """Relative difference of the losses of evaluation."""
    theirs = model.evaluate(x, y, batch_size=batch, verbose=0, return_dict=True)["loss"]
    return abs(ours.evaluate(x, y, batch)["loss"] - theirs) / theirs


OPTIMIZERS = [("SGD", {"learning_rate": 0.05, "momentum": 0.9}), ("Adam", {}),
              ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.8,
                         "ema_overwrite_frequency": 3}),
              ("SGD", {"learning_rate": 0.05, "gradient_accumulation_steps": 3, "loss_scale_factor": 64.0})]


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=["SGD", "Adam", "average", "accumulation"])
@pytest.mark.parametrize("make", [mlp, convnet, penalized, scored])
def test_training_stays_together(make, name, options, rng, lamina, tmp_path):
    model, ours = compiled_pair(make, name, options, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, STEPS)
    assert evaluated(model, ours, x[:40], y[:40], 16) <= 1e-5
    plain = losses_without(model, x[:16], y[:16])
    drift, theirs = train_both(model, ours, x, y, 16)
    assert theirs[0] > 1.05 * plain, "the regularizers add next to nothing"
    print(f"{make.__name__} {name}: drift {drift.max():.1e}, loss {theirs[0]:.3f} -> {theirs[-1]:.3f}")
    assert drift.max() <= 1e-4, int(drift.argmax())
    assert evaluated(model, ours, x[:40], y[:40], 16) <= 1e-4
    expect_near(model, ours, tmp_path)


def losses_without(model, x, y):
    return float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x)))


def test_a_shared_layer_gives_each_time(rng, lamina, tmp_path):
    """As Keras when it calls the model, which it does to train on TensorFlow and PyTorch. On JAX only the layer's last
    call counts: each call, not being one within the model's, first forgets what the layer gave before."""
    def make():
        x = keras.Input((9, 8))
        shared = layers.Dense(8, activation="tanh", activity_regularizer=regularizers.L1L2(0.003, 0.002))
        return keras.Model(x, layers.Dense(5)(layers.GlobalAveragePooling1D()(shared(shared(x)))))

    model, ours = compiled_pair(make, "SGD", {}, rng, lamina, tmp_path)
    x, y = rng.normal(size=(16, 9, 8)).astype("float32"), rng.integers(0, 5, 16)
    plain = losses_without(model, x, y)
    activities = [float(loss) for loss in model.losses]
    assert len(activities) == 2
    expected = plain + sum(activities)
    assert abs(ours.evaluate(x, y, 16)["loss"] - expected) <= 1e-5 * expected


PENALTIES = [regularizers.L1(0.01), regularizers.L2(0.02), regularizers.L1L2(0.01, 0.03), "l1", "l2"]
SMOOTH_PENALTIES = [regularizers.L2(0.02), "l2"]
LIMITS = [constraints.MaxNorm(0.6), constraints.UnitNorm(axis=-1), constraints.MinMaxNorm(0.3, 0.9, 0.5), "non_neg",
          "unit_norm", constraints.MaxNorm(0.5, axis=None)]

# Every layer that has them: (class, arguments, what it is to have them of, input).
LAYERS = [
    (layers.Dense, {"units": 4}, ["kernel", "bias"], (5,)),
    (layers.Embedding, {"input_dim": 10, "output_dim": 4}, ["embeddings"], (3,)),
    (layers.Conv1D, {"filters": 4, "kernel_size": 2}, ["kernel", "bias"], (6, 3)),
    (layers.Conv2D, {"filters": 4, "kernel_size": 2}, ["kernel", "bias"], (5, 5, 3)),
    (layers.DepthwiseConv2D, {"kernel_size": 2, "depth_multiplier": 2}, ["depthwise", "bias"], (5, 5, 3)),
    (layers.SeparableConv2D, {"filters": 4, "kernel_size": 2}, ["depthwise", "pointwise", "bias"], (5, 5, 3)),
    (layers.Conv2DTranspose, {"filters": 4, "kernel_size": 2}, ["kernel", "bias"], (4, 4, 3)),
    (layers.Conv3D, {"filters": 4, "kernel_size": 2}, ["kernel", "bias"], (3, 4, 4, 2)),
    (layers.Conv3DTranspose, {"filters": 4, "kernel_size": 2}, ["kernel", "bias"], (2, 3, 3, 2)),
    (layers.BatchNormalization, {}, ["beta", "gamma"], (6, 3)),
    (layers.LayerNormalization, {}, ["beta", "gamma"], (6, 3)),
    (layers.GroupNormalization, {"groups": 2}, ["beta", "gamma"], (6, 4)),
    (layers.PReLU, {}, ["alpha"], (6, 3)),
    (layers.EinsumDense, {"equation": "abc,cde->abde", "output_shape": (6, 2, 4), "bias_axes": "de"}, ["kernel", "bias"],
     (6, 3)),
    (layers.MultiHeadAttention, {"num_heads": 2, "key_dim": 4}, ["kernel", "bias"], (6, 3)),
    (layers.GroupQueryAttention, {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, ["kernel", "bias"],
     (6, 3)),
    # Not SimpleRNN, whose activity_regularizer Keras forgets.
    (layers.LSTM, {"units": 4}, ["kernel", "recurrent", "bias"], (6, 3)),
    (layers.ConvLSTM1D, {"filters": 4, "kernel_size": 2}, ["kernel", "recurrent", "bias"], (4, 5, 3)),
    (layers.GRU, {"units": 4, "return_sequences": True}, ["kernel", "recurrent", "bias"], (6, 3)),
]


@pytest.mark.parametrize("layer,arguments,parts,shape", LAYERS, ids=lambda v: getattr(v, "__name__", ""))
def test_every_layer_has_its_own(layer, arguments, parts, shape, rng, draw, lamina, tmp_path):
    """Each option by itself shows in the loss or in the weights, and is the one that Keras has under that name."""
    def make():
        options = {f"{part}_constraint": draw.choice(LIMITS) for part in parts}
        if layer is not layers.PReLU:  # a vector has one axis
            for name in ("bias", "beta", "gamma"):
                if f"{name}_constraint" in options:
                    options[f"{name}_constraint"] = draw.choice(["non_neg", "max_norm", constraints.UnitNorm()])
        for part in parts:
            smooth = options[f"{part}_constraint"] == "non_neg"
            options[f"{part}_regularizer"] = draw.choice(SMOOTH_PENALTIES if smooth else PENALTIES)
        print(options)
        x = keras.Input(shape, dtype="int32" if layer is layers.Embedding else "float32")
        made = layer(**arguments, **options, activity_regularizer=draw.choice(PENALTIES), name="layer")
        y = made(x, x) if layer in (layers.MultiHeadAttention, layers.GroupQueryAttention) else made(x)
        return keras.Model(x, layers.Dense(5)(layers.Flatten()(y)))

    model, ours = compiled_pair(make, "SGD", {"learning_rate": 0.05}, rng, lamina, tmp_path)
    x = rng.normal(size=(40, *shape)).astype("float32")
    if layer is layers.Embedding:
        x = rng.integers(0, 10, (40, *shape))
    y = rng.integers(0, 5, 40)
    drift, _ = train_both(model, ours, x, y, 8)
    assert drift.max() <= 1e-4
    assert evaluated(model, ours, x, y, 16) <= 1e-4
    expect_near(model, ours, tmp_path)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal(mode, rng, lamina, tmp_path):
    """Of matrices, higher and wider than they are not."""
    def make():
        x = keras.Input((12,))
        y = layers.Dense(32, activation="tanh", kernel_regularizer=regularizers.OrthogonalRegularizer(1.5, mode))(x)
        return keras.Model(x, layers.Dense(5, kernel_regularizer=regularizers.OrthogonalRegularizer(2.0, mode))(y))

    model, ours = compiled_pair(make, "SGD", {"learning_rate": 0.05}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, STEPS)
    plain = losses_without(model, x[:16], y[:16])
    drift, theirs = train_both(model, ours, x, y, 16)
    assert theirs[0] > 1.05 * plain, "the regularizers add next to nothing"
    assert drift.max() <= 1e-4
    assert evaluated(model, ours, x[:40], y[:40], 16) <= 1e-4
    expect_near(model, ours, tmp_path)


def test_orthogonal_is_of_matrices(rng, lamina):
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 2, kernel_regularizer=regularizers.OrthogonalRegularizer())(x)
    model = keras.Model(x, layers.Dense(5)(layers.Flatten()(y)))
    ours = lamina.from_json(model.to_json())
    compile_both(model, ours, "SGD", {})
    x, y = rng.normal(size=(4, 6, 6, 2)).astype("float32"), rng.integers(0, 5, 4)
    with pytest.raises(ValueError, match="Inputs to OrthogonalRegularizer must have rank 2"):
        model.train_on_batch(x, y)
    with pytest.raises(Exception, match="Inputs to OrthogonalRegularizer must have rank 2"):
        ours.train(x, y, 4)


def test_from_an_archive(rng, lamina, tmp_path):
    """model.save() carries them as model.to_json() does."""
    model = mlp()
    values.randomize(model, rng)
    model.save(tmp_path / "model.keras")
    ours = lamina.load_archive(tmp_path / "model.keras")
    compile_both(model, ours, "SGD", {"learning_rate": 0.05})
    x, y = learnable(model, rng, 16, STEPS)
    drift, _ = train_both(model, ours, x, y, 16)
    assert drift.max() <= 1e-4
    expect_near(model, ours, tmp_path)


def test_frozen_layers(rng, lamina, tmp_path):
    """Their weights add nothing, what they give does."""
    def make():
        model = mlp()
        model.layers[1].trainable = False
        return model

    model, ours = compiled_pair(make, "SGD", {"learning_rate": 0.05}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, STEPS)
    drift, _ = train_both(model, ours, x, y, 16)
    assert drift.max() <= 1e-4
    assert evaluated(model, ours, x[:40], y[:40], 16) <= 1e-4
    expect_near(model, ours, tmp_path)


@pytest.mark.parametrize("policy,tolerance", [("mixed_float16", 1e-2), ("mixed_bfloat16", 5e-2)])
def test_mixed_precision(policy, tolerance, rng, lamina, tmp_path):
    keras.config.set_dtype_policy(policy)
    lamina.request("set_dtype_policy", policy=policy)
    model, ours = compiled_pair(mlp, "SGD", {"learning_rate": 0.05}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, STEPS)
    drift, _ = train_both(model, ours, x, y, 16)
    print(f"{policy}: drift {drift.max():.1e}")
    assert drift.max() <= tolerance


@pytest.mark.parametrize("option,key", [("kernel_regularizer", "l2"), ("activity_regularizer", "l1"),
                                        ("kernel_constraint", "max_value")])
def test_another_number_drifts_beyond_the_tolerance(option, key, rng, lamina, tmp_path):
    """The comparison is not blind: one part in ten of each number shows."""
    model = mlp()
    values.randomize(model, rng)
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["config"][option]["config"][key] *= 1.1
    ours = lamina.from_json(json.dumps(config))
    model.save_weights(tmp_path / "initial.weights.h5")
    ours.load_weights(tmp_path / "initial.weights.h5")
    compile_both(model, ours, "SGD", {"learning_rate": 0.05})
    x, y = learnable(model, rng, 16, STEPS)
    drift, _ = train_both(model, ours, x, y, 16)
    assert drift.max() > 1e-4


def test_others_are_refused(lamina):
    """A model that asks for what Lamina lacks predicts, and is not trained to other weights."""
    x = keras.Input((3,))
    y = layers.Dense(5, activity_regularizer=regularizers.OrthogonalRegularizer(), name="head")(x)
    ours = lamina.from_json(keras.Model(x, y).to_json())
    assert ours.predict([np.ones((2, 3), "float32")])[0].shape == (2, 5)
    with pytest.raises(Exception, match="'head'.*activity_regularizer OrthogonalRegularizer.*not supported in training"):
        ours.compile("SGD", words(*LOSS))
