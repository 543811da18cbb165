"""The peer of bench_weights: Keras's own save_weights and load_weights, timed.

usage: weights_keras.py MODEL DIRECTORY REPEATS

Writes DIRECTORY/MODEL_keras.weights.h5 and prints one line of JSON: seconds of each repeat.
"""
import json
import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras  # noqa: E402


def efficientnet():
    return keras.applications.EfficientNetV2L(weights=None)


def dense():
    """32 weights of 64 MiB."""
    width = 4096
    model = keras.Sequential([keras.Input((width,))])
    for _ in range(32):
        model.add(keras.layers.Dense(width, use_bias=False, kernel_initializer="ones"))
    return model


def warm(path):
    """Brings the file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def block(model):
    for variable in model.weights:
        variable.value.block_until_ready()


def main():
    name, directory, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    model = {"efficientnetv2l": efficientnet, "dense32x64": dense}[name]()
    block(model)
    path = os.path.join(directory, f"{name}_keras.weights.h5")

    def save_and_sync():
        model.save_weights(path)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        folder = os.open(directory, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def load():
        model.load_weights(path)
        block(model)

    seconds = {"save": [], "save_synced": [], "load": []}
    for _ in range(repeats):
        os.sync()
        seconds["save"].append(timed(lambda: model.save_weights(path)))
        os.sync()
        seconds["save_synced"].append(timed(save_and_sync))
        warm(path)
        seconds["load"].append(timed(load))
    variables = len(model.weights)
    print(json.dumps({"keras": keras.version(), "backend": keras.backend.backend(),
                      "variables": variables, "bytes": os.path.getsize(path),
                      "seconds": seconds}))


if __name__ == "__main__":
    main()
