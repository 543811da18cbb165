"""The loss CTC: by itself, of labels of all kinds, and in models of sequences, against Keras on JAX."""

import jax
import keras
import numpy as np
import pytest
from keras import layers

import tolerances
import values
from test_training_parts import described, labels_in_order, read

STEPS, FEATURES, CLASSES = 9, 4, 5


@pytest.mark.parametrize("steps", [1, 2, 3, 60])
def test_any_labels_in_any_number_of_steps(lamina, rng, steps, monkeypatch):
    """More than the steps can give, too, and zeros among them; Keras's operation is kept from float32, for what cannot
    be costs 1e5, beside which that rounds the rest away."""
    monkeypatch.setattr(keras.src.backend, "result_type", lambda *dtypes: "float64")
    rows, classes = int(rng.integers(1, 9)), int(rng.integers(2, 6))
    y_true = rng.integers(0, classes, (rows, int(rng.integers(1, 9)))).astype("int32")
    y_pred = rng.normal(0, 3, (rows, steps, classes)).astype("float32")
    loss = lambda p: keras.ops.sum(keras.ops.ctc_loss(y_true, p, (y_true != 0).sum(-1), np.full(rows, steps)))
    expected, gradient = jax.value_and_grad(loss)(y_pred.astype("float64"))
    assert expected.dtype == gradient.dtype == "float64"
    reply = lamina.request("loss", loss="CTC:reduction=sum", y_true=described(lamina, "y", y_true),
                           y_pred=described(lamina, "p", y_pred), output=str(lamina.scratch / "gradient.bin"))
    np.testing.assert_allclose(reply["value"], float(expected), rtol=1e-6)
    np.testing.assert_allclose(read(reply["gradient"]), np.asarray(gradient), rtol=1e-5, atol=1e-6)
    monkeypatch.undo()
    assert reply["value"] == pytest.approx(float(keras.losses.CTC(reduction="sum")(y_true, y_pred)), rel=1e-4, abs=1e-5)


def reader():
    x = keras.Input((STEPS, FEATURES))
    return keras.Model(x, layers.Dense(CLASSES)(layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)))


@pytest.fixture
def pair(rng, lamina, tmp_path):
    """A compiled model of Keras's, and ours out of its archive."""
    model = reader()
    values.randomize(model, rng)
    model.compile(keras.optimizers.ScheduleFreeAdamW(0.01, warmup_steps=4), "ctc")
    model.train_on_batch(*data(rng, 4))
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    return model, ours


def data(rng, rows):
    return rng.normal(size=(rows, STEPS, FEATURES)).astype("float32"), labels_in_order(rng, rows, STEPS, CLASSES)


def test_a_model_of_sequences_trains_alike(pair, rng, tmp_path):
    """Steps, runs with weights of samples, and evaluation; and back in Keras."""
    model, ours = pair
    assert ours.compile_config()["loss"] == model.get_compile_config()["loss"] == "ctc"
    for _ in range(10):
        x, y = data(rng, 6)
        theirs = float(model.train_on_batch(x, y, return_dict=True)["loss"])
        assert ours.train_on_batch(x, y)["loss"] == pytest.approx(theirs, rel=tolerances.TRAINING["float32"])
    x, y = data(rng, 11)
    weight = rng.uniform(0, 2, 11).astype("float32")
    options = dict(batch_size=4, epochs=2)
    theirs = model.fit(x, y, sample_weight=weight, shuffle=False, verbose=0, **options).history["loss"]
    got = ours.fit(x, y, sample_weight=weight, **options)["loss"]
    assert got == pytest.approx(theirs, rel=tolerances.TRAINING["float32"])
    assert ours.evaluate(x, y, 4)["loss"] == pytest.approx(model.evaluate(x, y, batch_size=4, verbose=0), rel=1e-4)
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    x, y = data(rng, 6)
    assert float(again.train_on_batch(x, y)) == pytest.approx(ours.train_on_batch(x, y)["loss"], rel=1e-4)


@pytest.mark.parametrize("shape,logits", [((4,), (4, 3, 2)), ((4, 3, 1), (4, 3, 2)), ((4, 3), (4, 2)), ((4, 3), (4, 3, 1))], ids=str)
def test_what_does_not_fit_is_refused_in_keras_words(shape, logits, lamina):
    y_true, y_pred = np.ones(shape, "int32"), np.zeros(logits, "float32")
    with pytest.raises(ValueError) as theirs:
        keras.losses.CTC()(y_true, y_pred)
    with pytest.raises(Exception) as ours:
        lamina.request("loss", loss="CTC", y_true=described(lamina, "y", y_true), y_pred=described(lamina, "p", y_pred))
    assert str(theirs.value).split(" Received")[0] in str(ours.value)
