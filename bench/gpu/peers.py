"""What PyTorch does on the same GPU; `bench_gpu` runs it and reads the line of JSON that it prints.

    peers.py inference --batches 1,8,64 --seconds 3 [--device cuda] [--model efficientnet_v2_l]
    peers.py saves --disk DIR --memory DIR --units 8192 --layers 32 --rounds 3

Weights are random, so nothing is fetched. Rows are those of measure.h.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["inference", "saves"])
parser.add_argument("--device", default="cuda")
parser.add_argument("--model", default="efficientnet_v2_l")
parser.add_argument("--size", type=int, default=480)
parser.add_argument("--engines", default="torch eager,torch compile")
parser.add_argument("--precisions", default="float32,TF32,bfloat16")
parser.add_argument("--benchmark", action="store_true", help="have cuDNN measure its engines first")
parser.add_argument("--batches", default="1,8,64")
parser.add_argument("--seconds", type=float, default=3)
parser.add_argument("--budget", type=float, default=3600, help="no row of inference begins later")
parser.add_argument("--disk", default=".")
parser.add_argument("--memory", default="/dev/shm")
parser.add_argument("--units", type=int, default=8192)
parser.add_argument("--layers", type=int, default=32)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()


def wait():
    if args.device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(action):
    wait()
    start = time.perf_counter()
    action()
    wait()
    return time.perf_counter() - start


def network():
    import torchvision

    with torch.device(args.device):
        return getattr(torchvision.models, args.model)(weights=None).eval()


def flowing(run):
    once = seconds(run)
    times = max(1, min(200, int(args.seconds / 5 / once)))
    return statistics.median(seconds(lambda: [run() for _ in range(times)]) / times for _ in range(5))


def waited_for(run):
    times = []
    while len(times) < 3 or (sum(times) < args.seconds and len(times) < 100):
        times.append(seconds(run))
    return statistics.median(times)


def row(engine, precision, batch, run):
    for _ in range(3):
        run()
    return {"engine": engine, "precision": precision, "batch": batch, "version": torch.__version__,
            "images_per_s": batch / flowing(run), "latency_ms": waited_for(run) * 1e3}


def networks():
    """The network in each precision, and what tensors it takes."""
    for precision in args.precisions.split(","):
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        yield precision, dtype, network().to(dtype=dtype, memory_format=torch.channels_last)


def inference():
    rows, start = [], time.perf_counter()
    torch.backends.cudnn.benchmark = args.benchmark
    prepared = list(networks())
    # To compile takes minutes: last.
    for name in args.engines.split(","):
        for batch in map(int, args.batches.split(",")):
            images = torch.rand(batch, 3, args.size, args.size, device=args.device)
            for precision, dtype, model in prepared:
                if time.perf_counter() - start > args.budget:
                    return rows
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "TF32"
                engine = torch.compile(model, mode="reduce-overhead") if name == "torch compile" else model
                x = images.to(dtype=dtype, memory_format=torch.channels_last)
                try:
                    with torch.inference_mode():
                        rows.append(row(name, precision, batch, lambda: engine(x)))
                except Exception as error:  # a compiler that is not there: the others still count
                    print(f"{name}, {precision}, {batch}: {error}"[:300], file=sys.stderr)
    return rows


def large():
    with torch.device(args.device):
        return torch.nn.Sequential(
            *[torch.nn.Linear(args.units, args.units, bias=False) for _ in range(args.layers)])


def sync(path):
    for folder, _, files in os.walk(path):
        for name in files:
            file = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.fsync(file)
            os.close(file)


class Torch:
    def __init__(self, model, path):
        self.model, self.path = model, path + "/model.pt"

    def save(self):
        torch.save(self.model.state_dict(), self.path)

    def load(self):
        self.model.load_state_dict(torch.load(self.path, map_location=args.device))


class Safetensors:
    def __init__(self, model, path):
        import safetensors.torch

        self.library, self.model, self.path = safetensors.torch, model, path + "/model.safetensors"

    def save(self):
        self.library.save_file(self.model.state_dict(), self.path)

    def load(self):
        self.model.load_state_dict(self.library.load_file(self.path, device=args.device))


class Distributed:
    """Of one process: the call and the wait for its files."""

    def __init__(self, model, path):
        import torch.distributed as distributed
        import torch.distributed.checkpoint as checkpoint

        if not distributed.is_initialized():
            os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
            os.environ.setdefault("MASTER_PORT", "29511")
            distributed.init_process_group("gloo", rank=0, world_size=1)
        self.library, self.model, self.path, self.returned = checkpoint, model, path + "/model", []

    def save(self):
        start = time.perf_counter()
        future = self.library.async_save(self.model.state_dict(), checkpoint_id=self.path)
        self.returned.append(time.perf_counter() - start)
        future.result()

    def load(self):
        state = self.model.state_dict()
        self.library.load(state, checkpoint_id=self.path)
        self.model.load_state_dict(state)


def saves():
    rows = []
    peers = {"torch.save": Torch, "safetensors": Safetensors, "torch async_save": Distributed}
    for name, make in ((args.model, network), ("large", large)):
        model = make()
        size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
        for where, parent in (("disk", args.disk), ("memory", args.memory)):
            for engine, peer in peers.items():
                folder = os.path.join(parent, "lamina-bench-peers")
                try:
                    os.makedirs(folder)
                    each = peer(model, folder)
                    each.save()
                    times = [(seconds(lambda: (each.save(), sync(folder))), seconds(each.load))
                             for _ in range(args.rounds)]
                    rows.append({"engine": engine, "model": name, "where": where, "bytes": size,
                                 "save_s": statistics.median(save for save, _ in times),
                                 "load_s": statistics.median(load for _, load in times)})
                    if getattr(each, "returned", None):
                        rows[-1]["returns_ms"] = statistics.median(each.returned) * 1e3
                except Exception as error:
                    print(f"{engine}, {name}, {where}: {error}"[:300], file=sys.stderr)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        del model
    return rows


json.dump(inference() if args.what == "inference" else saves(), sys.stdout)
print()
