"""Losses, their weights and metrics of models with two outputs: Keras's lists and dictionaries."""

import keras
import numpy as np
import pytest
from keras import layers

import values
from lamina_driver import LaminaError

LOSSES = ["sparse_categorical_crossentropy", "mse"]
LOSSES_BY_NAME = {"number": "mse", "kind": "sparse_categorical_crossentropy"}


class TwoOutputs:
    """A model of Keras's with outputs "kind", of classes, and "number", ours with the same weights, and data."""

    def __init__(self, rng, lamina, folder):
        x = keras.Input((6,))
        outputs = [layers.Dense(7, activation="softmax", name="kind")(x), layers.Dense(1, name="number")(x)]
        self.keras = keras.Model(x, outputs)
        values.randomize(self.keras, rng)
        self.ours = lamina.from_json(self.keras.to_json())
        self.keras.save_weights(folder / "m.weights.h5")
        self.ours.load_weights(folder / "m.weights.h5")
        self.x = rng.normal(size=(20, 6)).astype("float32")
        self.y = [rng.integers(0, 7, 20).astype("int32"), rng.normal(size=(20, 1)).astype("float32")]

    def compile(self, losses, metrics, **more):
        self.keras.compile("sgd", losses, metrics=metrics, **more)
        self.ours.compile("SGD", losses, metrics, **more)

    def evaluate(self):
        theirs = self.keras.evaluate(self.x, self.y, batch_size=8, verbose=0, return_dict=True)
        return theirs, self.ours.evaluate(self.x, self.y, batch_size=8)

    def expect_equal_logs(self):
        theirs, got = self.evaluate()
        assert sorted(got) == sorted(theirs)
        for name, value in theirs.items():
            assert got[name] == pytest.approx(float(value), rel=2e-5, abs=2e-6), name

    def expect_refusal(self, words):
        """Of both, in the same words."""
        with pytest.raises(ValueError, match=words):
            self.keras.evaluate(self.x, self.y, verbose=0)
        with pytest.raises(LaminaError, match=words) as caught:
            self.ours.evaluate(self.x, self.y, batch_size=8)
        assert caught.value.kind == "ValueError"


@pytest.fixture
def two(rng, lamina, tmp_path):
    return TwoOutputs(rng, lamina, tmp_path)


# One entry for each, lists, none for one of them, objects' names; by name for all or some, in another order.
METRICS = [["accuracy", "mae"], [["ACC", "sparse_top_k_categorical_accuracy"], ["mse", "MeanAbsoluteError"]],
           [[], ["mse", "mse"]], [["SparseCategoricalAccuracy"], []],
           {"number": ["mae", "mse"], "kind": ["accuracy"]}, {"number": ["mse", "mse"]}, {"kind": []}]


@pytest.mark.parametrize("metrics", METRICS, ids=str)
def test_metrics(metrics, two):
    two.compile(LOSSES, metrics)
    two.expect_equal_logs()


@pytest.mark.parametrize("weights", [None, [0.25, 2.0], {"number": 2.0, "kind": 0.25},
                                     {"number": 2.0, "kind": 0.25, "other": 9.0}], ids=str)
def test_losses_by_name(weights, two):
    two.compile(LOSSES_BY_NAME, {"kind": ["accuracy"]}, **({"loss_weights": weights} if weights else {}))
    two.expect_equal_logs()


@pytest.mark.parametrize("metrics", [["mae"], {"kind": ["accuracy"], "nummer": ["mae"]}], ids=str)
def test_metrics_that_are_not_of_the_outputs(metrics, two):
    two.compile(LOSSES, metrics)
    received = str(metrics).replace("[", r"\[").replace("]", r"\]").replace("{", r"\{")
    two.expect_refusal(r"Invalid `metrics`\. `metrics` should contain metrics objects and either be a dict or a list "
                       r"matching the output names of the functional model \['kind', 'number'\](?s:.*)"
                       f"Received: metrics={received}")


@pytest.mark.parametrize("keys", [["kind"], ["kind", "nummer"]], ids=str)
def test_losses_that_are_not_of_the_outputs(keys, two):
    two.compile({key: "mse" for key in keys}, [])
    two.expect_refusal(r"Expected keys \['kind', 'number'\] in loss dict, but found loss\.keys\(\)=\["
                       + ", ".join(f"'{key}'" for key in keys))


# Losses, weights and metrics of outputs in a dict: by its keys, or in the order of the sorted keys.
OF_A_DICT = [({"sort": LOSSES[0], "count": "mse"}, {"sort": 0.25, "count": 2.0}, {"sort": ["accuracy"], "count": ["mae"]}),
             ({"count": "mse", "sort": LOSSES[0]}, None, {"sort": "accuracy"}),
             (["mse", LOSSES[0]], [2.0, 0.25], [["mae", "mse"], []]), ({"sort": LOSSES[0], "count": "mae"}, None, [])]


@pytest.mark.parametrize("losses,weights,metrics", OF_A_DICT, ids=str)
def test_outputs_in_a_dict(losses, weights, metrics, rng, lamina, tmp_path):
    """They have their keys for names, and not those of the layers; also where Keras's archive says how it was
    compiled."""
    two = TwoOutputs(rng, lamina, tmp_path)
    kind, number = two.keras.outputs
    two.keras = keras.Model(two.keras.input, {"sort": kind, "count": number})
    two.keras.compile("sgd", losses, metrics=metrics or None, loss_weights=weights)
    two.keras.save(tmp_path / "m.keras")
    two.ours = lamina.load_archive(tmp_path / "m.keras")
    for steps in range(3):
        got = two.ours.train_on_batch(two.x, two.y[::-1])
        theirs = two.keras.train_on_batch(two.x, {"sort": two.y[0], "count": two.y[1]}, return_dict=True)
        assert sorted(got) == sorted(theirs)
        assert "sort_loss" in got
        for name, value in theirs.items():
            assert got[name] == pytest.approx(float(value), rel=2e-5, abs=2e-6), (steps, name)


# A loss, its weights and metrics, by the output's name and by others.
OF_ONE = [("mse", {"other": 0.5}, {"another": ["mae", "mse"]}), ("mse", [0.5], ["mae"]),
          ({"only": "mse"}, {"only": 0.25, "other": 9.0}, {"only": ["mae"], "other": ["mse"]}),
          ("mse", None, {"other": "mae"})]


@pytest.mark.parametrize("losses,weights,metrics", OF_ONE, ids=str)
def test_one_output(losses, weights, metrics, rng, lamina, tmp_path):
    one = TwoOutputs(rng, lamina, tmp_path)
    x = keras.Input((6,))
    one.keras = keras.Model(x, layers.Dense(1, name="only")(x))
    one.ours = lamina.from_json(one.keras.to_json())
    one.keras.save_weights(tmp_path / "one.weights.h5")
    one.ours.load_weights(tmp_path / "one.weights.h5")
    one.y = one.y[1]
    one.compile(losses, metrics, **({"loss_weights": weights} if weights else {}))
    one.expect_equal_logs()
