"""Speaks to `lamina_interop` (driver.cpp): one process, one JSON line a request, one a reply."""

import json
import math
import os
import pathlib
import subprocess
import warnings

import ml_dtypes  # noqa: F401: gives numpy the name "bfloat16"
import numpy as np


class LaminaError(Exception):
    """What Lamina threw: `kind` is the C++ class, "ValueError"."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message


class Driver:
    def __init__(self, program, scratch):
        self.scratch = pathlib.Path(scratch)
        self.warnings = []  # of the last request
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8", env=os.environ | {"OMP_NUM_THREADS": "1"})

    def request(self, op, **arguments):
        self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"lamina_interop died on {op}: status {self.process.wait()}")
        reply = json.loads(line)
        self.warnings = reply["warnings"]
        if "error" in reply:
            raise LaminaError(reply["error"], reply["message"])
        return reply

    def write(self, arrays, name):
        """Arrays for a request: what describes each of them."""
        described = []
        for index, array in enumerate(arrays):
            path = self.scratch / f"{name}_{index}.bin"
            array = np.ascontiguousarray(array)
            path.write_bytes(array.tobytes())
            described.append({"path": str(path), "shape": list(array.shape), "dtype": array.dtype.name})
        return described

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=60)
        if status != 0:
            raise RuntimeError(f"lamina_interop ended with status {status}")

    def _model(self, op, **arguments):
        return LaminaModel(self, self.request(op, **arguments)["model"])

    def from_json(self, text):
        """A model from what Keras's `to_json` gives."""
        path = self.scratch / "model.json"
        path.write_text(text, encoding="utf-8")
        return self._model("from_json", path=str(path))

    def load_archive(self, path):
        return self._model("load_archive", path=str(path))

    def application(self, name, **options):
        return self._model("application", name=name, options=options)

    def preprocess_input(self, images, mode):
        reply = self.request("preprocess_input", images=self.write([images], "images")[0], mode=mode,
                             output=str(self.scratch / "preprocessed"))
        return _read([reply["images"]])[0]

    def hand_written(self, name, dtype="float32"):
        """A model of zoo.cpp, the twin of the class of that name in zoo.py."""
        return self._model("hand_written", name=name, dtype=dtype)


class LaminaModel:
    def __init__(self, driver, number):
        self.driver, self.number = driver, number

    def request(self, op, **arguments):
        return self.driver.request(op, model=self.number, **arguments)

    def save_weights(self, path, **options):
        self.request("save", path=str(path), **options)

    def save(self, path):
        """The whole model, as `.keras`."""
        self.request("save_model", path=str(path))

    def load_weights(self, path, **options):
        self.request("load", path=str(path), **options)

    def weights(self):
        """[(path, shape, dtype)] of all variables."""
        return [(w["path"], tuple(w["shape"]), w["dtype"]) for w in self.request("weights")["weights"]]

    def summary(self):
        return self.request("summary")["summary"]

    def to_json(self):
        return self.request("to_json")["json"]

    def clone(self):
        return LaminaModel(self.driver, self.request("clone")["model"])

    def values(self):
        """All variables' bytes, to see whether anything changed."""
        path = self.driver.scratch / "values.bin"
        self.request("values", path=str(path))
        return path.read_bytes()

    def predict(self, inputs, batch_size=32):
        """Lists of arrays in and out."""
        reply = self.request("predict", inputs=self.driver.write(inputs, "input"),
                             outputs=str(self.driver.scratch / "output_"), batch_size=batch_size)
        return _read(reply["outputs"])

    def reset_state(self):
        """Of each stateful layer."""
        self.request("reset_state")

    def adapt(self, layer, batches, how="list", **more):
        """Of the layer of this name; `how`: "array" (one batch), "list" or "loader"; `more`: `steps` of a loader."""
        self.request("adapt", layer=layer, batches=self.driver.write(batches, "batch"), **{"as": how}, **more)

    def differentiate(self, inputs, output_gradients):
        """One step in training mode: (outputs, [(path, gradient)] of the trainable variables)."""
        reply = self.request("differentiate", inputs=self.driver.write(inputs, "input"),
                             output_gradients=self.driver.write(output_gradients, "seed"),
                             outputs=str(self.driver.scratch / "step_"))
        return _read(reply["outputs"]), list(zip(reply["paths"], _read(reply["gradients"]), strict=True))

    def compile(self, optimizer, loss, metrics=(), **more):
        """Each class in words: "Adam:learning_rate=0.01"; lists of losses and metrics, one an output, or dictionaries
        by their names. `more`: see training.h."""
        metrics = metrics if isinstance(metrics, dict) else list(metrics)
        self.request("compile", optimizer=optimizer, loss=loss, metrics=metrics, **more)

    def compile_config(self):
        """How it was compiled, as Keras's `get_compile_config()`; None: it was not."""
        return self.request("compile_config")["config"]

    def train(self, x, y, batch_size):
        """One step a batch; [{"loss": ...}] of each. Leaves the loss scales after each in `loss_scales`."""
        reply = self.request("train", x=self.driver.write([x], "x")[0], y=self.driver.write([y], "y")[0], batch_size=batch_size)
        self.loss_scales = reply["loss_scales"]
        return reply["logs"]

    def train_on_batch(self, x, y, sample_weight=None):
        """{"loss": ...} of one step; `x`, `y`: an array, or a list of them, one an input or output."""
        return self.request("train_on_batch", **self._data(x, y, sample_weight))["logs"]

    def finalize(self):
        """What `fit` does last: averages of weights take their place."""
        self.request("finalize")

    def evaluate(self, x, y, batch_size, sample_weight=None, **more):
        """{"loss": ...}; `x`, `y`: an array, or a list of them; `more`: `steps`."""
        return self.request("evaluate", batch_size=batch_size, **self._data(x, y, sample_weight), **more)["logs"]

    def test_on_batch(self, x, y, sample_weight=None):
        return self.request("test", **self._data(x, y, sample_weight))["logs"]

    def fit(self, x, y, sample_weight=None, validation=None, class_weight=None, log_dir=None, update_freq=None,
            callbacks=(), output=None, **options):
        """{name: [value an epoch]}, of samples in their order. `validation`: (x, y) or (x, y, weights); `options`:
        Keras's that are numbers or lists of them; `callbacks`: (class, options), see callbacks.h; `output`: a file that shall have what
        is shown. Leaves the epochs' numbers in `epochs`."""
        more = {}
        if validation:
            data = self._data(*validation, prefix="validation_")
            more = {"validation_" + name.removeprefix("sample_"): value for name, value in data.items()}
        if class_weight:
            more["class_weight"] = class_weight
        if log_dir:
            more["log_dir"] = str(log_dir)
        if update_freq:
            more["update_freq"] = update_freq
        if callbacks:
            more["callbacks"] = [{"class": name, "options": plain(given)} for name, given in callbacks]
        if output:
            more["output"] = str(output)
        reply = self.request("fit", options=options, **self._data(x, y, sample_weight), **more)
        self.epochs = reply["epoch"]
        return reply["history"]

    def _data(self, x, y, sample_weight=None, prefix=""):
        """Of a request: "x", "y" and at will "sample_weight", where None is no weights; arrays, or lists of them."""
        arrays = {"x": x, "y": y, **({} if sample_weight is None else {"sample_weight": sample_weight})}
        return {name: self._written(given, prefix + name) for name, given in arrays.items()}

    def _written(self, given, name):
        """Of an array, or of a list of them and of None."""
        if not isinstance(given, list):
            return self.driver.write([given], name)[0]
        return [None if array is None else self.driver.write([array], f"{name}_{i}")[0] for i, array in enumerate(given)]

    def drop(self):
        self.request("drop")


def plain(given):
    """As JSON has it: paths are text, and numbers that are not finite as well."""
    if isinstance(given, dict):
        return {key: plain(value) for key, value in given.items()}
    if isinstance(given, list):
        return [plain(value) for value in given]
    if isinstance(given, pathlib.Path) or (isinstance(given, float) and not math.isfinite(given)):
        return str(given)
    return given


def _read(described):
    return [np.fromfile(o["path"], np.dtype(o["dtype"])).reshape(o["shape"]) for o in described]


def _of_keras(caught):
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning) and "keras" in w.filename]


def keras_call(function, *arguments, **keywords):
    """(result, warnings, error) of a call of Keras; other packages' warnings do not count."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return function(*arguments, **keywords), _of_keras(caught), None
        except Exception as error:  # noqa: BLE001: any error is a result here
            return None, _of_keras(caught), error
