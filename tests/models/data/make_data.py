"""Writes the fixtures of tests/models: configurations of real Keras models and what Keras makes of them.

Run with Keras 3.15 or later: KERAS_BACKEND=jax python make_data.py
"""

import json
import pathlib
import tempfile

import h5py
import keras
import numpy as np
from keras import layers as L

HERE = pathlib.Path(__file__).parent


def branches():
    a, b = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    shared = L.Dense(5, activation="relu", name="shared")
    x, y = keras.Input((5,)), L.Dense(5, activation="tanh", name="inner_dense")
    inner = keras.Model(x, L.Add(name="inner_add")([y(x), x]), name="inner")
    stack = keras.Sequential([keras.Input((5,)), L.Dense(3), L.LeakyReLU(negative_slope=0.1)], name="stack")
    p = shared(L.Dense(4, name="squeeze")(a))
    q = inner(shared(b))
    r = inner(p)
    joined = L.Concatenate(name="joined")([stack(q), stack(r), q + r])
    return keras.Model([a, b], [L.Dense(2, activation="softmax", name="top")(joined), stack(p), joined * 0.5])


def cnn():
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            L.Rescaling(1.0 / 128, offset=-1.0),
            L.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv_stem"),
            L.BatchNormalization(name="bn_with_a_name_that_is_far_too_long_for_the_column"),
            L.ReLU(max_value=6.0),
            L.DepthwiseConv2D(3, padding="valid", activation="silu"),
            L.MaxPooling2D(2, strides=1),
            L.Flatten(),
            L.Dropout(0.3),
            L.Dense(5, activation="softmax"),
        ],
        name="cnn",
    )


def dictionary():
    x, y = keras.Input((3,), name="zeta"), keras.Input((3,), name="alpha")
    unused = keras.Input((7,), name="unused")
    s = L.Subtract()([x, y])
    return keras.Model(
        {"zeta": x, "alpha": y, "unused": unused}, {"sum": L.Add()([x, s]), "dense": L.Dense(4)(s)}
    )


def chain():
    x = keras.Input((12,), name="numbers", batch_size=None)
    y = L.Dense(1200, activation="relu", name="wide")(x)
    frozen = L.Dense(3, name="frozen", trainable=False)
    return keras.Model(x, frozen(L.BatchNormalization(name="norm")(y)), name="chain")


def images_and_numbers():
    image, number = keras.Input((6, 6, 2), name="image"), keras.Input((1,), name="number")
    ids = keras.Input((3,), dtype="int32", name="ids")
    x = L.Conv2D(3, 3, padding="same", activation="relu")(image)
    x = L.GlobalAveragePooling2D()(x)
    e = L.Flatten()(L.Embedding(10, 2)(ids))
    x = L.Concatenate()([x, number, e])
    return keras.Model([image, number, ids], L.Dense(2)(x), name="mixture")


def transformer():
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = L.Embedding(10, 8, name="words")(ids)
    attention = L.MultiHeadAttention(2, 4, dropout=0.1, name="attention")
    y = L.Dropout(0.1)(attention(x, x, use_causal_mask=True))
    x = L.LayerNormalization(epsilon=1e-6)(L.Add()([x, y]))
    y = L.Dense(8)(L.Dense(16, activation="gelu")(x))
    x = L.LayerNormalization(epsilon=1e-6)(L.Add()([x, L.Dropout(0.1)(y)]))
    values = L.Embedding(10, 7, name="values")(ids)
    across = L.MultiHeadAttention(2, 3, use_gate=True, name="across")
    y = across(query=x, value=values, key=L.Dense(5, name="keys")(values))
    y = L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", activation="gelu")(y)
    return keras.Model(ids, L.Dense(3)(L.GlobalAveragePooling1D()(y)), name="transformer")


def nested():
    a, b = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    p, q = keras.Input((4,), name="p"), keras.Input((4,), name="q")
    pair = keras.Model([q, p], [L.Subtract(name="difference")([p, q]), L.Dense(4, name="of_q")(q)], name="pair")
    u, v = keras.Input((4,), name="u"), keras.Input((4,), name="v")
    outputs = {"z": L.Dense(3, name="of_u")(u), "y": L.Subtract(name="u_from_v")([v, u])}
    made_with_dict = keras.Model({"v": v, "u": u}, outputs, name="made_with_dict")
    made_with_list = keras.Model([u, v], L.Subtract(name="again")([v, u]), name="made_with_list")
    d, s = pair([L.Dense(4, name="by_keyword")(inputs=a), b])
    out = made_with_dict({"v": d, "u": s})
    e = made_with_list({"v": s, "u": a})
    x = keras.Input((4,), name="x")
    within = keras.Model(x, L.Dense(4, name="deepest")(x), name="within")
    stack = keras.Sequential([keras.Input((4,)), within, L.LayerNormalization(name="norm")], name="stack")
    f, g = pair([stack(out["y"]), e])
    return keras.Model([a, b], {"sum": L.Add(name="sum")(inputs=[f, g]), "z": out["z"]}, name="nested")


def fill(group_order):
    """Gives every variable values that a test can compute again: by place in the file's order."""
    for i, variable in enumerate(group_order):
        count = int(np.prod(variable.shape))
        k = np.arange(count, dtype=np.float64)
        variable.assign((0.4 + 0.3 * np.sin(0.7 * k + i)).reshape(variable.shape).astype(variable.dtype))


def own(layer):
    return layer._trainable_variables + layer._non_trainable_variables


def walk(layer, seen):
    """Variables in the order in which Keras saves models made of Functional, Sequential and leaves."""
    if id(layer) in seen:
        return []
    seen.add(id(layer))
    out = own(layer)
    for sublayer in getattr(layer, "layers", []):
        out += walk(sublayer, seen)
    if isinstance(layer, L.MultiHeadAttention):  # by public names first, each sorted
        for name in ("key_dense", "output_dense", "query_dense", "value_dense", "_gate_dense"):
            if hasattr(layer, name):
                out += walk(getattr(layer, name), seen)
    return out


def groups_of(model, folder):
    path = pathlib.Path(folder) / "m.weights.h5"
    model.save_weights(path)
    found = {}
    with h5py.File(path) as file:
        def visit(name, item):
            if isinstance(item, h5py.Group) and name.split("/")[-1] == "vars":
                found["/" + name] = {
                    "name": item.attrs["name"],
                    "shapes": [list(item[str(i)].shape) for i in range(len(item))],
                }
        file.visititems(visit)
    return found


def data_for(tensor, rows, index):
    shape = (rows,) + tuple(tensor.shape[1:])
    k = np.arange(int(np.prod(shape)), dtype=np.float64)
    if "int" in tensor.dtype:
        return (k.reshape(shape) * 3 % 10).astype(tensor.dtype)
    return np.sin(0.37 * k + index).reshape(shape).astype("float32")


def describe(make):
    keras.utils.clear_session()
    name, text = make.__name__, make().to_json()
    (HERE / f"{name}.json").write_text(text)
    keras.utils.clear_session()  # attention names sublayers by how many layers were made
    model = keras.models.model_from_json(text)
    fill(walk(model, set()))
    summary = []
    model.summary(print_fn=summary.append)
    inputs = [data_for(x, 5, i) for i, x in enumerate(model.inputs)]
    given = dict(zip([x.name for x in model.inputs], inputs)) if make is dictionary else inputs
    outputs = model.predict(given, verbose=0)
    outputs = keras.tree.flatten(outputs)
    with tempfile.TemporaryDirectory() as folder:
        groups = groups_of(model, folder)
    expected = {
        "layers": [layer.name for layer in model.layers],
        "inputs": [x.name for x in model.inputs],
        "groups": groups,
        "summary": "\n".join(summary),
        "outputs": [{"shape": list(y.shape), "values": [float(v) for v in y.ravel()]} for y in outputs],
    }
    (HERE / f"{name}.expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
    return model


if __name__ == "__main__":
    for make in (branches, cnn, dictionary, chain, images_and_numbers, nested, transformer):
        model = describe(make)
        if make is cnn:
            model.compile("sgd", "mse")
            model.save(HERE / "cnn.keras")
    deferred = keras.Sequential([L.Dense(2), L.Dense(3)], name="deferred")
    (HERE / "deferred.json").write_text(deferred.to_json())
    deferred.build((None, 4))
    (HERE / "deferred_built.json").write_text(deferred.to_json())
