"""The opponent's process: reads commands from stdin, one a line, and answers each with one line of JSON.

    python3 step.py MODEL BATCH THREADS DEVICE VARIANT     (VARIANT: plain, channels_last, cudnn_benchmark, compile, reduce_overhead)

What follows a + in a variant is for whoever starts this process.

Commands: train K | sample K | sgemm | memory | parity FOLDER | quit. Graft's own process (Graft.Benchmarks serve) knows the same.
"""
import json
import os
import struct
import sys
import time

import torch
import torch.nn.functional as F

import unet
from sssd import Sssd

LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY, MAX_NORM = 1e-4, (0.9, 0.999), 1e-8, 0.01, 1.0
EMA_DECAY, EMA_POWER = 0.9999, 0.75
ITEMS, SAMPLING_STEPS = 256, 50
COMPILED = {"compile": "default", "reduce_overhead": "reduce-overhead"}  # torch.compile's modes; the second uses CUDA graphs
TYPES = {"F32": torch.float32, "I64": torch.int64, "U8": torch.uint8}


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(data[begin:end], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().float().cpu().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            file.write(blob)


def high_water_mark():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


class Pictures:
    """What a U-Net is trained on: pictures as bytes, with nothing beside them. Samplers clip them."""

    clipped = True

    def __init__(self, config, generator):
        self.shape = config["in_channels"], config["sample_size"], config["sample_size"]
        self.bytes = torch.randint(0, 256, (ITEMS, *self.shape), dtype=torch.uint8, generator=generator)

    def __getitem__(self, index):
        return self.bytes[index].float() / 127.5 - 1, []


class Recordings:
    """What SSSD-ECG is trained on: recordings as they are, each with its set of labels."""

    clipped = False

    def __init__(self, config, generator):
        self.shape = config["in_channels"], config["sample_length"]
        self.samples = torch.randn(ITEMS, *self.shape, generator=generator)
        self.labels = (torch.rand(ITEMS, config["label_embed_classes"], generator=generator) < 0.05).float()

    def __getitem__(self, index):
        return self.samples[index], [self.labels[index]]


# By _class_name: the network, its data, and what counts its operations (None: Graft does not count them either).
NETWORKS = {"UNet2DModel": (unet.UNet, Pictures, unet.count_operations), "GraftSssdDenoiser": (Sssd, Recordings, None)}


class Bench:
    def __init__(self, folder, batch, device, variant):
        torch.ones(64, 64) @ torch.ones(64, 64)
        self.loaded = high_water_mark()
        folder = next(path for path in (os.path.join(folder, name) for name in ("unet", "denoiser")) if os.path.isdir(path))
        with open(os.path.join(folder, "config.json")) as file:
            config = json.load(file)
        network, data, self.count_operations = NETWORKS[config["_class_name"]]
        self.device, self.batch = torch.device(device), batch
        self.data = data(config, torch.Generator().manual_seed(0))
        self.layout = torch.channels_last if variant == "channels_last" else torch.contiguous_format
        self.model = network(config)
        weights = os.path.join(folder, "diffusion_pytorch_model.safetensors")
        self.model.load_state_dict(read_safetensors(weights), strict=True)
        self.model = self.model.to(self.device).to(memory_format=self.layout)
        self.network = self.compiled(COMPILED[variant]) if variant in COMPILED else self.model
        betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float32)
        self.alphas = (1 - betas).double().cumprod(0)
        each = -1, *[1] * len(self.data.shape)
        self.root_alpha = self.alphas.sqrt().float().to(self.device).view(each)
        self.root_rest = (1 - self.alphas).sqrt().float().to(self.device).view(each)
        self.optimiser = self.ema = self.state = None
        self.steps = 0

    def compiled(self, mode):
        if not hasattr(torch, "compile"):
            sys.exit(f"PyTorch {torch.__version__} has no torch.compile: it needs 2.0 or newer.")
        return torch.compile(self.model, mode=mode)

    def prepare_training(self):
        self.parameters = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, weight_decay=WEIGHT_DECAY)
        self.ema = [p.detach().clone() for p in self.parameters]

    def set_training(self, mode):
        if self.model.training != mode:
            self.model.train(mode)

    def to_device(self, x):
        return x.to(self.device).contiguous(memory_format=self.layout)

    def update(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, MAX_NORM)
        self.optimiser.step()
        decay = 0 if self.steps == 0 else min(EMA_DECAY, 1 - (1 + self.steps) ** -EMA_POWER)
        with torch.no_grad():
            torch._foreach_mul_(self.ema, decay)
            torch._foreach_add_(self.ema, self.parameters, alpha=1 - decay)
        self.steps += 1

    def train(self):
        if self.optimiser is None:
            self.prepare_training()
        self.set_training(True)
        x0, condition = self.data[torch.randint(0, ITEMS, (self.batch,))]
        x0, condition = self.to_device(x0), [c.to(self.device) for c in condition]
        noise = torch.randn_like(x0)
        t = torch.randint(0, 1000, (self.batch,), device=self.device)
        self.optimiser.zero_grad(set_to_none=True)
        loss = F.mse_loss(self.network(self.root_alpha[t] * x0 + self.root_rest[t] * noise, t, *condition), noise)
        loss.backward()
        self.update()
        return loss.item()

    @torch.no_grad()
    def ddim(self, x, condition, steps, first=0):
        self.set_training(False)
        x, condition = self.to_device(x), [c.to(self.device) for c in condition]
        plan = [i * (1000 // SAMPLING_STEPS) for i in reversed(range(SAMPLING_STEPS))][first:first + steps]
        for k, now in enumerate(plan):
            then = self.alphas[plan[k + 1]].item() if k + 1 < len(plan) else 1.0
            alpha = self.alphas[now].item()
            noise = self.network(x, torch.full((x.shape[0],), now, dtype=torch.int64, device=self.device), *condition)
            x0 = (x - (1 - alpha) ** 0.5 * noise) / alpha ** 0.5
            if self.data.clipped:
                x0 = x0.clamp(-1, 1)
            x = then ** 0.5 * x0 + (1 - then) ** 0.5 * noise
        return x.cpu()

    def sample(self, steps):
        _, condition = self.data[torch.arange(self.batch)]
        return self.ddim(torch.randn(self.batch, *self.data.shape), condition, steps)

    def sgemm(self):
        """The best of ten products of 1024 x 1024 matrices, as `graft doctor` measures it."""
        a, b = torch.rand(1024, 1024, device=self.device), torch.rand(1024, 1024, device=self.device)
        best = float("inf")
        for _ in range(10):
            start = time.perf_counter()
            c = a @ b
            if self.device.type == "cuda":
                c[0, 0].item()
            best = min(best, time.perf_counter() - start)
        return 2 * 1024 ** 3 / best / 1e9

    def parity(self, folder):
        """Reads inputs.safetensors (x, t, noise, and labels where the network takes them) and writes what came of them."""
        given = read_safetensors(os.path.join(folder, "inputs.safetensors"))
        x, noise, t = self.to_device(given["x"]), self.to_device(given["noise"]), given["t"].to(self.device)
        condition = [given["labels"].to(self.device)] if "labels" in given else []
        operations = self.count_operations and self.count_operations(self.model, x, t) // x.shape[0]
        output = self.network(x, t, *condition)
        loss = F.mse_loss(output, noise)
        loss.backward()
        named = dict(self.model.named_parameters())
        results = {"output": output, "loss": loss, "sample": self.ddim(given["noise"], condition, 2, SAMPLING_STEPS - 2)}
        results.update({f"grad.{name}": p.grad for name, p in named.items() if p.grad is not None})
        write_safetensors(os.path.join(folder, "theirs.safetensors"), results)
        gradients = read_safetensors(os.path.join(folder, "ours.safetensors"))
        self.prepare_training()
        for _ in range(2):
            for name, p in named.items():
                if p.grad is not None:
                    p.grad = gradients[f"grad.{name}"].to(self.device).clone()
            self.update()
        after = {f"parameter.{name}": p for name, p in named.items()}
        after.update({f"ema.{name}": e for name, e in zip(named, self.ema)})
        write_safetensors(os.path.join(folder, "theirs-stepped.safetensors"), after)
        return {"operations": operations, "parameters": sum(p.numel() for p in self.model.state_dict().values())}

    def timed(self, work):
        cpu, start = time.process_time(), time.perf_counter()
        value = work()
        return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "value": value}

    def answer(self, words):
        if words[0] == "train":
            return self.timed(lambda: [self.train() for _ in range(int(words[1]))][-1])
        if words[0] == "sample":
            return self.timed(lambda: self.sample(int(words[1])).mean().item())
        if words[0] == "sgemm":
            return {"gflops": self.sgemm()}
        if words[0] == "memory":
            return {"bytes": high_water_mark() - self.loaded, "loaded": self.loaded}
        if words[0] == "parity":
            return self.parity(words[1])
        raise ValueError(f"the command {words[0]} is unknown")


def main():
    folder, batch, threads, device, variant = sys.argv[1:]
    variant = variant.split("+")[0]
    torch.set_num_threads(int(threads))
    if device == "cuda":
        torch.backends.cudnn.benchmark = variant == "cudnn_benchmark"
    bench = Bench(folder, int(batch), device, variant)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), file=answers)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(json.dumps(bench.answer(line.split())), file=answers)


main()
