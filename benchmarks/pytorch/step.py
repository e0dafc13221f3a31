"""The opponent's process: reads commands from stdin, one a line, and answers each with one line of JSON.

    python3 step.py MODEL BATCH THREADS DEVICE VARIANT     (VARIANT: plain, channels_last, cudnn_benchmark)

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

from unet import UNet, count_operations

LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY, MAX_NORM = 1e-4, (0.9, 0.999), 1e-8, 0.01, 1.0
EMA_DECAY, EMA_POWER = 0.9999, 0.75
PICTURES, SAMPLING_STEPS = 256, 50
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


class Bench:
    def __init__(self, folder, batch, device, variant):
        torch.ones(64, 64) @ torch.ones(64, 64)
        self.loaded = high_water_mark()
        with open(os.path.join(folder, "unet", "config.json")) as file:
            self.config = json.load(file)
        self.device, self.batch = torch.device(device), batch
        self.layout = torch.channels_last if variant == "channels_last" else torch.contiguous_format
        self.model = UNet(self.config)
        weights = os.path.join(folder, "unet", "diffusion_pytorch_model.safetensors")
        self.model.load_state_dict(read_safetensors(weights), strict=True)
        self.model = self.model.to(self.device).to(memory_format=self.layout)
        betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float32)
        self.alphas = (1 - betas).double().cumprod(0)
        self.root_alpha = self.alphas.sqrt().float().to(self.device)[:, None, None, None]
        self.root_rest = (1 - self.alphas).sqrt().float().to(self.device)[:, None, None, None]
        edge = self.config["sample_size"]
        generator = torch.Generator().manual_seed(0)
        self.data = torch.randint(0, 256, (PICTURES, self.config["in_channels"], edge, edge), dtype=torch.uint8, generator=generator)
        self.optimiser = self.ema = self.state = None
        self.steps = 0

    def prepare_training(self):
        self.parameters = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, weight_decay=WEIGHT_DECAY)
        self.ema = [p.detach().clone() for p in self.parameters]

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
        index = torch.randint(0, PICTURES, (self.batch,))
        x0 = self.to_device(self.data[index].float() / 127.5 - 1)
        noise = torch.randn_like(x0)
        t = torch.randint(0, 1000, (self.batch,), device=self.device)
        self.optimiser.zero_grad(set_to_none=True)
        loss = F.mse_loss(self.model(self.root_alpha[t] * x0 + self.root_rest[t] * noise, t), noise)
        loss.backward()
        self.update()
        return loss.item()

    @torch.no_grad()
    def ddim(self, x, steps, first=0):
        x = self.to_device(x)
        plan = [i * (1000 // SAMPLING_STEPS) for i in reversed(range(SAMPLING_STEPS))][first:first + steps]
        for k, now in enumerate(plan):
            then = self.alphas[plan[k + 1]].item() if k + 1 < len(plan) else 1.0
            alpha = self.alphas[now].item()
            noise = self.model(x, torch.full((x.shape[0],), now, dtype=torch.int64, device=self.device))
            x0 = ((x - (1 - alpha) ** 0.5 * noise) / alpha ** 0.5).clamp(-1, 1)
            x = then ** 0.5 * x0 + (1 - then) ** 0.5 * noise
        return x.cpu()

    def sample(self, steps):
        edge = self.config["sample_size"]
        return self.ddim(torch.randn(self.batch, self.config["in_channels"], edge, edge), steps)

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
        """Reads inputs.safetensors (x, t, noise; grad.NAME) and writes what came of them."""
        given = read_safetensors(os.path.join(folder, "inputs.safetensors"))
        x, noise, t = self.to_device(given["x"]), self.to_device(given["noise"]), given["t"].to(self.device)
        operations = count_operations(self.model, x, t)
        output = self.model(x, t)
        loss = F.mse_loss(output, noise)
        loss.backward()
        named = dict(self.model.named_parameters())
        results = {"output": output, "loss": loss, "sample": self.ddim(given["noise"], 2, SAMPLING_STEPS - 2)}
        results.update({f"grad.{name}": p.grad for name, p in named.items()})
        write_safetensors(os.path.join(folder, "theirs.safetensors"), results)
        gradients = read_safetensors(os.path.join(folder, "ours.safetensors"))
        self.prepare_training()
        for _ in range(2):
            for name, p in named.items():
                p.grad = gradients[f"grad.{name}"].to(self.device).clone()
            self.update()
        after = {f"parameter.{name}": p for name, p in named.items()}
        after.update({f"ema.{name}": e for name, e in zip(named, self.ema)})
        write_safetensors(os.path.join(folder, "theirs-stepped.safetensors"), after)
        return {"operations": operations // x.shape[0], "parameters": sum(p.numel() for p in self.parameters)}

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
