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
parser.add_argument("--policy", choices=["float32", "mixed_bfloat16", "mixed_float16"], default="float32")
options = parser.parse_args()

IMAGES = np.random.default_rng(7).normal(size=(options.batch, options.size, options.size, 3)).astype("float32")
LABELS = np.arange(options.batch) % 10


def keras_step():
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    import keras
    from keras import layers
    if options.model == "convnet":
        x = y = keras.Input((options.size, options.size, 3))
        for filters in (32, 64, 128):
            y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
            y = layers.MaxPooling2D(2)(layers.Activation("relu")(y))
        y = layers.Dense(128, activation="relu")(layers.Flatten()(y))
        model = keras.Model(x, layers.Dense(10)(y))
    else:
        model = getattr(keras.applications, options.model)(
            weights=None, input_shape=(options.size, options.size, 3), classifier_activation=None)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: float(model.train_on_batch(IMAGES, LABELS))


def torch_model():
    from torch import nn
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
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)  # NHWC memory: channels last
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

    return step


def peak():
    with open("/proc/self/status") as text:
        return next(int(line.split()[1]) * 1024 for line in text if line.startswith("VmHWM"))


assert options.engine != "keras-jax" or (options.device, options.policy) == ("cpu", "float32")
step = keras_step() if options.engine == "keras-jax" else torch_step()
for _ in range(2):
    step()
times, begin = [], time.perf_counter()
while len(times) < options.steps and (len(times) < 4 or time.perf_counter() - begin < options.seconds):
    start = time.perf_counter()
    loss = step()
    times.append(1e3 * (time.perf_counter() - start))
ordered = sorted(times)
print(json.dumps({"engine": options.engine, "steps": len(times), "median_ms": ordered[len(ordered) // 2],
                  "min_ms": ordered[0], "mean_ms": sum(times) / len(times), "loss": loss,
                  "peak_rss_bytes": peak()}))
