"""Weights of samples, one for all outputs or one for each, in losses and weighted metrics; and validation at a list of
epochs."""

import keras
import numpy as np
import pytest
from keras import layers

import values
from lamina_driver import LaminaError
from test_fit import LOSS, compiled_pair, learnable, mlp, words
from test_outputs import LOSSES, TwoOutputs

SIZE = 20


@pytest.fixture
def two(rng, lamina, tmp_path):
    return TwoOutputs(rng, lamina, tmp_path)


def expect_equal(ours, theirs):
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=5e-5, atol=5e-6, err_msg=name)


def drawn(rng, kind):
    """Weights as Keras takes them of two outputs."""
    one = lambda *shape: rng.uniform(0, 2, (SIZE, *shape)).astype("float32")
    return {"all": one, "each": lambda: [one(), one(1)], "first": lambda: [one(), None],
            "last": lambda: [None, one(1)]}[kind]()


WEIGHTED = [["accuracy", "mae"], [["accuracy", "accuracy"], []], {"number": ["mse", "RootMeanSquaredError", "mae"]}]


@pytest.mark.parametrize("metrics", [[], ["accuracy", ["mae", "mae"]]], ids=str)
@pytest.mark.parametrize("weighted", WEIGHTED, ids=str)
@pytest.mark.parametrize("kind", ["all", "each", "first", "last"])
def test_two_outputs(kind, weighted, metrics, rng, two):
    two.compile(LOSSES, metrics, weighted_metrics=weighted)
    given = drawn(rng, kind)
    for _ in range(2):
        theirs = two.keras.train_on_batch(two.x, two.y, sample_weight=given, return_dict=True)
        expect_equal(two.ours.train_on_batch(two.x, two.y, sample_weight=given), theirs)
    theirs = two.keras.test_on_batch(two.x, two.y, sample_weight=given, return_dict=True)
    expect_equal(two.ours.test_on_batch(two.x, two.y, sample_weight=given), theirs)
    theirs = two.keras.evaluate(two.x, two.y, sample_weight=given, batch_size=8, verbose=0, return_dict=True)
    expect_equal(two.ours.evaluate(two.x, two.y, 8, sample_weight=given), theirs)
    validation = (two.x, two.y, drawn(rng, kind))
    theirs = two.keras.fit(two.x, two.y, sample_weight=given, validation_data=validation, batch_size=7, epochs=3,
                           validation_freq=[1, 3], shuffle=False, verbose=0).history
    ours = two.ours.fit(two.x, two.y, given, validation, batch_size=7, epochs=3, validation_freq=[1, 3])
    expect_equal(ours, theirs)
    assert len(ours["val_loss"]) == 2


def test_a_structure_that_does_not_match(rng, two):
    two.compile(LOSSES, [])
    weights = [rng.uniform(0, 2, SIZE).astype("float32")]
    words = "You should provide one `sample_weight` array per output in `y`. The two structures did not match:"
    with pytest.raises(ValueError, match=words):
        two.keras.evaluate(two.x, two.y, sample_weight=weights, verbose=0)
    with pytest.raises(LaminaError, match=words) as caught:
        two.ours.evaluate(two.x, two.y, 8, sample_weight=weights)
    assert caught.value.kind == "ValueError"


def test_weighted_metrics_that_are_not_of_the_outputs(two):
    two.compile(LOSSES, [], weighted_metrics={"nummer": ["mae"]})
    two.expect_refusal(r"Invalid `weighted_metrics`\. `weighted_metrics` should contain metrics objects and either be a "
                       r"dict or a list matching the output names of the functional model \['kind', 'number'\](?s:.*)"
                       r"Received: weighted_metrics=\{'nummer': \['mae'\]\}")


def test_class_weights(rng, lamina, tmp_path):
    model, ours = compiled_pair(mlp, "SGD", {}, rng, lamina, tmp_path)
    x, y = learnable(model, rng, 16, 3)
    classes = {0: 0.25, 2: 3.0}
    weighted = ["accuracy", "sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy"]
    model.compile("sgd", getattr(keras.losses, LOSS[0])(**LOSS[1]), metrics=["accuracy"], weighted_metrics=weighted)
    ours.compile("SGD", words(*LOSS), ["accuracy"], weighted_metrics=weighted)
    theirs = model.fit(x, y, class_weight=classes, batch_size=10, epochs=2, shuffle=False, verbose=0).history
    expect_equal(ours.fit(x, y, class_weight=classes, batch_size=10, epochs=2), theirs)


def test_rows_and_masks(rng, lamina, tmp_path):
    """In evaluation: in training Keras's metrics on JAX do not see masks."""
    x = keras.Input((5, 3))
    model = keras.Model(x, layers.Dense(2)(layers.LSTM(4, return_sequences=True)(layers.Masking(0.0)(x))))
    values.randomize(model, rng)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae", "mse"])
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    given = rng.normal(size=(SIZE, 5, 3)).astype("float32")
    given[np.arange(5) >= rng.integers(1, 6, (SIZE, 1))] = 0
    labels, weights = (rng.uniform(0, 2, (SIZE, 5, *more)).astype("float32") for more in ((2,), ()))
    for batch_size in (SIZE, 6):
        theirs = model.evaluate(given, labels, sample_weight=weights, batch_size=batch_size, verbose=0,
                                return_dict=True)
        expect_equal(ours.evaluate(given, labels, batch_size, sample_weight=weights), theirs)
