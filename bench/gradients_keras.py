"""Times forward and backward of a model in training mode in Keras on JAX, compiled: what bench_gradients
does in Lamina."""

import argparse
import json
import os
import time

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import keras
import numpy as np
from keras import layers


def convnet(size):
    x = y = keras.Input((size, size, 3))
    for filters in (32, 64, 128):
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        y = layers.MaxPooling2D(2)(layers.Activation("relu")(y))
    y = layers.Dense(128, activation="relu")(layers.Flatten()(y))
    return keras.Model(x, layers.Dense(10)(y))


def recurrent(layer, steps):
    x = keras.Input((steps, 32))
    return keras.Model(x, layer(64)(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="EfficientNetV2B0")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    if options.model == "convnet":
        model = convnet(options.size)
    elif options.model in ("lstm", "gru"):
        model = recurrent({"lstm": layers.LSTM, "gru": layers.GRU}[options.model], options.size)
    else:
        model = getattr(keras.applications, options.model)(
            weights=None, input_shape=(options.size, options.size, 3), classifier_activation=None)
    images = jax.numpy.asarray(np.random.default_rng(7).normal(
        size=(options.batch, *model.inputs[0].shape[1:])).astype("float32"))
    seed = jax.numpy.ones((options.batch, model.outputs[0].shape[-1]), "float32")

    def loss(trainable, others, x):
        y, after = model.stateless_call(trainable, others, x, training=True)
        return (y * seed).sum(), after

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    trainable = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]
    times = []
    for _ in range(options.runs + 1):
        begin = time.perf_counter()
        (_, others), gradients = step(trainable, others, images)
        jax.block_until_ready(gradients)
        times.append(1e3 * (time.perf_counter() - begin))
    times = sorted(times[1:])
    print(json.dumps({"engine": "keras-jax", "model": options.model, "batch": options.batch, "size": options.size,
                      "step_ms": round(times[len(times) // 2], 1), "best_step_ms": round(times[0], 1)}))


main()
