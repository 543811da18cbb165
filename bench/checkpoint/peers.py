"""The peers of bench_checkpoint: what users of Keras, safetensors and PyTorch do, timed.

usage: peers.py keras|safetensors|torch CASE DIRECTORY SHAPES.json

Reads commands from standard input, one a line, and answers each by a line of JSON.
"save": saves, then syncs the files and the directory. "load": loads what was saved, from the page cache.
"""
import json
import os
import sys
import time


def sync(paths):
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


class Keras:
    def __init__(self, case, directory, shapes):
        os.environ.setdefault("KERAS_BACKEND", "jax")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        self.version = f"{keras.version()} on {keras.backend.backend()}"
        self.model = getattr(self, case)(keras)
        self.sharded = case == "sharded"
        self.path = os.path.join(
            directory, case + "_keras.weights" + (".json" if self.sharded else ".h5"))
        self.block()

    def dense(self, keras):
        layers = [keras.layers.Dense(4096, use_bias=False, kernel_initializer="ones")
                  for _ in range(32)]
        return keras.Sequential([keras.Input((4096,)), *layers])

    sharded = dense

    def efficientnetv2l(self, keras):
        return keras.applications.EfficientNetV2L(weights=None)

    def small(self, keras):
        # Built one by one: to trace ten thousand layers takes Keras minutes, and changes no file.
        model = keras.Sequential([keras.layers.LayerNormalization() for _ in range(10000)])
        for layer in model.layers:
            layer.build((None, 4096))
        model.built = True
        return model

    def block(self):
        for variable in self.model.weights:
            variable.value.block_until_ready()

    def files(self):
        if not self.sharded:
            return [self.path]
        with open(self.path) as file:
            listed = json.load(file)["weight_map"].values()
        names = {name for value in listed
                 for name in (value if isinstance(value, list) else [value])}
        folder = os.path.dirname(self.path)
        return [self.path] + [os.path.join(folder, name) for name in sorted(names)]

    def save(self):
        if self.sharded:
            self.model.save_weights(self.path, max_shard_size=0.25)
        else:
            self.model.save_weights(self.path)

    def load(self):
        self.model.load_weights(self.path)
        self.block()


class Safetensors:
    def __init__(self, case, directory, shapes):
        import numpy
        import safetensors.numpy

        self.library = safetensors.numpy
        self.version = safetensors.__version__
        random = numpy.random.default_rng(1)
        self.tensors = {name: random.random(shape, numpy.float32)
                        for name, shape in shapes.items()}
        self.path = os.path.join(directory, case + ".safetensors")

    def files(self):
        return [self.path]

    def save(self):
        self.library.save_file(self.tensors, self.path)

    def load(self):
        self.loaded = None
        self.loaded = self.library.load_file(self.path)


class Torch:
    def __init__(self, case, directory, shapes):
        import torch

        self.library = torch
        self.version = torch.__version__
        self.tensors = {name: torch.rand(shape) for name, shape in shapes.items()}
        self.path = os.path.join(directory, case + ".pt")

    def files(self):
        return [self.path]

    def save(self):
        self.library.save(self.tensors, self.path)

    def load(self):
        self.loaded = None
        self.loaded = self.library.load(self.path)


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main():
    kind, case, directory, shapes = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr
    with open(shapes) as file:
        peer = {"keras": Keras, "safetensors": Safetensors, "torch": Torch}[kind](
            case, directory, json.load(file))

    def save_and_sync():
        peer.save()
        sync([*peer.files(), directory])

    print(json.dumps({"version": peer.version}), file=answers, flush=True)
    for line in sys.stdin:
        if line.strip() == "save":
            os.sync()
            seconds = timed(save_and_sync)
        else:
            for path in peer.files():
                warm(path)
            seconds = timed(peer.load)
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
