"""Writes applications.txt: for each of keras.applications what Keras's model and file look like, as counts and hashes.

Run with Keras 3.15 or later: KERAS_BACKEND=jax python make_data.py
"""

import pathlib
import tempfile

import h5py
import keras

HERE = pathlib.Path(__file__).parent


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def file_lines(model, folder):
    """'/layers/conv2d/vars/0 (3, 3, 3, 32)' for every dataset, sorted."""
    path = pathlib.Path(folder) / "m.weights.h5"
    model.save_weights(path)
    lines = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: lines.append(f"/{name} {item.shape}") if isinstance(item, h5py.Dataset) else None
        )
    path.unlink()
    return sorted(lines)


def layer_lines(model):
    return [
        f"{layer.name} {layer.__class__.__name__} {layer.output.shape} "
        + " ".join(f"{v.name}{v.shape}" for v in layer._trainable_variables + layer._non_trainable_variables)
        for layer in model.layers
    ]


def functions():
    """Those that make models, in the order in which they are defined."""
    modules = ["vgg16", "vgg19", "resnet", "resnet_v2", "mobilenet", "mobilenet_v2", "mobilenet_v3", "efficientnet",
               "efficientnet_v2", "densenet", "xception", "inception_v3", "inception_resnet_v2", "nasnet", "convnext"]
    for module in modules:
        for name, value in vars(getattr(keras.applications, module)).items():
            if name[0].isupper() and callable(value):
                yield name
    yield "MobileNetV3Small"
    yield "MobileNetV3Large"


def row(name, top):
    keras.utils.clear_session()
    model = getattr(keras.applications, name)(weights=None, include_top=top, pooling=None if top else "avg")
    with tempfile.TemporaryDirectory() as folder:
        files = file_lines(model, folder)
    layers = layer_lines(model)
    return (
        f"{name} {int(top)} {len(layers)} {len(files)} {model.count_params()} "
        f"{fnv1a(chr(10).join(layers)):016x} {fnv1a(chr(10).join(files)):016x}"
    )


if __name__ == "__main__":
    rows = []
    for name in functions():
        for top in (True, False):
            rows.append(row(name, top))
            print(rows[-1], flush=True)
    header = "# function, include_top, layers, variables, parameters, FNV-1a of layers, FNV-1a of datasets\n"
    (HERE / "applications.txt").write_text(header + "\n".join(rows) + "\n")
