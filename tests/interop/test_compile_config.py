"""How a model was compiled: Keras's configurations of optimizers, schedules, losses and metrics, and of whole models,
are read by Lamina and written again as Keras writes them; and what one saved trains on in the other."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers
from keras.saving import deserialize_keras_object, serialize_keras_object

import values
from state import file_values
from test_training_parts import LOSSES, METRICS_WITH_OPTIONS, OPTIMIZERS, SCHEDULES

O, L, M = keras.optimizers, keras.losses, keras.metrics


def plain(config):
    """As a file has it: tuples are lists."""
    return json.loads(json.dumps(config))


def expect_rewritten(lamina, kind, thing):
    object_ = plain(serialize_keras_object(thing))
    ours = lamina.request("object", kind=kind, object=object_)["object"]
    assert ours == object_
    assert deserialize_keras_object(ours).get_config() == thing.get_config()


def make(module, name, options):
    return getattr(module, name)(**options)


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=str)
def test_optimizers(lamina, name, options):
    expect_rewritten(lamina, "optimizer", make(O, name, options))


def test_a_learning_rate_of_now_and_a_wrapped_optimizer(lamina, rng):
    adam = O.Adam(0.5, name="mine")
    adam.learning_rate = float(rng.uniform(0.1, 1))
    expect_rewritten(lamina, "optimizer", adam)
    expect_rewritten(lamina, "optimizer", O.LossScaleOptimizer(adam, initial_scale=64.0, dynamic_growth_steps=7))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_schedules(lamina, schedule):
    expect_rewritten(lamina, "schedule", schedule)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("name,options,_", LOSSES, ids=str)
def test_losses(lamina, name, options, _, reduction):
    expect_rewritten(lamina, "loss", make(L, name, options | {"reduction": reduction, "name": "mine"}))


def test_one_axis_becomes_a_list_of_it(lamina):
    given = serialize_keras_object(L.Dice(axis=-1))
    ours = lamina.request("object", kind="loss", object=given)["object"]
    given["config"]["axis"] = [-1]
    assert ours == given


# With defaults.
PLAIN_METRICS = [
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy", "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy", "RootMeanSquaredError", "LogCoshError", "CosineSimilarity", "PearsonCorrelation",
    "ConcordanceCorrelation", "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError", "BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy",
    "KLDivergence", "Poisson", "Hinge", "SquaredHinge", "CategoricalHinge",
]
MORE_METRICS = [
    ("BinaryAccuracy", {"threshold": 0.25}), ("TopKCategoricalAccuracy", {"k": 3}),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.125}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.25}),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}),
]


@pytest.mark.parametrize("name,options", [(name, {}) for name in PLAIN_METRICS] + MORE_METRICS
                         + [(name, options) for name, options, _ in METRICS_WITH_OPTIONS], ids=str)
def test_metrics(lamina, name, options):
    expect_rewritten(lamina, "metric", make(M, name, options))
    expect_rewritten(lamina, "metric", make(M, name, options | {"name": "mine"}))


@pytest.mark.parametrize("function,options", [
    (L.huber, {"delta": 0.5}), (L.log_cosh, {}), (L.cosine_similarity, {}),
    (L.binary_focal_crossentropy, {"apply_class_balancing": True, "alpha": 0.5, "gamma": 1.5, "from_logits": True,
                                   "label_smoothing": 0.125, "axis": -1}),
    (L.categorical_focal_crossentropy, {"alpha": 0.5, "gamma": 1.5, "from_logits": False, "label_smoothing": 0.125,
                                        "axis": -1}),
    (L.dice, {"axis": [1, 2]}), (L.tversky, {"alpha": 0.25, "beta": 0.75, "axis": None}),
    (L.circle, {"gamma": 4.0, "margin": 0.25, "remove_diagonal": False}), (L.ctc, {}),
    (L.categorical_generalized_cross_entropy, {"q": 0.25})], ids=str)
def test_means_of_losses_that_are_no_metrics_of_keras(lamina, function, options):
    expect_rewritten(lamina, "metric", M.MeanMetricWrapper(function, name="mine", **options))


def test_every_class_is_tried(lamina):
    """Lamina says what there is, and this file has a case of each."""
    tried = {"optimizer": {name for name, _ in OPTIMIZERS} | {"LossScaleOptimizer"},
             "loss": {name for name, *_ in LOSSES}, "schedule": {type(s).__name__ for s in SCHEDULES},
             "metric": set(PLAIN_METRICS) | {name for name, *_ in METRICS_WITH_OPTIONS}}
    classes = lamina.request("classes")
    for kind, names in tried.items():
        assert set(classes[kind]) <= names, kind


def mlp():
    x = keras.Input((6,), name="x")
    return keras.Model(x, layers.Dense(3, activation="softmax", name="kind")(layers.Dense(8, activation="tanh")(x)))


def two_outputs():
    x = keras.Input((6,), name="x")
    hidden = layers.Dense(8, activation="tanh")(x)
    return keras.Model(x, [layers.Dense(3, activation="softmax", name="kind")(hidden),
                           layers.Dense(1, name="number")(hidden)])


CATEGORIES = "sparse_categorical_crossentropy"


def compilations():
    """(model, what `compile` is given): one or several outputs, by order or by names, names or objects."""
    return {
        "names": (mlp, dict(optimizer="adam", loss=CATEGORIES, metrics=["accuracy", CATEGORIES])),
        "objects": (mlp, dict(optimizer=O.SGD(O.schedules.CosineDecay(0.1, 50), momentum=0.9, nesterov=True),
                              loss=L.SparseCategoricalCrossentropy(reduction="sum", name="mine"),
                              metrics=[M.SparseTopKCategoricalAccuracy(2), M.SparseCategoricalAccuracy(name="acc")])),
        "nothing to show": (mlp, dict(optimizer=O.AdamW(0.01, clipnorm=1.0, use_ema=True), loss=CATEGORIES)),
        "a weight": (mlp, dict(optimizer=O.RMSprop(0.01, centered=True), loss=[CATEGORIES], loss_weights=[0.5])),
        "in order": (two_outputs, dict(optimizer=O.Adafactor(0.05), loss=[CATEGORIES, L.Huber()],
                                       metrics=[["accuracy"], ["mae", M.RootMeanSquaredError()]],
                                       loss_weights=[1.0, 0.25])),
        "by name": (two_outputs, dict(optimizer=O.Lion(0.01), loss={"number": "mse", "kind": CATEGORIES},
                                      metrics={"number": ["mae"], "kind": "accuracy"},
                                      loss_weights={"number": 0.5, "kind": 2.0})),
        "weighted": (mlp, dict(optimizer="adam", loss=CATEGORIES, metrics=["accuracy"],
                               weighted_metrics=["accuracy", M.SparseTopKCategoricalAccuracy(2)])),
        "weighted by name": (two_outputs, dict(optimizer="sgd", loss=[CATEGORIES, "mse"],
                                               weighted_metrics={"number": ["mae", M.RootMeanSquaredError()]})),
        "regions": (mlp, dict(optimizer=O.SGD(0.1), loss="dice", metrics=["mse"])),
        "rows of regions": (mlp, dict(optimizer=O.SGD(0.1), loss=L.Tversky(alpha=0.25, axis=[-1]))),
        "neighbours": (mlp, dict(optimizer=O.SGD(0.01), loss=L.Circle(gamma=4.0))),
        "noisy labels": (mlp, dict(optimizer=O.SGD(0.1), loss=L.CategoricalGeneralizedCrossEntropy(0.75))),
        "one for all": (two_outputs, dict(optimizer=O.Adagrad(0.1), loss="mse", metrics=[[], ["mse"]])),
        "of its own": (mlp, dict(optimizer=O.Nadam(0.01), loss=CATEGORIES)),
        "strengths": (mlp, dict(optimizer=O.Ftrl(0.05, l1_regularization_strength=0.01, beta=0.5), loss=CATEGORIES)),
        "norms": (mlp, dict(optimizer=O.Lamb(0.01, weight_decay=0.1), loss=CATEGORIES)),
        "orthogonal": (mlp, dict(optimizer=O.Muon(0.01, exclude_layers=["out"], adam_weight_decay=None, rms_rate=None),
                                 loss=CATEGORIES)),
        "without a schedule": (mlp, dict(optimizer=O.ScheduleFreeAdamW(0.01, warmup_steps=3), loss=CATEGORIES)),
        "accumulated": (mlp, dict(optimizer=O.Adam(0.01, gradient_accumulation_steps=2, amsgrad=True), loss=CATEGORIES)),
    }


class Compiled:
    """A compiled model of Keras's after some steps, saved, and ours out of the archive."""

    def __init__(self, name, steps, rng, lamina, folder):
        build, arguments = compilations()[name]
        self.keras = build()
        values.randomize(self.keras, rng)
        self.keras.compile(**arguments)
        self.rng, self.outputs = rng, len(self.keras.outputs)
        self.number_for_all = name in ("one for all", "regions", "rows of regions")
        self.flat_labels = name == "noisy labels"  # Keras pairs labels (n, 1) with every prediction
        for _ in range(steps):
            self.step_of_keras(*self.batch())
        self.config = plain(self.keras.get_compile_config())
        self.keras.save(folder / "m.keras")
        self.ours = lamina.load_archive(folder / "m.keras")
        self.warnings = lamina.warnings

    def batch(self):
        x = self.rng.normal(size=(8, 6)).astype("float32")
        kind = self.rng.integers(0, 3, (8, 1)).astype("int32")
        if self.flat_labels:
            kind = kind[:, 0]
        if self.number_for_all:
            kind = self.rng.uniform(0, 1, (8, 3)).astype("float32")
        number = self.rng.normal(size=(8, 1)).astype("float32")
        return x, [kind, number][:self.outputs]

    def step_of_keras(self, x, y):
        return self.keras.train_on_batch(x, y if self.outputs > 1 else y[0], return_dict=True)


@pytest.mark.parametrize("name", compilations())
def test_a_compiled_model_goes_on(name, rng, lamina, tmp_path):
    run = Compiled(name, int(rng.integers(1, 5)), rng, lamina, tmp_path)
    assert run.warnings == []
    assert run.ours.compile_config() == run.config
    for _ in range(6):
        x, y = run.batch()
        theirs, ours = run.step_of_keras(x, y), run.ours.train_on_batch(x, y)
        assert sorted(ours) == sorted(theirs)
        for log, value in theirs.items():
            assert ours[log] == pytest.approx(float(value), rel=1e-5, abs=1e-5), log


@pytest.mark.parametrize("name", compilations())
def test_what_lamina_saved_goes_on_in_keras(name, rng, lamina, tmp_path):
    run = Compiled(name, 2, rng, lamina, tmp_path)
    for _ in range(3):
        run.ours.train_on_batch(*run.batch())
    run.ours.save(tmp_path / "ours.keras")
    with zipfile.ZipFile(tmp_path / "ours.keras") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
    run.keras = keras.models.load_model(tmp_path / "ours.keras")
    assert plain(run.keras.get_compile_config()) == run.config
    assert b"".join(np.asarray(w.value).tobytes() for w in run.keras.weights) == run.ours.values()
    for _ in range(4):
        x, y = run.batch()
        theirs, ours = run.step_of_keras(x, y), run.ours.train_on_batch(x, y)
        for log, value in theirs.items():
            assert ours[log] == pytest.approx(float(value), rel=1e-5, abs=1e-5), log


# Losses' names, of which Keras has no metrics.
@pytest.mark.parametrize("name", [
    "huber", "Huber", "log_cosh", "LogCosh", "kld", "KLD", "binary_focal_crossentropy", "BinaryFocalCrossentropy",
    "categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "dice", "Dice", "tversky", "Tversky"])
def test_metrics_by_names_that_keras_lacks(name, rng, lamina, tmp_path):
    with pytest.raises(ValueError, match="Could not interpret"):
        M.get(name)
    ours = lamina.from_json(mlp().to_json())
    ours.compile("SGD", "MeanSquaredError", [name, "mae"])
    x, y = rng.normal(size=(8, 6)).astype("float32"), rng.uniform(0, 1, (8, 3)).astype("float32")
    ours.train_on_batch(x, [y])
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras").train_on_batch(x, y, return_dict=True)
    logs = ours.train_on_batch(x, [y])
    assert sorted(logs) == sorted(theirs) and name in logs
    for log, value in theirs.items():
        assert logs[log] == pytest.approx(float(value), rel=1e-5, abs=1e-5), log


@pytest.mark.parametrize("name", compilations())
def test_a_configuration_compiles_the_model(name, rng, lamina):
    build, arguments = compilations()[name]
    model = build()
    model.compile(**arguments)
    ours = lamina.from_json(model.to_json())
    assert lamina.warnings == []
    config = plain(keras.models.model_from_json(model.to_json()).get_compile_config())
    assert ours.compile_config() == config
    # And what is made of the model is compiled alike.
    clone = ours.clone()
    assert lamina.warnings == []
    assert clone.to_json() == ours.to_json()
    assert clone.compile_config() == plain(keras.models.clone_model(model).get_compile_config()) == config


def test_a_model_writes_how_it_was_compiled(lamina):
    x = keras.Input((6,))
    inner = mlp()
    outer = keras.Model(x, inner(x))
    written = json.loads(lamina.from_json(outer.to_json()).to_json())
    assert written["compile_config"] == json.loads(outer.to_json())["compile_config"] == {}
    assert written["config"]["layers"][1]["compile_config"] == {}
    for name, (build, arguments) in compilations().items():
        model = build()
        model.compile(**arguments)
        theirs = keras.models.model_from_json(model.to_json()).to_json()
        assert (json.loads(lamina.from_json(theirs).to_json())["compile_config"]
                == json.loads(theirs)["compile_config"]), name


@pytest.mark.parametrize("steps", [1, 3])
def test_a_model_within_a_model_goes_on(steps, rng, lamina, tmp_path):
    """Both are compiled; what is trained is the one within."""
    x = keras.Input((6,))
    inner = mlp()
    outer = keras.Model(x, layers.Dense(2)(inner(x)))
    values.randomize(outer, rng)
    inner.compile("adam", CATEGORIES, metrics=["accuracy"])
    outer.compile(O.SGD(0.1, momentum=0.9), "mse")
    data = lambda: (rng.normal(size=(8, 6)).astype("float32"), rng.integers(0, 3, (8, 1)).astype("int32"))
    for _ in range(steps):
        inner.train_on_batch(*data())
    outer.optimizer.build(outer.trainable_variables)
    outer.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert lamina.warnings == []
    config = json.loads(ours.to_json())
    read = keras.models.load_model(tmp_path / "m.keras")
    assert config["compile_config"] == plain(read.get_compile_config())
    assert config["config"]["layers"][1]["compile_config"] == plain(read.layers[1].get_compile_config())
    # The state of both optimizers, to the bit.
    ours.save_weights(tmp_path / "ours.weights.h5")
    read.save_weights(tmp_path / "theirs.weights.h5")
    theirs = file_values(tmp_path / "theirs.weights.h5")
    assert any("functional/optimizer" in name for name in theirs)
    for name, value in file_values(tmp_path / "ours.weights.h5").items():
        np.testing.assert_array_equal(value, theirs.pop(name), err_msg=name)
    assert not theirs
    # And Keras goes on with what Lamina saved.
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    batch = data()
    assert again.layers[1].train_on_batch(*batch) == pytest.approx(inner.train_on_batch(*batch), rel=1e-6)


def test_a_configuration_with_what_lamina_lacks_leaves_the_model_uncompiled(lamina):
    model = mlp()
    model.compile("adam", Mine())
    ours = lamina.from_json(model.to_json())
    warning, = lamina.warnings
    assert "`compile()` was not called" in warning and "'Mine'" in warning and "model.json" in warning
    assert ours.compile_config() is None


def test_a_model_that_was_not_trained_begins(rng, lamina, tmp_path):
    run = Compiled("names", 0, rng, lamina, tmp_path)
    assert run.ours.compile_config() == run.config
    x, y = run.batch()
    assert run.ours.train_on_batch(x, y)["loss"] == pytest.approx(float(run.step_of_keras(x, y)["loss"]), rel=1e-5)


def test_schedule_free_begins_at_the_weights_that_are_loaded(rng, lamina, tmp_path):
    """As the model that was saved does; the one that Keras loads begins at the weights that it had before."""
    run = Compiled("without a schedule", 0, rng, lamina, tmp_path)
    for _ in range(4):
        x, y = run.batch()
        theirs = float(run.step_of_keras(x, y)["loss"])
        assert run.ours.train_on_batch(x, y)["loss"] == pytest.approx(theirs, rel=1e-5)


def test_what_lamina_writes_compiles_a_model_of_keras(rng, lamina, tmp_path):
    for name in compilations():
        run = Compiled(name, 1, rng, lamina, tmp_path)
        other = compilations()[name][0]()
        other.compile_from_config(run.ours.compile_config())
        assert plain(other.get_compile_config()) == run.config, name


class Mine(L.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_pred), axis=-1)


class MySGD(O.SGD):
    pass


@pytest.mark.parametrize("arguments,named", [
    (dict(loss=Mine()), "'Mine'"), (dict(loss="mse", optimizer=MySGD()), "'MySGD'"),
    (dict(loss="mse", metrics=[M.F1Score()]), "average"), (dict(optimizer="sgd"), "loss")], ids=["loss", "optimizer",
    "option", "no loss"])
def test_what_lamina_lacks_leaves_the_model_uncompiled(arguments, named, rng, lamina, tmp_path):
    model = mlp()
    model.compile(**arguments)
    model.save(tmp_path / "m.keras")
    ours = lamina.load_archive(tmp_path / "m.keras")
    assert "`compile()` was not called" in lamina.warnings[0] and named in lamina.warnings[0], lamina.warnings
    assert ours.compile_config() is None
    x = rng.normal(size=(4, 6)).astype("float32")
    np.testing.assert_allclose(ours.predict([x])[0], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_model_that_was_not_compiled_is_not(lamina, tmp_path):
    mlp().save(tmp_path / "m.keras")
    assert lamina.load_archive(tmp_path / "m.keras").compile_config() is None
    assert lamina.warnings == []
