"""Losses, metrics, schedules and optimizers, each by itself, against Keras on random inputs."""

import re

import jax
import keras
import numpy as np
import pytest

# Keras computes in float32 throughout; so does Lamina, with sums in another order.
CLOSE = dict(rtol=2e-5, atol=2e-6)


def described(lamina, name, array):
    path = lamina.scratch / f"{name}.bin"
    array = np.asarray(array, order="C")  # ascontiguousarray would make a scalar an array of one
    path.write_bytes(array.tobytes())
    return {"path": str(path), "shape": list(array.shape), "dtype": array.dtype.name}


def read(description):
    array = np.fromfile(description["path"], np.dtype(description["dtype"]))
    return array.reshape(description["shape"])


def words(class_name, options):
    """"Adam:learning_rate=0.1,amsgrad=true"; an object of Keras in parentheses."""
    def value(v):
        if isinstance(v, bool):
            return str(v).lower()
        if isinstance(v, str):
            return v
        if isinstance(v, (list, tuple)):
            return "[" + " ".join(x if isinstance(x, str) else repr(x) for x in v) + "]"
        if isinstance(v, tuple(SCHEDULE_CLASSES)):
            config = {k: x for k, x in v.get_config().items() if k != "name" and x is not None}
            return words(type(v).__name__, config).replace(":", "(", 1) + ")"
        return repr(v)
    return f"{class_name}:" + ",".join(f"{k}={value(v)}" for k, v in options.items())


S = keras.optimizers.schedules
SCHEDULE_CLASSES = [S.ExponentialDecay, S.InverseTimeDecay, S.PiecewiseConstantDecay, S.PolynomialDecay,
                    S.CosineDecay, S.CosineDecayRestarts]

LOSSES = [
    ("MeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("Huber", {}, "real"),
    ("Huber", {"delta": 0.3}, "real"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary"),
    ("CategoricalCrossentropy", {}, "one-hot"),
    ("CategoricalCrossentropy", {"from_logits": True}, "one-hot"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "one-hot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.3}, "one-hot"),
    ("SparseCategoricalCrossentropy", {}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, "classes"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "real"),
    ("LogCosh", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("Poisson", {}, "positive"),
    ("KLDivergence", {}, "positive"),
    ("Hinge", {}, "real"),
    ("Hinge", {}, "hinge"),
    ("SquaredHinge", {}, "real"),
    ("SquaredHinge", {}, "hinge"),
    ("CategoricalHinge", {}, "hinge"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "gamma": 1.5, "label_smoothing": 0.1}, "binary"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4}, "binary"),
    ("CategoricalFocalCrossentropy", {}, "one-hot"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.5, "gamma": 3.0}, "one-hot"),
    ("CategoricalFocalCrossentropy", {"label_smoothing": 0.2}, "one-hot"),
    ("CategoricalGeneralizedCrossEntropy", {}, "likely classes"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.8}, "likely classes"),
    *[("Dice", options, "region") for options in ({}, {"axis": [-1]}, {"axis": [0]}, {"axis": [0, -1]}, {"axis": []})],
    *[("Tversky", options, "region") for options in
      ({}, {"alpha": 0.3, "beta": 0.9}, {"alpha": 0.2, "axis": [-1]}, {"beta": 0.2, "axis": [0]})],
    ("Circle", {"gamma": 2.0}, "circle"),
    ("Circle", {"gamma": 2.0, "margin": 0.25, "remove_diagonal": False}, "circle"),
    ("Circle", {"gamma": 2.0, "remove_diagonal": False}, "circle"),
    ("CTC", {}, "ctc"),
]


def draw_rows(kind, rng):
    """All axes of predictions but the last."""
    return tuple(int(n) for n in rng.integers(1, 7, {"circle": 1, "ctc": 2}.get(kind, rng.integers(1, 3))))


def labels_in_order(rng, rows, steps, classes):
    """Of one class to classes - 1 each, padded with zeros, as many as so many steps can give."""
    labels = np.zeros((rows, steps), "int32")
    for row in labels:
        needed = 0
        for i, label in enumerate(rng.integers(1, classes, int(rng.integers(0, steps + 1)))):
            needed += 2 if i and label == row[i - 1] else 1
            if needed > steps:
                break
            row[i] = label
    return labels


def draw_labels(kind, rng, rows, classes):
    if kind == "real":
        return rng.normal(size=(*rows, classes)).astype("float32")
    if kind == "positive":
        return rng.uniform(0.01, 1.5, (*rows, classes)).astype("float32")
    if kind in ("binary", "hinge", "region"):
        return rng.integers(0, 2, (*rows, classes)).astype("float32")
    if kind == "circle":
        return rng.integers(0, 3, rows).astype("int32")
    if kind == "ctc":
        return labels_in_order(rng, *rows, classes)
    labels = rng.integers(0, classes, rows)
    return np.eye(classes, dtype="float32")[labels] if kind == "one-hot" else labels.astype("int32")


def draw_predictions(kind, options, rng, rows, classes):
    if kind in ("positive", "likely classes"):
        return rng.uniform(0.01, 1.5, (*rows, classes)).astype("float32")
    if kind == "circle":
        return rng.normal(0, 0.4, (*rows, classes)).astype("float32")  # some products are above 1
    if kind in ("real", "hinge", "ctc") or options.get("from_logits"):
        p = rng.normal(0, 3, (*rows, classes)).astype("float32")
        if kind == "hinge":
            p[(0,) * len(rows)] = 0  # all equally great
        return p
    p = rng.uniform(0.001, 0.999, (*rows, classes)).astype("float32")
    if kind not in ("binary", "region") and rng.integers(2):
        p /= p.sum(-1, keepdims=True)
    p[(0,) * len(rows)] = np.eye(classes, dtype="float32")[0]  # clipped on both sides
    return p


def shape_of_weights(kind, options, shape):
    """One a row; one scalar, whatever it is of, takes any."""
    if kind == "ctc":
        return shape[:1]
    axes = [axis % len(shape) for axis in options.get("axis", [-1])]
    kept = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    return kept if kept else shape[:-1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name,options,kind", LOSSES, ids=lambda v: str(v))
def test_losses_and_their_gradients(lamina, rng, name, options, kind, weighted):
    rows = draw_rows(kind, rng)
    classes = int(rng.integers(2, 12))
    y_true = draw_labels(kind, rng, rows, classes)
    y_pred = draw_predictions(kind, options, rng, rows, classes)
    weight = rng.uniform(0, 2, shape_of_weights(kind, options, y_pred.shape)).astype("float32") if weighted else None
    loss = getattr(keras.losses, name)(**options)
    expected, gradient = jax.jit(jax.value_and_grad(lambda p: loss(y_true, p, weight)))(y_pred)
    request = dict(loss=words(name, options), y_true=described(lamina, "y_true", y_true),
                   y_pred=described(lamina, "y_pred", y_pred), output=str(lamina.scratch / "gradient.bin"))
    if weighted:
        request["sample_weight"] = described(lamina, "weight", weight)
    reply = lamina.request("loss", **request)
    np.testing.assert_allclose(reply["value"], float(expected), **CLOSE)
    gradient = np.asarray(gradient)
    scale = max(1e-3, float(np.abs(gradient).max()))
    np.testing.assert_allclose(read(reply["gradient"]) / scale, gradient / scale, **CLOSE)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("shape", [(1,), (5,), (5, 1), (5, 3)], ids=str)
@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_one_loss_of_a_batch_takes_weights_of_any_shape(lamina, rng, name, shape, reduction):
    y_true, y_pred = rng.integers(0, 2, (5, 3, 2)).astype("float32"), rng.uniform(0, 1, (5, 3, 2)).astype("float32")
    weight = rng.uniform(0, 2, shape).astype("float32")
    loss = getattr(keras.losses, name)(reduction=reduction)
    expected, gradient = jax.value_and_grad(lambda p: loss(y_true, p, weight))(y_pred)
    reply = lamina.request("loss", loss=words(name, {"reduction": reduction}), y_true=described(lamina, "y", y_true),
                           y_pred=described(lamina, "p", y_pred), sample_weight=described(lamina, "w", weight),
                           output=str(lamina.scratch / "gradient.bin"))
    np.testing.assert_allclose(reply["value"], float(expected), **CLOSE)
    np.testing.assert_allclose(read(reply["gradient"]), np.asarray(gradient), **CLOSE)


@pytest.mark.parametrize("normalized", [False, True])
def test_circles_of_keras_gamma(lamina, rng, normalized):
    """Exponents are 80 times as large as what float32 rounds."""
    rows, size = int(rng.integers(6, 40)), int(rng.integers(3, 40))
    y_true, y_pred = rng.integers(0, 4, (rows, 1)).astype("int32"), rng.normal(0, 0.3, (rows, size)).astype("float32")
    if normalized:
        y_pred /= np.linalg.norm(y_pred, axis=-1, keepdims=True)
    weight = rng.uniform(0, 2, rows).astype("float32")
    loss = keras.losses.Circle()
    expected, gradient = jax.value_and_grad(lambda p: loss(y_true, p, weight))(y_pred)
    reply = lamina.request("loss", loss="Circle", y_true=described(lamina, "y", y_true),
                           y_pred=described(lamina, "p", y_pred), sample_weight=described(lamina, "w", weight),
                           output=str(lamina.scratch / "gradient.bin"))
    np.testing.assert_allclose(reply["value"], float(expected), rtol=1e-4, atol=1e-5)
    scale = max(1e-3, float(np.abs(gradient).max()))
    np.testing.assert_allclose(read(reply["gradient"]) / scale, np.asarray(gradient) / scale, rtol=1e-3, atol=2e-4)


def result_of_keras(metric, batches):
    """After the updates with these (y_true, y_pred, weight), which are one program: called one by one, every operation
    would be compiled for the shapes of every batch. (R2Score's result asks for a value, which a program cannot.)"""
    if getattr(metric, "_built", True) is False:
        metric._build(batches[0][0].shape, batches[0][1].shape)

    @jax.jit
    def updated(variables, batches):
        for batch in batches:
            variables = metric.stateless_update_state(variables, *batch)
        return variables

    return float(metric.stateless_result(updated([v.value for v in metric.variables], batches)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name,options,kind", [("dice", {"axis": [1, 2]}, "region"), ("dice", {}, "region"),
                                               ("tversky", {"alpha": 0.25, "axis": [-1]}, "region"),
                                               ("circle", {"gamma": 4.0}, "circle"), ("ctc", {}, "ctc"),
                                               ("categorical_generalized_cross_entropy", {"q": 0.75}, "likely classes")],
                         ids=str)
def test_means_of_losses_that_are_no_metrics_of_keras(lamina, rng, name, options, kind, weighted):
    if weighted and name == "dice" and not options:
        pytest.skip("one number for a batch, which Keras's mean gives no weights")
    metric, batches, given = keras.metrics.MeanMetricWrapper(getattr(keras.losses, name), **options), [], []
    for i in range(3):
        rows = tuple(int(n) for n in rng.integers(2, 7, 1 if kind == "circle" else 2))
        y_true, y_pred = draw_labels(kind, rng, rows, 3), draw_predictions(kind, options, rng, rows, 3)
        batch = {"y_true": described(lamina, f"t{i}", y_true), "y_pred": described(lamina, f"p{i}", y_pred)}
        weight = rng.uniform(0, 2, rows[:1]).astype("float32") if weighted else None
        if weighted:
            batch["sample_weight"] = described(lamina, f"w{i}", weight)
        given.append((y_true, y_pred, weight))
        batches.append(batch)
    word = {"dice": "Dice", "tversky": "Tversky", "circle": "Circle", "ctc": "CTC"}.get(name, "CategoricalGeneralizedCrossEntropy")
    reply = lamina.request("metric", metric=words(word, options), batches=batches)
    np.testing.assert_allclose(reply["result"], result_of_keras(metric, given), rtol=1e-4, atol=1e-5)


METRICS = [("accuracy", "binary-one"), ("accuracy", "one-hot"), ("ACC", "classes"), ("binary_accuracy", "binary"),
           ("Accuracy", "one-hot"), ("acc", "classes"), ("SparseCategoricalAccuracy", "classes"), ("MSE", "real"),
           ("CategoricalAccuracy", "one-hot"), ("MeanAbsoluteError", "real"),
           ("categorical_accuracy", "one-hot"), ("sparse_categorical_accuracy", "classes"),
           ("top_k_categorical_accuracy", "one-hot"), ("sparse_top_k_categorical_accuracy", "classes"),
           ("mse", "real"), ("mae", "real"), ("mape", "real"), ("MSLE", "real"), ("poisson", "positive"),
           ("kl_divergence", "positive"), ("hinge", "hinge"), ("SquaredHinge", "real"), ("categorical_hinge", "one-hot"),
           ("root_mean_squared_error", "real"), ("cosine_similarity", "real"), ("LogCoshError", "real"),
           ("pearson_correlation", "real"), ("ConcordanceCorrelation", "real")]


# The axes of a batch's rows, and which of them weights have. Losses take no weights that broadcast along samples.
WEIGHTS = [(1, "none"), (1, "samples"), (2, "none"), (2, "samples"), (2, "rows"), (2, "broadcast")]


@pytest.mark.parametrize("name,kind,axes,weights", [(*metric, *weights) for metric in METRICS for weights in WEIGHTS
                                                    if weights[1] != "broadcast" or metric[1] not in ("real", "positive", "hinge")
                                                    and metric[0] != "categorical_hinge"])
def test_metrics_over_batches(lamina, rng, name, kind, axes, weights):
    """Batches of other sizes along every axis of the rows: a sample counts as one, however many rows it has."""
    classes = 1 if kind == "binary-one" else int(rng.integers(7, 12))
    batches, given, metric = [], [], None
    for i in range(3):
        rows = tuple(int(n) for n in rng.integers(1, 9, axes))
        y_true = draw_labels(kind.split("-one")[0] if kind == "binary-one" else kind, rng, rows, classes)
        y_pred = rng.uniform(0, 1, (*rows, classes)).astype("float32")
        batch = {"y_true": described(lamina, f"t{i}", y_true), "y_pred": described(lamina, f"p{i}", y_pred)}
        shape = {"none": None, "samples": rows[:1], "rows": rows, "broadcast": (1, *rows[1:])}[weights]
        weight = None if shape is None else rng.uniform(0, 2, shape).astype("float32")
        if weight is not None:
            batch["sample_weight"] = described(lamina, f"w{i}", weight)
        if metric is None:
            from keras.src.trainers.compile_utils import get_metric
            metric = get_metric(name, y_true, y_pred)
        given.append((y_true, y_pred, weight))
        batches.append(batch)
    reply = lamina.request("metric", metric=name, batches=batches)
    np.testing.assert_allclose(reply["result"], result_of_keras(metric, given), **CLOSE)
    assert reply["name"] == metric.name == name


# Weights are one a sample.
METRICS_WITH_OPTIONS = [
    *[(name, options, kind) for name in ("Precision", "Recall") for options, kind in
      [({}, "binary"), ({"thresholds": 0.3}, "binary"), ({"top_k": 2}, "one-hot"), ({"class_id": 1}, "binary"),
       ({"top_k": 3, "class_id": 1, "thresholds": 0.2}, "binary")]],
    *[(name, options, "binary") for name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives")
      for options in ({}, {"thresholds": 0.7})],
    *[(name, {argument: 0.4, **more}, "binary") for name, argument in
      [("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"),
       ("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision")]
      for more in ({}, {"num_thresholds": 9, "class_id": 0}, {"num_thresholds": 1})],
    *[("AUC", {"curve": curve, "summation_method": method, **more}, "binary") for curve in ("ROC", "PR", "PRGAIN")
      for method in ("interpolation", "majoring", "minoring") for more in ({}, {"num_thresholds": 7})],
    ("AUC", {"thresholds": [0.2, 0.25, 0.9]}, "binary"), ("AUC", {"thresholds": [0.25, 0.5, 0.75]}, "binary"),
    ("AUC", {"from_logits": True}, "binary"),
    *[("F1Score", {"average": average, **more}, "one-hot") for average in ("micro", "macro", "weighted")
      for more in ({}, {"threshold": 0.5})],
    ("FBetaScore", {"average": "macro", "beta": 2.0}, "binary"),
    ("R2Score", {}, "real"), ("R2Score", {"class_aggregation": "variance_weighted_average"}, "real"),
    ("R2Score", {"num_regressors": 3}, "real"),
    ("MeanIoU", {"num_classes": 7}, "labels"), ("MeanIoU", {"num_classes": 5, "ignore_class": 1}, "labels"),
    ("MeanIoU", {"num_classes": 7, "sparse_y_pred": False}, "classes"),
    ("IoU", {"num_classes": 7, "target_class_ids": [0, 3]}, "labels"),
    ("OneHotMeanIoU", {"num_classes": 7}, "one-hot"),
    ("OneHotIoU", {"num_classes": 7, "target_class_ids": [1, 2]}, "one-hot"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "classes"),
    ("BinaryIoU", {}, "binary"), ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.3}, "binary"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name,options,kind", METRICS_WITH_OPTIONS, ids=lambda v: str(v))
def test_metrics_with_options(lamina, rng, name, options, kind, weighted):
    classes, batches, given = 7, [], []
    metric = getattr(keras.metrics, name)(**options)
    for i in range(3):
        rows = (int(rng.integers(5, 30)),)
        y_true = draw_labels("classes" if kind == "labels" else kind, rng, rows, classes)
        y_pred = rng.uniform(0, 1, (*rows, classes)).astype("float32")
        if kind == "labels":
            y_pred = rng.integers(0, classes, rows).astype("int32")
        if options.get("from_logits"):
            y_pred = rng.normal(0, 2, y_pred.shape).astype("float32")
        y_pred[0] = y_pred[0].round()  # on both ends
        batch = {"y_true": described(lamina, f"t{i}", y_true), "y_pred": described(lamina, f"p{i}", y_pred)}
        weight = rng.uniform(0, 2, rows).astype("float32") if weighted else None
        if "IoU" in name and weighted:  # one an element, and whole ones
            weight = rng.integers(0, 3, y_true.shape[:1] if kind != "binary" else y_true.shape).astype("int32")
        if weight is not None:
            batch["sample_weight"] = described(lamina, f"w{i}", weight)
        given.append((y_true, y_pred, weight))
        batches.append(batch)
    reply = lamina.request("metric", metric=words(name, options), batches=batches)
    np.testing.assert_allclose(reply["result"], result_of_keras(metric, given), **CLOSE)


SCHEDULES = [
    S.ExponentialDecay(0.1, 37, 0.8), S.ExponentialDecay(0.1, 37, 0.8, staircase=True),
    S.InverseTimeDecay(0.3, 11, 0.5), S.InverseTimeDecay(0.3, 11, 0.5, staircase=True),
    S.PiecewiseConstantDecay([10, 200, 300], [1.0, 0.5, 0.2, 0.05]),
    S.PolynomialDecay(0.1, 100, 0.01, 2.0), S.PolynomialDecay(0.1, 100, 0.01, 0.5, cycle=True),
    S.CosineDecay(0.1, 150, 0.1), S.CosineDecay(0.01, 150, 0.05, warmup_target=0.2, warmup_steps=40),
    S.CosineDecayRestarts(0.1, 50), S.CosineDecayRestarts(0.1, 50, 1.0, 0.9, 0.2), S.CosineDecayRestarts(0.1, 20, 1.5, 0.7, 0.1),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: words(type(s).__name__, s.get_config())[:60])
def test_schedules(lamina, schedule):
    steps = list(range(401))
    config = {k: v for k, v in schedule.get_config().items() if k != "name" and v is not None}
    values = lamina.request("schedule", schedule=words(type(schedule).__name__, config), steps=steps)["values"]
    compiled = jax.jit(schedule.__call__)
    expected = [float(compiled(step)) for step in steps]
    # At a restart a last bit decides on which side of it a step falls.
    wrong = ~np.isclose(values, expected, rtol=1e-4, atol=1e-6)
    assert wrong.sum() <= (4 if isinstance(schedule, S.CosineDecayRestarts) else 0), np.nonzero(wrong)


SCHEDULE = S.CosineDecay(0.05, 80, warmup_target=0.1, warmup_steps=10)
OPTIMIZERS = [
    ("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"learning_rate": SCHEDULE, "momentum": 0.5}),
    ("Adam", {"learning_rate": 0.01}), ("Adam", {"amsgrad": True, "clipnorm": 0.5}),
    ("Adam", {"learning_rate": SCHEDULE, "global_clipnorm": 1.0}),
    ("Adam", {"gradient_accumulation_steps": 3, "clipvalue": 0.4}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7}),
    ("Adam", {"use_ema": True, "gradient_accumulation_steps": 2, "loss_scale_factor": 8.0}),
    ("AdamW", {"learning_rate": 0.01}), ("AdamW", {"weight_decay": 0.1, "amsgrad": True}),
    ("RMSprop", {}), ("RMSprop", {"momentum": 0.8}), ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.8, "centered": True, "rho": 0.8}),
    ("Adagrad", {"learning_rate": 0.1}), ("Adagrad", {"initial_accumulator_value": 0.01}),
    ("Adafactor", {"learning_rate": 0.05}), ("Adafactor", {"relative_step": False, "clip_threshold": 0.5}),
    ("Adafactor", {"use_ema": True, "weight_decay": 0.01}),
    ("Lion", {"learning_rate": 0.01}), ("Lion", {"beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.02}),
    ("Adamax", {"learning_rate": 0.01}), ("Adamax", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "clipnorm": 0.5}),
    ("Nadam", {"learning_rate": SCHEDULE}),
    ("Nadam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.02}),
    ("Nadam", {"use_ema": True, "gradient_accumulation_steps": 3}),
    ("Adadelta", {"learning_rate": 1.0}), ("Adadelta", {"rho": 0.8, "epsilon": 1e-3, "clipvalue": 0.4}),
    ("Ftrl", {"learning_rate": 0.1}),
    ("Ftrl", {"learning_rate_power": -0.7, "initial_accumulator_value": 0.3, "l1_regularization_strength": 0.1,
              "l2_regularization_strength": 0.2, "l2_shrinkage_regularization_strength": 0.05, "beta": 0.3}),
    ("Lamb", {"learning_rate": 0.01}), ("Lamb", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.02}),
    ("Lamb", {"global_clipnorm": 1.0, "gradient_accumulation_steps": 3, "use_ema": True}),
    ("ScheduleFreeAdamW", {}), ("ScheduleFreeAdamW", {"learning_rate": SCHEDULE, "warmup_steps": 20, "beta_1": 0.7}),
    ("ScheduleFreeAdamW", {"beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.02, "clipnorm": 1.0}),
    ("ScheduleFreeAdamW", {"gradient_accumulation_steps": 3, "use_ema": True, "ema_overwrite_frequency": 7}),
    ("Muon", {"learning_rate": 0.01}), ("Muon", {"exclude_layers": ["no.ne", "kern"], "adam_lr_ratio": 0.5}),
    ("Muon", {"muon_a": 2.0, "muon_b": -1.5, "muon_c": 0.5, "ns_steps": 3, "rms_rate": 0.5, "nesterov": False}),
    ("Muon", {"clipnorm": 1.0, "gradient_accumulation_steps": 3, "use_ema": True, "momentum": 0.8, "weight_decay": 0.1}),
]
SHAPES = [("dense/kernel", (5, 7)), ("dense/bias", (7,)), ("conv/kernel", (3, 3, 2, 4)), ("scale", ())]


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=lambda v: re.sub(r"<.*?>", "schedule", str(v)))
def test_optimizers_over_a_hundred_steps(lamina, rng, name, options):
    """The same gradients: variables and all state agree, in Keras's order, names and types."""
    optimizer = getattr(keras.optimizers, name)(**options)
    values = [rng.normal(size=shape).astype("float32") for _, shape in SHAPES]
    variables = [keras.Variable(value, name=path.split("/")[-1]) for value, (path, _) in zip(values, SHAPES)]
    gradients = [[rng.normal(0, 2, shape).astype("float32") for _, shape in SHAPES] for _ in range(100)]
    described_steps = [[described(lamina, f"g{i}_{k}", g) for k, g in enumerate(step)] for i, step in enumerate(gradients)]
    reply = lamina.request("optimizer", optimizer=words(name, options), output=str(lamina.scratch / "out_"),
                           variables=[{"path": path, "value": described(lamina, f"v{i}", value)}
                                      for i, (value, (path, _)) in enumerate(zip(values, SHAPES))],
                           steps=described_steps)
    optimizer.build(variables)
    apply = jax.jit(optimizer.stateless_apply)
    weights, state = [v.value for v in variables], [v.value for v in optimizer.variables]
    for step in gradients:
        weights, state = apply(state, step, weights)
    assert len(reply["state"]) == len(state)
    for ours, theirs in zip(reply["state"], state):
        # 64 bits are on here; without them Keras's Variable(0), a placeholder of Adafactor's, is an int32.
        got, expected = read(ours["value"]), np.asarray(theirs)
        expected = expected.astype("int32") if expected.dtype == "int64" else expected
        assert got.dtype == expected.dtype and got.shape == expected.shape, ours["name"]
        scale = max(1e-6, float(np.abs(expected).max())) if expected.size else 1
        np.testing.assert_allclose(got / scale, expected / scale, rtol=1e-4, atol=1e-5, err_msg=ours["name"])
    for ours, theirs, (path, _) in zip(reply["variables"], weights, SHAPES):
        np.testing.assert_allclose(read(ours), np.asarray(theirs), rtol=1e-4, atol=1e-5, err_msg=path)
