"""Draws models with data, how they are compiled, and whole runs of `fit` with what goes around them."""

from types import SimpleNamespace

import keras
import numpy as np
from keras import layers

from test_random_training import optimizer

L, M = keras.losses, keras.metrics
EPOCHS = 5


def output_kinds(draw, rng):
    """(units, activation, loss, what draws labels of a shape, metrics) of an output."""
    real = lambda size: rng.normal(size=size).astype("float32")
    classes, units = draw.randint(2, 5), draw.randint(1, 3)
    return [
        (units, None, draw.choice(["mse", "mae", L.Huber(), L.LogCosh(), L.MeanSquaredError(reduction="sum")]), real,
         ["mae", "mse", M.RootMeanSquaredError(name="rmse"), M.LogCoshError()]),
        (1, "sigmoid", draw.choice(["binary_crossentropy", L.BinaryCrossentropy(label_smoothing=0.1), "hinge"]),
         lambda size: rng.integers(0, 2, size).astype("float32"),
         ["accuracy", M.BinaryAccuracy(name="ba", threshold=0.4), M.Precision(name="p"), M.Recall(name="r")]),
        (classes, "softmax", draw.choice(["sparse_categorical_crossentropy", L.SparseCategoricalCrossentropy()]),
         lambda size: rng.integers(0, classes, size[:-1]).astype("int32"),
         ["accuracy", M.SparseTopKCategoricalAccuracy(2, name="top"), "sparse_categorical_accuracy"]),
        (classes, None, draw.choice([L.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
                                     L.CategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")]),
         lambda size: np.eye(classes, dtype="float32")[rng.integers(0, classes, size[:-1])],
         ["acc", "categorical_accuracy", M.CategoricalCrossentropy(from_logits=True, name="ce")]),
    ]


def tabular(draw):
    """(inputs, the tensor that outputs look at)"""
    inputs = [keras.Input((draw.randint(2, 6),), name=f"in_{i}") for i in range(draw.choice([1, 1, 2]))]
    x = inputs[0] if len(inputs) == 1 else layers.Concatenate()(inputs)
    if draw.random() < 0.4:
        x = layers.BatchNormalization(momentum=draw.choice([0.9, 0.6]))(x)
    penalty = draw.choice([None, None, "l2", keras.regularizers.L1L2(0.01, 0.02)])
    x = layers.Dense(draw.randint(3, 9), activation=draw.choice(["tanh", "silu", "gelu"]), kernel_regularizer=penalty,
                     activity_regularizer=draw.choice([None, None, keras.regularizers.L2(0.01)]),
                     kernel_constraint=draw.choice([None, None, "max_norm"]))(x)
    return inputs, layers.Dropout(0.0)(x)


def image(draw):
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding=draw.choice(["same", "valid"]), use_bias=False)(inputs)
    x = layers.Activation("tanh")(layers.BatchNormalization(momentum=0.8)(x))
    return [inputs], layers.GlobalAveragePooling2D()(x)


def sequence(draw):
    """Of words, or of vectors some of which are masked; one that gives a row a step, or one in all."""
    words = draw.random() < 0.7
    inputs = keras.Input((5,), dtype="int32") if words else keras.Input((5, 3))
    if words:
        x = layers.Embedding(10, 4, mask_zero=draw.random() < 0.8)(inputs)
    else:
        x = layers.Masking(0.0)(inputs)
    steps = draw.random() < 0.5
    # JAX has no attention of float16 on the CPU.
    attention = ["attention"] * (keras.config.dtype_policy().name != "mixed_float16")
    kind = draw.choice(["LSTM", "GRU", "SimpleRNN", "Bidirectional", *attention])
    if kind == "attention":
        x = layers.MultiHeadAttention(2, 3)(x, x)
        return [inputs], x if steps else layers.GlobalAveragePooling1D()(x)
    if kind == "Bidirectional":
        return [inputs], layers.Bidirectional(layers.GRU(3, return_sequences=steps))(x)
    return [inputs], getattr(layers, kind)(4, return_sequences=steps)(x)


def model_and_labels(draw, rng):
    """A model that is not compiled, with `label` and `loss`, `metrics` of each output."""
    inputs, seen = draw.choice([tabular, tabular, image, sequence, sequence])(draw)
    count = draw.choice([1, 1, 1, 2, 3])
    kinds = [draw.choice(output_kinds(draw, rng)) for _ in range(count)]
    outputs = [layers.Dense(units, activation=activation, name=name)(seen)
               for (units, activation, *_), name in zip(kinds, draw.sample(["kind", "size", "a", "Zone"], count))]
    # In training on JAX metrics do not see masks; and they count what last bits of narrow types decide.
    bare = getattr(outputs[0], "_keras_mask", None) is not None or keras.config.dtype_policy().name != "float32"
    named = count > 1 and draw.random() < 0.3
    if named:
        given = {f"key_{x._keras_history.operation.name}": x for x in outputs}
        outputs = [given[key] for key in sorted(given)]
        kinds = [kind for _, kind in sorted(zip(given, kinds), key=lambda pair: pair[0])]
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs,
                        {key: given[key] for key in sorted(given)} if named else
                        outputs[0] if count == 1 else outputs, name="drawn")
    measured = [draw.sample(kind[4], 0 if bare else draw.randint(0, 3)) for kind in kinds]
    cuts = [draw.randint(0, len(each)) for each in measured]
    return SimpleNamespace(model=model, inputs=inputs, outputs=outputs, losses=[kind[2] for kind in kinds],
                           labels=[kind[3] for kind in kinds],
                           metrics=[each[:cut] for each, cut in zip(measured, cuts)],
                           weighted=[weighted(x, each, cut) for x, each, cut in zip(outputs, measured, cuts)],
                           names=sorted(given) if named else list(model.output_names))


def weighted(output, metrics, cut):
    """What is behind the cut, and names before it again. Counts of steps are not weighted by rows in Keras."""
    counts = (M.Precision, M.Recall) if len(output.shape) == 3 else ()
    return [each for each in metrics[cut:] if not isinstance(each, counts)] + [
        name for name in metrics[:cut] if isinstance(name, str)]


def compile_at_random(draw, drawn):
    one = len(drawn.losses) == 1
    by_name = not one and draw.random() < 0.5
    each = lambda list_: dict(zip(drawn.names, list_)) if by_name else list_
    weights = None if one or draw.random() < 0.4 else each([draw.choice([0.25, 1.0, 2.0]) for _ in drawn.losses])
    trained = next(each for each in iter(lambda: optimizer(draw, (0.01, 0.1)), None)
                   if type(each).__name__ not in ("Lion", "Adafactor", "Muon"))  # which make whole steps of last bits
    drawn.model.compile(trained, drawn.losses[0] if one else each(drawn.losses), loss_weights=weights,
                        metrics=(drawn.metrics[0] or None) if one else each(drawn.metrics),
                        weighted_metrics=(drawn.weighted[0] or None) if one else each(drawn.weighted))


def rows_of(draw, rng, drawn, count):
    """(x, y, sample weights, a list for each output or None) of so many samples; lists of arrays."""
    def values(x):
        size = (count, *x.shape[1:])
        if x.dtype == "int32":
            ids = rng.integers(0, 10, size)
            return np.where(np.arange(size[1]) < rng.integers(1, size[1] + 1, (count, 1)), ids, 0).astype("int32")
        drawn_values = rng.normal(size=size).astype("float32")
        if len(size) == 3:
            drawn_values[rng.random(size[:2]) < 0.3] = 0
        return drawn_values

    x = [values(x) for x in drawn.inputs]
    y = [label((count, *x.shape[1:])) for label, x in zip(drawn.labels, drawn.outputs)]
    steps = [x.shape[1] for x in drawn.outputs if len(x.shape) == 3]
    shapes = [(count, 1)] + [(count,)] * 2 * (not steps) + [(count, *steps)] * 2 * (len(y) == 1)
    weights = rng.uniform(0, 2, draw.choice(shapes)).astype("float32") if draw.random() < 0.4 else None
    if weights is not None and draw.random() < 0.3:
        weights[rng.random(weights.shape) < 0.4] = 0
    if len(y) > 1 and not steps and draw.random() < 0.3:
        weights = [draw.choice([None, rng.uniform(0, 2, draw.choice([(count,), (count, 1)])).astype("float32")])
                   for _ in y]
    return x, y, weights


def class_weight(draw, drawn, y):
    """Of labels that name one class a sample."""
    if len(y) > 1 or len(drawn.outputs[0].shape) > 2 or draw.random() < 0.5:
        return None
    label = y[0]
    classes = label.ndim == 1 or (label.ndim == 2 and (label.shape[1] == 1 or np.all(label.sum(1) == 1)))
    if not classes or np.any(label < 0) or np.any(label != np.round(label)):
        return None
    return {i: draw.choice([0.5, 2.0, 3.0]) for i in range(4) if draw.random() < 0.7} or None


def numbers(draw, rows):
    """Options of `fit` that are numbers."""
    maybe = lambda name, value, chance=0.3: {name: value} if draw.random() < chance else {}
    options = {"epochs": draw.randint(1, EPOCHS)}
    options |= maybe("batch_size", draw.randint(4, rows), 0.85)
    options |= maybe("steps_per_epoch", draw.randint(1, 5), 0.25)
    options |= maybe("initial_epoch", draw.randint(1, max(1, options["epochs"] - draw.choice([0, 1, 1, 1]))), 0.2)
    return options


def validation(draw, rng, drawn):
    """Options of `fit` about validation."""
    if draw.random() < 0.3:
        return {}
    maybe = lambda name, value, chance=0.3: {name: value} if draw.random() < chance else {}
    freq = draw.choice([draw.randint(2, 3), sorted(draw.sample(range(1, EPOCHS + 2), 3))])
    options = maybe("validation_freq", freq) | maybe("validation_steps", draw.randint(1, 3))
    options |= maybe("validation_batch_size", draw.randint(3, 9))
    if draw.random() < 0.4:
        return options | {"validation_split": draw.uniform(0.1, 0.6)}
    return options | {"validation_data": rows_of(draw, rng, drawn, draw.randint(5, 20))}


def monitored(draw, drawn):
    """What a callback watches; of it, the mode has to be said where Keras cannot tell."""
    names = ["loss", "val_loss", "val_loss"]
    if len(drawn.names) > 1:
        names += [f"{drawn.names[0]}_loss", f"val_{drawn.names[-1]}_loss"]
    name = draw.choice(names)
    mode = draw.choice(["min", "min", "max"])
    if name in ("loss", "val_loss") and draw.random() < 0.5:
        mode = "auto"
    return {"monitor": name, "mode": mode, "verbose": draw.choice([0, 1])}


def callbacks(draw, drawn, run):
    """folder -> [(class, options)]: those that save come last, as they do in Lamina wherever they are given."""
    config = drawn.model.optimizer.get_config()
    config = config.get("inner_optimizer", {"config": config})["config"]
    schedule, ema = isinstance(config["learning_rate"], dict), config.get("use_ema")
    chosen = []
    stops = draw.random() < 0.5
    if stops:
        chosen.append(("EarlyStopping", monitored(draw, drawn) | {
            "patience": draw.randrange(3), "min_delta": draw.choice([0, 0.01, 0.1, -0.02]),
            "baseline": draw.choice([None, None, 0.5, 1.0]), "restore_best_weights": draw.random() < 0.6,
            "start_from_epoch": draw.choice([0, 0, 1, 2])}))
    if draw.random() < (0.05 if schedule else 0.35):
        chosen.append(("ReduceLROnPlateau", monitored(draw, drawn) | {
            "factor": draw.choice([0.1, 0.5]), "patience": draw.randrange(3), "cooldown": draw.randrange(2),
            "min_delta": draw.choice([1e-4, 0.0, 0.05]), "min_lr": draw.choice([0.0, 0.001])}))
    if draw.random() < (0.05 if schedule else 0.25):
        chosen.append(("LearningRateScheduler", {"factors": [draw.choice([0.5, 1.0, 2.0]) for _ in range(2 * EPOCHS)],
                                                 "verbose": draw.choice([0, 1])}))
    if draw.random() < 0.2:
        chosen.append(("TerminateOnNaN", {}))
    if ema and draw.random() < 0.6:
        chosen.append(("SwapEMAWeights", {"swap_on_epoch": not stops and draw.random() < 0.5}))
    draw.shuffle(chosen)
    csv, saving = {}, []
    if draw.random() < 0.4:
        csv = {"separator": draw.choice([",", ";", "\t", "|"]), "append": draw.random() < 0.5}
        place = draw.randint(0, len(chosen))
    for i in range(draw.choice([0, 1, 1, 2])):
        name = draw.choice(["{epoch}", "{epoch:02d}-{loss:.2f}", "best", "{epoch:03d}_{val_loss:.1f}", "x/{epoch}"])
        options = monitored(draw, drawn) | {"save_best_only": draw.random() < 0.5}
        if draw.random() < 0.3:
            name, options = draw.choice(["{epoch}-{batch:02d}", "at-{batch}-{loss:.1f}"]), {
                "verbose": 1, "save_freq": draw.randint(1, 4)}
        elif options["save_best_only"]:
            options["initial_value_threshold"] = draw.choice([None, None, 0.4, 1.5])
        options["verbose"] *= i == 0  # several say in another order than Keras's what they have saved
        saving.append((f"{i}-{name}.weights.h5", options))
    crash = draw.random() < 0.15 and not chosen and not csv

    def made(folder):
        made = list(chosen)
        if csv:
            made.insert(place, ("CSVLogger", csv | {"filename": f"{folder}/log.csv"}))
        if crash:
            made.append(("Crash", {"epoch": min(2, run["epochs"] - 1)}))
        made += [("ModelCheckpoint", options | {"filepath": f"{folder}/{name}"}) for name, options in saving]
        return made + [("BackupAndRestore", {"backup_dir": f"{folder}/backup"})] * crash

    return made
