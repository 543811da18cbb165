"""Times steps of Adam in Keras on JAX (compiled, on the CPU) or PyTorch (eager or compiled, channels last): what
bench_train does in Lamina, on models of the same shapes. Prints one JSON object."""

import argparse
import json
import os
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["keras-jax", "torch", "torch-compile"])
parser.add_argument("model")
parser.add_argument("batch", type=int)
parser.add_argument("size", type=int)
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--seconds", type=float, default=20)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--device", default="cpu")
parser.add_argument("--predict", action="store_true", help="inference in place of steps")
parser.add_argument("--policy", choices=["float32", "mixed_bfloat16", "mixed_float16"], default="float32")
options = parser.parse_args()

WORDS = 8192
random = np.random.default_rng(7)
if options.model in ("transformer", "text_convnet"):
    INPUTS = random.integers(WORDS, size=(options.batch, options.size), dtype="int32")
elif options.model == "mlp":
    INPUTS = random.normal(size=(options.batch, options.size)).astype("float32")
else:
    INPUTS = random.normal(size=(options.batch, options.size, options.size, 3)).astype("float32")
LABELS = np.arange(options.batch) % 10


def keras_model():
    import keras
    from keras import layers
    size = options.size
    if options.model == "convnet":
        x = y = keras.Input((size, size, 3))
        for filters in (32, 64, 128):
            y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
            y = layers.MaxPooling2D(2)(layers.Activation("relu")(y))
        y = layers.Dense(128, activation="relu")(layers.Flatten()(y))
    elif options.model == "transformer":
        x = keras.Input((size,), dtype="int32")
        y = layers.Embedding(WORDS, 128)(x)
        for _ in range(2):
            n = layers.LayerNormalization()(y)
            y = y + layers.Dropout(0.1)(layers.MultiHeadAttention(8, 16)(n, n))
            n = layers.Dense(512, activation="gelu")(layers.LayerNormalization()(y))
            y = y + layers.Dropout(0.1)(layers.Dense(128)(n))
        y = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(y))
    elif options.model == "mlp":
        x = y = keras.Input((size,))
        for _ in range(2):
            y = layers.Dense(256, activation="relu")(y)
    elif options.model == "text_convnet":
        x = keras.Input((size,), dtype="int32")
        y = layers.Dropout(0.2)(layers.Embedding(WORDS, 64)(x))
        for _ in range(2):
            y = layers.MaxPooling1D(2)(layers.Conv1D(128, 5, padding="same", activation="relu")(y))
        y = layers.Dense(64, activation="relu")(layers.GlobalMaxPooling1D()(y))
    elif options.model == "depthwise":
        def activated(y):
            return layers.Activation("relu6")(layers.BatchNormalization()(y))
        x = keras.Input((size, size, 3))
        y = activated(layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x))
        for filters in (64, 128, 128, 256, 256):
            strides = 2 if filters > y.shape[-1] else 1
            y = activated(layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y))
            y = activated(layers.Conv2D(filters, 1, use_bias=False)(y))
        y = layers.GlobalAveragePooling2D()(y)
    else:
        return getattr(keras.applications, options.model)(
            weights=None, input_shape=(size, size, 3), classifier_activation=None)
    return keras.Model(x, layers.Dense(10)(y))


def keras_step():
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    import keras
    keras.config.set_dtype_policy(options.policy)
    model = keras_model()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    if options.predict:
        return lambda: model.predict_on_batch(INPUTS).sum()
    return lambda: float(model.train_on_batch(INPUTS, LABELS))


def torch_sequences():
    """Networks of sequences and rows."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.out = nn.Linear(128, 3 * 128), nn.Linear(128, 128)

        def forward(self, x):
            parts = self.into(x).unflatten(-1, (3, 8, 16)).permute(2, 0, 3, 1, 4)
            return self.out(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(-2))

    class Residual(nn.Module):
        def __init__(self, *parts):
            super().__init__()
            self.parts = nn.Sequential(nn.LayerNorm(128, eps=1e-3), *parts, nn.Dropout(0.1))

        def forward(self, x):
            return x + self.parts(x)

    class Along(nn.Module):
        """Channels last to channels first."""

        def forward(self, x):
            return x.transpose(1, 2)

    class Over(nn.Module):
        def __init__(self, reduce):
            super().__init__()
            self.reduce = reduce

        def forward(self, x):
            return self.reduce(x)

    if options.model == "mlp":
        hidden = [nn.Linear(options.size, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(256, 10))
    if options.model == "text_convnet":
        blocks = [nn.Embedding(WORDS, 64), nn.Dropout(0.2), Along()]
        for before in (64, 128):
            blocks += [nn.Conv1d(before, 128, 5, padding="same"), nn.ReLU(), nn.MaxPool1d(2)]
        return nn.Sequential(*blocks, Over(lambda x: x.amax(2)), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    blocks = [nn.Embedding(WORDS, 128)]
    for _ in range(2):
        blocks += [Residual(Attention()), Residual(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128))]
    return nn.Sequential(*blocks, nn.LayerNorm(128, eps=1e-3), Over(lambda x: x.mean(1)), nn.Linear(128, 10))


def torch_model():
    from torch import nn
    if options.model in ("transformer", "mlp", "text_convnet"):
        return torch_sequences()
    if options.model == "depthwise":
        def activated(convolution):
            return [convolution, nn.BatchNorm2d(convolution.out_channels, eps=1e-3), nn.ReLU6()]
        blocks, before = activated(nn.Conv2d(3, 32, 3, 2, 1, bias=False)), 32
        for filters in (64, 128, 128, 256, 256):
            strides = 2 if filters > before else 1
            blocks += activated(nn.Conv2d(before, before, 3, strides, 1, groups=before, bias=False))
            blocks += activated(nn.Conv2d(before, filters, 1, bias=False))
            before = filters
        return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
    if options.model == "convnet":
        blocks, before = [], 3
        for filters in (32, 64, 128):
            blocks += [nn.Conv2d(before, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
                       nn.MaxPool2d(2)]
            before = filters
        features = before * (options.size // 8) ** 2
        return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 10))
    from torchvision.models import efficientnet
    if options.model == "EfficientNetV2S":
        return efficientnet.efficientnet_v2_s()
    if options.model != "EfficientNetV2B0":
        parser.error(f"no PyTorch model for {options.model}")
    fused, plain = efficientnet.FusedMBConvConfig, efficientnet.MBConvConfig
    blocks = [fused(1, 3, 1, 32, 16, 1), fused(4, 3, 2, 16, 32, 2), fused(4, 3, 2, 32, 48, 2),
              plain(4, 3, 2, 48, 96, 3), plain(6, 3, 1, 96, 112, 5), plain(6, 3, 2, 112, 192, 8)]
    return efficientnet.EfficientNet(blocks, dropout=0.2, last_channel=1280)


def torch_step():
    import torch
    torch.set_num_threads(options.threads)
    # As Lamina computes float32: without TF32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = torch_model().to(options.device, memory_format=torch.channels_last)
    model.train()
    forward = torch.compile(model) if options.engine == "torch-compile" else model
    narrow = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}.get(options.policy)
    scaler = torch.amp.GradScaler(torch.device(options.device).type, enabled=narrow is torch.float16)
    optimizer = torch.optim.Adam(model.parameters())
    cross_entropy = torch.nn.CrossEntropyLoss()
    images = torch.from_numpy(INPUTS)
    if images.ndim == 4:
        images = images.permute(0, 3, 1, 2)  # NHWC memory: channels last
    labels = torch.from_numpy(LABELS)

    def step():
        x, y = images.to(options.device), labels.to(options.device)  # at each step, as Lamina does
        optimizer.zero_grad()
        with torch.autocast(torch.device(options.device).type, dtype=narrow, enabled=narrow is not None):
            loss = cross_entropy(forward(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    def predict():
        with torch.inference_mode(), torch.autocast(torch.device(options.device).type, dtype=narrow,
                                                    enabled=narrow is not None):
            return float(forward(images.to(options.device)).sum())

    if options.predict:
        model.eval()
        return predict
    return step


def peak():
    with open("/proc/self/status") as text:
        return next(int(line.split()[1]) * 1024 for line in text if line.startswith("VmHWM"))


assert options.engine != "keras-jax" or options.device == "cpu"
step = keras_step() if options.engine == "keras-jax" else torch_step()
for _ in range(2):
    step()
times, processor, begin = [], [], time.perf_counter()
while len(times) < options.steps and (len(times) < 4 or time.perf_counter() - begin < options.seconds):
    start, used = time.perf_counter(), time.process_time()
    loss = step()
    times.append(1e3 * (time.perf_counter() - start))
    processor.append(1e3 * (time.process_time() - used))
ordered = sorted(times)
print(json.dumps({"engine": options.engine, "steps": len(times), "median_ms": ordered[len(ordered) // 2],
                  "min_ms": ordered[0], "min_processor_ms": min(processor),
                  "mean_ms": sum(times) / len(times), "loss": float(loss),
                  "peak_rss_bytes": peak()}))
