"""Writes model.h5, a whole model as Keras 2 saves it, and what it makes of images.npy and ids.npy.

Run with TensorFlow and tf_keras 2.21, the last of Keras 2: python make_data.py
"""

import pathlib

import numpy as np
import tf_keras as keras

HERE = pathlib.Path(__file__).parent
L = keras.layers


def model():
    images, ids = keras.Input((8, 8, 2), name="images"), keras.Input((5,), dtype="int32", name="ids")
    x = L.Conv2D(4, 3, activation="relu", padding="same", kernel_regularizer="l2", name="conv")(images)
    x = L.BatchNormalization(name="bn")(x)
    x = L.MaxPooling2D()(L.SeparableConv2D(4, 3, name="separable")(x))
    stack = keras.Sequential([keras.Input((3, 3, 4)), L.Flatten(), L.Dense(6, activation="tanh")], name="stack")
    z = keras.Input((6,))
    nested = keras.Model(z, L.Dense(6)(z), name="nested")
    words = L.Embedding(20, 6, mask_zero=True, input_length=5, name="words")(ids)
    words = L.Bidirectional(L.LSTM(3, return_sequences=True), name="both_ways")(words)
    x = L.Add()([nested(stack(x)), nested(L.GRU(6, name="gru")(words))])
    x = L.Dropout(0.3)(L.LayerNormalization(name="normalized")(L.LeakyReLU(alpha=0.2)(x)))
    return keras.Model([images, ids], L.Dense(3, activation="softmax", name="classes")(x))


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    made = model()
    made.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    inputs = [rng.normal(size=(4, 8, 8, 2)).astype("float32"), rng.integers(0, 20, (4, 5)).astype("int32")]
    made.fit(inputs, rng.integers(0, 3, 4), epochs=2, verbose=0)
    made.save(HERE / "model.h5", save_format="h5")
    for name, array in zip(("images", "ids", "predictions"), (*inputs, made.predict(inputs, verbose=0)), strict=True):
        np.save(HERE / f"{name}.npy", array)
