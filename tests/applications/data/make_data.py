"""Writes applications.txt: for each of keras.applications what Keras's model and file look like, as counts and hashes;
and published.txt: in which file Keras keeps each one's weights="imagenet", and where it has it from.

Run with Keras 3.15 or later: KERAS_BACKEND=jax python make_data.py
"""

import pathlib
import tempfile

import h5py
import keras
from keras.src.utils import file_utils

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


class Asked(Exception):
    """What Keras would download."""


def published(name, top, **options):
    def get_file(name, origin, cache_subdir, **_):
        assert cache_subdir == "models"
        raise Asked(name, origin)

    original, file_utils.get_file = file_utils.get_file, get_file
    try:
        with keras.StatelessScope():  # weights without values
            getattr(keras.applications, name)(weights="imagenet", include_top=top, **options)
    except Asked as asked:
        size = options.get("input_shape", (0,))[0]
        row = [name, int(top), options.get("alpha", 0), size, int(options.get("minimalistic", False)), *asked.args]
        return " ".join(str(word) for word in row)
    finally:
        file_utils.get_file = original
    raise AssertionError(name)


def all_published():
    for name in functions():
        for top in (True, False):
            yield published(name, top)
    for alpha, size in ((0.25, 128), (0.5, 160), (0.75, 192), (1.0, 224)):
        yield published("MobileNet", True, alpha=alpha, input_shape=(size, size, 3))
    for alpha, size in ((0.35, 96), (0.5, 128), (0.75, 160), (1.3, 192), (1.4, 224)):
        yield published("MobileNetV2", False, alpha=alpha, input_shape=(size, size, 3))
    for name in ("MobileNetV3Small", "MobileNetV3Large"):
        yield published(name, True, alpha=0.75)
        yield published(name, False, minimalistic=True)


def write_published():
    header = "# function, include_top, alpha, rows (0: default), minimalistic, file, origin\n"
    (HERE / "published.txt").write_text(header + "".join(row + "\n" for row in all_published()))


if __name__ == "__main__":
    write_published()
    rows = []
    for name in functions():
        for top in (True, False):
            rows.append(row(name, top))
            print(rows[-1], flush=True)
    header = "# function, include_top, layers, variables, parameters, FNV-1a of layers, FNV-1a of datasets\n"
    (HERE / "applications.txt").write_text(header + "\n".join(rows) + "\n")
