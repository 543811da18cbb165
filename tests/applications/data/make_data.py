"""Writes efficientnet_v2.txt: for each variant what Keras's model and file look like, as counts and hashes.

Run with Keras 3.15 or later: KERAS_BACKEND=jax python make_data.py
"""

import pathlib
import tempfile

import h5py
import keras

HERE = pathlib.Path(__file__).parent
NAMES = ["B0", "B1", "B2", "B3", "S", "M", "L"]


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


if __name__ == "__main__":
    rows = []
    for name in NAMES:
        for top in (True, False):
            keras.utils.clear_session()
            make = getattr(keras.applications, "EfficientNetV2" + name)
            model = make(weights=None, include_top=top, pooling=None if top else "avg")
            with tempfile.TemporaryDirectory() as folder:
                files = file_lines(model, folder)
            layers = layer_lines(model)
            rows.append(
                f"EfficientNetV2{name} {int(top)} {len(layers)} {len(files)} {model.count_params()} "
                f"{fnv1a(chr(10).join(layers)):016x} {fnv1a(chr(10).join(files)):016x}"
            )
            print(rows[-1], flush=True)
            if name == "B0" and top:
                print(layers[:8], files[:3])
    header = "# function, include_top, layers, variables, parameters, FNV-1a of layers, FNV-1a of datasets\n"
    (HERE / "efficientnet_v2.txt").write_text(header + "\n".join(rows) + "\n")
