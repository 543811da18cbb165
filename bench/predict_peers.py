"""Times one peer on one model and prints one line of JSON; `bench_predict` runs it, one process a case.

    predict_peers.py onnxruntime|keras-jax MODEL BATCH WEIGHTS --size S [--runs N] [--onnx GRAPH [--export]]
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["onnxruntime", "keras-jax"])
parser.add_argument("model", help="a name in keras.applications")
parser.add_argument("batch", type=int)
parser.add_argument("weights", help=".weights.h5 that Lamina wrote")
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--runs", type=int, default=10)
parser.add_argument("--seconds", type=float, default=10, help="stop after these, having run thrice")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--output", help="the first result, as raw float32")
parser.add_argument("--onnx", help="where the ONNX graph is kept between the two onnxruntime processes")
parser.add_argument("--realtime", action="store_true", help="timed runs go before other work")
parser.add_argument("--export", action="store_true", help="write the ONNX graph and stop")
args = parser.parse_args()

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402


def images():
    """The same numbers as bench/predict.cpp: a linear congruential generator, values in [0, 255]."""
    count = args.batch * args.size * args.size * 3
    index = np.arange(count, dtype=np.uint64)
    mixed = (index * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)) >> np.uint64(40)
    values = (mixed % np.uint64(256)).astype(np.float32)
    return values.reshape(args.batch, args.size, args.size, 3)


def keras_model():
    import keras

    model = getattr(keras.applications, args.model)(weights=None)
    model.load_weights(args.weights)
    return model


class OnnxGraph:
    """Keras's layers as ONNX nodes, NCHW, with nothing folded: that is ONNX Runtime's to do."""

    def __init__(self, batch):
        self.batch, self.nodes, self.constants, self.names = batch, [], [], {}

    def constant(self, name, value):
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op, inputs, layer, **attributes):
        from onnx import helper

        output = f"{layer}/{op}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, layer, x):
        depthwise = type(layer).__name__ == "DepthwiseConv2D"
        kernel = np.asarray(layer.kernel)
        groups = layer.input.shape[-1] if depthwise else 1
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        begin, end = zip(*(self.padding(layer, axis) for axis in (0, 1)))
        inputs = [x, self.constant(layer.name + "/kernel", kernel)]
        if layer.use_bias:
            inputs.append(self.constant(layer.name + "/bias", np.asarray(layer.bias)))
        y = self.node("Conv", inputs, layer.name, group=groups, strides=list(layer.strides),
                      kernel_shape=list(kernel.shape[2:]), pads=[*begin, *end])
        return self.activation(layer.activation, layer.name, y)

    @staticmethod
    def padding(layer, axis):
        if layer.padding == "valid":
            return 0, 0
        size, stride, window = layer.input.shape[axis + 1], layer.strides[axis], layer.kernel_size[axis]
        missing = max((-(-size // stride) - 1) * stride + window - size, 0)
        return missing // 2, missing - missing // 2

    def activation(self, function, name, x):
        kind = function.__name__
        if kind == "linear":
            return x
        if kind in ("silu", "swish"):
            return self.node("Mul", [x, self.node("Sigmoid", [x], name)], name)
        if kind == "softmax":
            return self.node("Softmax", [x], name, axis=-1)
        return self.node({"sigmoid": "Sigmoid", "relu": "Relu"}[kind], [x], name)

    def channels(self, name, value):
        return self.constant(name, np.asarray(value, np.float32).reshape(1, -1, 1, 1))

    def add(self, layer, inputs):
        kind, name, x = type(layer).__name__, layer.name, inputs[0]
        if kind in ("Conv2D", "DepthwiseConv2D"):
            return self.convolution(layer, x)
        if kind == "BatchNormalization":
            parts = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
            labels = ["gamma", "beta", "mean", "variance"]
            params = [self.constant(f"{name}/{n}", np.asarray(v)) for n, v in zip(labels, parts)]
            return self.node("BatchNormalization", [x, *params], name, epsilon=float(layer.epsilon))
        if kind == "Activation":
            return self.activation(layer.activation, name, x)
        if kind == "Rescaling":
            scaled = self.node("Mul", [x, self.channels(name + "/scale", layer.scale)], name)
            return self.node("Add", [scaled, self.channels(name + "/offset", layer.offset)], name)
        if kind == "Normalization":
            mean = np.asarray(layer.mean, np.float32)
            deviation = np.sqrt(np.asarray(layer.variance, np.float32))
            moved = self.node("Sub", [x, self.channels(name + "/mean", mean)], name)
            return self.node("Div", [moved, self.channels(name + "/deviation", deviation)], name)
        if kind == "GlobalAveragePooling2D":
            return self.node("Flatten", [self.node("GlobalAveragePool", [x], name)], name)
        if kind == "Reshape":
            shape = np.array([0, layer.target_shape[-1], 1, 1], np.int64)
            return self.node("Reshape", [x, self.constant(name + "/shape", shape)], name)
        if kind in ("Add", "Multiply"):
            return self.node({"Add": "Add", "Multiply": "Mul"}[kind], inputs, name)
        if kind == "Dropout":
            return x
        if kind == "Dense":
            params = [self.constant(f"{name}/{n}", np.asarray(v)) for n, v in
                      (("kernel", layer.kernel), ("bias", layer.bias))]
            return self.activation(layer.activation, name, self.node("Gemm", [x, *params], name))
        raise SystemExit(f"no ONNX counterpart for the layer {name} ({kind})")

    def model(self, keras_model):
        from onnx import TensorProto, helper

        _, height, width, channels = keras_model.input.shape
        shape = [self.batch, channels, height, width]
        source = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
        for layer in keras_model.layers:
            if type(layer).__name__ == "InputLayer":
                self.names[id(layer.output)] = "images"
                continue
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            self.names[id(layer.output)] = self.add(layer, [self.names[id(x)] for x in inputs])
        result = self.names[id(keras_model.output)]
        target = helper.make_tensor_value_info(result, TensorProto.FLOAT, [self.batch, 1000])
        graph = helper.make_graph(self.nodes, args.model, [source], [target], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def onnxruntime_engine():
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    data = np.ascontiguousarray(images().transpose(0, 3, 1, 2))
    return lambda: session.run(None, {name: data})[0], ort.__version__


def keras_engine():
    import jax
    import keras

    model = keras_model()
    state = [[v.value for v in variables]
             for variables in (model.trainable_variables, model.non_trainable_variables)]
    forward = jax.jit(lambda trainable, others, x: model.stateless_call(trainable, others, x)[0])
    data = jax.device_put(images())
    return (lambda: np.asarray(forward(*state, data)),
            f"keras {keras.__version__}, jax {jax.__version__}")


def status(field):
    with open("/proc/self/status") as text:
        return next(int(line.split()[1]) * 1024 for line in text if line.startswith(field))


def mapped_files():
    """As `mapped_file_bytes` in child_process.h."""
    total, of_file = 0, False
    with open("/proc/self/smaps") as text:
        for line in text:
            word = line.split(" ", 1)[0].rstrip()
            if not word.endswith(":"):
                of_file = " /" in line
            elif of_file and word == "Rss:":
                total += int(line.split()[1]) * 1024
    return total


def main():
    if args.export:
        import onnx

        onnx.save(OnnxGraph(args.batch).model(keras_model()), args.onnx)
        return
    start = time.perf_counter()
    run, version = onnxruntime_engine() if args.engine == "onnxruntime" else keras_engine()
    ready = time.perf_counter() - start
    start = time.perf_counter()
    first = run()
    first_seconds = time.perf_counter() - start
    if args.output:
        np.ascontiguousarray(first, dtype=np.float32).tofile(args.output)
    if args.realtime:
        for task in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(task), os.SCHED_FIFO, os.sched_param(1))
    times, begin = [], time.perf_counter()
    while len(times) < args.runs and (len(times) < 3 or time.perf_counter() - begin < args.seconds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    json.dump({
        "engine": args.engine, "version": version, "model": args.model, "batch": args.batch,
        "threads": args.threads, "runs": len(times), "prepare_s": ready, "first_s": first_seconds,
        "min_ms": min(times) * 1e3, "median_ms": statistics.median(times) * 1e3,
        "max_ms": max(times) * 1e3,
        "file_pages_bytes": mapped_files(),
        "peak_rss_bytes": max(status("VmHWM"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024),
    }, sys.stdout)
    print()


main()
