"""Activations that are layers, such as Dense(activation=layers.LeakyReLU()), stand in weights files as Keras has them."""

import keras
import numpy as np
import pytest
from keras import layers

import values
from h5_compare import file_differences


def image(*stack):
    return keras.Sequential([keras.Input((6, 6, 3)), *stack])


def sequence(*stack):
    return keras.Sequential([keras.Input((5, 3)), *stack])


def shared():
    function = layers.LeakyReLU(0.2)
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=function), layers.Dense(2, activation=function)])


MODELS = {
    "dense": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=layers.LeakyReLU(0.1))]),
    "activation": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Activation(layers.ReLU(6.0)), layers.Dense(2, activation=layers.Activation("tanh"))]),
    "activation of an activation": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Dense(2, activation=layers.Activation(layers.ELU(0.5)))]),
    "convolutions": lambda: image(
        layers.Conv2D(2, 2, activation=layers.ELU()), layers.DepthwiseConv2D(2, activation=layers.ReLU()),
        layers.SeparableConv2D(3, 2, activation=layers.LeakyReLU()),
        layers.Conv2DTranspose(2, 2, activation=layers.Softmax(axis=-1))),
    "einsum": lambda: sequence(layers.EinsumDense("abc,cd->abd", output_shape=(None, 2), activation=layers.LeakyReLU())),
    "simple rnn": lambda: sequence(layers.SimpleRNN(2, activation=layers.ReLU(1.0))),
    "lstm": lambda: sequence(layers.LSTM(2, activation=layers.LeakyReLU(), recurrent_activation=layers.ReLU(1.0))),
    "gru": lambda: sequence(layers.GRU(2, recurrent_activation=layers.ReLU(1.0))),
    "rnn": lambda: sequence(
        layers.RNN(layers.LSTMCell(2, activation=layers.LeakyReLU(), recurrent_activation=layers.ReLU(1.0)))),
    "rnn of several cells": lambda: sequence(
        layers.RNN([layers.GRUCell(3, activation=layers.ELU()), layers.SimpleRNNCell(2, activation=layers.ReLU(1.0))])),
    "bidirectional": lambda: sequence(
        layers.Bidirectional(layers.GRU(2, activation=layers.ELU(), recurrent_activation=layers.ReLU(1.0)))),
    "shared": shared,
}


@pytest.mark.parametrize("name", MODELS)
def test_trees_of_activation_layers(name, rng, lamina, tmp_path):
    # As read again, since a configuration does not tell that one layer is the activation of several.
    model = keras.models.model_from_json(MODELS[name]().to_json())
    values.randomize(model, rng)
    model.save_weights(tmp_path / "keras.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "keras.weights.h5")
    assert lamina.warnings == []
    ours.save_weights(tmp_path / "ours.weights.h5", seal=False)
    assert file_differences(tmp_path / "keras.weights.h5", tmp_path / "ours.weights.h5") == []
    # What Lamina writes of the model makes one with the same names.
    twin = keras.models.model_from_json(ours.to_json())
    twin.load_weights(tmp_path / "ours.weights.h5")
    twin.save_weights(tmp_path / "twin.weights.h5")
    assert file_differences(tmp_path / "keras.weights.h5", tmp_path / "twin.weights.h5") == []
    x = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(ours.predict([x])[0], np.asarray(model(x)), rtol=1e-5, atol=1e-5)
