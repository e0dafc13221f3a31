"""The opponent: the U-Net of unet/config.json (UNet2DModel) in plain, idiomatic PyTorch, written from the architecture's description.

Parameters carry the names of the file, with the attention's older ones (query, key, value, proj_attn). Options that the benchmarks do
not use are refused rather than ignored.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

FIXED = {
    "act_fn": "silu", "add_attention": True, "center_input_sample": False, "class_embed_type": None, "num_class_embeds": None,
    "mid_block_scale_factor": 1, "resnet_time_scale_shift": "default", "time_embedding_type": "positional",
}


class TimestepEmbedding(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class ResnetBlock(nn.Module):
    def __init__(self, inputs, outputs, time_width, groups, eps):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_width, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class Attention(nn.Module):
    def __init__(self, channels, head_size, groups, eps):
        super().__init__()
        self.heads = 1 if head_size is None else max(1, channels // head_size)
        self.group_norm = nn.GroupNorm(groups, channels, eps)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.proj_attn = nn.Linear(channels, channels)

    def split(self, x):
        if self.heads == 1:
            return x
        n, tokens, c = x.shape
        return x.view(n, tokens, self.heads, c // self.heads).transpose(1, 2).reshape(n * self.heads, tokens, c // self.heads)

    def forward(self, x):
        n, c, height, width = x.shape
        tokens = self.group_norm(x).reshape(n, c, height * width).transpose(1, 2)
        q, k, v = self.split(self.query(tokens)), self.split(self.key(tokens)), self.split(self.value(tokens))
        # The scale goes into q: one pass over the smaller tensor. (baddbmm with beta 0 may give NaN in PyTorch 1.13.)
        weights = torch.bmm(q * (c / self.heads) ** -0.5, k.transpose(1, 2)).softmax(-1)
        h = torch.bmm(weights, v)
        if self.heads > 1:
            h = h.view(n, self.heads, height * width, c // self.heads).transpose(1, 2).reshape(n, height * width, c)
        return self.proj_attn(h).transpose(1, 2).reshape(n, c, height, width) + x


class Downsample(nn.Module):
    def __init__(self, channels, padding):
        super().__init__()
        self.pad = padding == 0
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.pad else x)


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """A level on the way down or up: residual blocks, attention where its type says so, a change of resolution but for the last."""

    def __init__(self, kind, inputs, outputs, time_width, c, sampler=None):
        super().__init__()
        groups, eps = c["norm_num_groups"], c["norm_eps"]
        if kind not in ("DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"):
            raise ValueError(f"the block type {kind} is not known here")
        self.resnets = nn.ModuleList(ResnetBlock(i, outputs, time_width, groups, eps) for i in inputs)
        self.attentions = nn.ModuleList(
            Attention(outputs, c["attention_head_dim"], groups, eps) for _ in inputs) if kind.startswith("Attn") else None
        name = "upsamplers" if "Up" in kind else "downsamplers"
        self.samplers = name if sampler is not None else None
        if sampler is not None:
            setattr(self, name, nn.ModuleList([sampler]))

    def blocks(self):
        return zip(self.resnets, self.attentions or [None] * len(self.resnets))

    def resample(self, x):
        return getattr(self, self.samplers)[0](x)


class Middle(nn.Module):
    def __init__(self, channels, time_width, c):
        super().__init__()
        groups, eps = c["norm_num_groups"], c["norm_eps"]
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, time_width, groups, eps) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(channels, c["attention_head_dim"], groups, eps)])

    def forward(self, x, time):
        return self.resnets[1](self.attentions[0](self.resnets[0](x, time)), time)


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        for key, value in FIXED.items():
            if config.get(key, value) != value:
                raise ValueError(f"{key} = {config[key]} is not known here")
        c = {"attention_head_dim": 8, "norm_num_groups": 32, "norm_eps": 1e-5, "downsample_padding": 1, "layers_per_block": 2, **config}
        widths, layers = c["block_out_channels"], c["layers_per_block"]
        self.width, self.shift, self.flip = widths[0], c.get("freq_shift", 0), c.get("flip_sin_to_cos", True)
        time_width, last = widths[0] * 4, len(widths) - 1
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], time_width)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            inputs = [widths[max(0, i - 1)]] + [width] * (layers - 1)
            sampler = None if i == last else Downsample(width, c["downsample_padding"])
            self.down_blocks.append(Level(c["down_block_types"][i], inputs, width, time_width, c, sampler))
        self.mid_block = Middle(widths[-1], time_width, c)
        for i, width in enumerate(reversed(widths)):
            before = width if i == 0 else widths[last + 1 - i]
            skips = [width] * layers + [widths[max(0, last - 1 - i)]]
            inputs = [(before if j == 0 else width) + skips[j] for j in range(layers + 1)]
            sampler = None if i == last else Upsample(width)
            self.up_blocks.append(Level(c["up_block_types"][i], inputs, width, time_width, c, sampler))
        self.conv_norm_out = nn.GroupNorm(c["norm_num_groups"], widths[0], c["norm_eps"])
        self.conv_out = nn.Conv2d(widths[0], c["out_channels"], 3, padding=1)
        half = self.width // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10000) / (half - self.shift)))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def embed(self, t):
        angle = t.float()[:, None] * self.frequencies[None]
        parts = [angle.cos(), angle.sin()] if self.flip else [angle.sin(), angle.cos()]
        return self.time_embedding(torch.cat(parts, 1))

    def forward(self, x, t):
        time = self.embed(t)
        h = self.conv_in(x)
        skips = [h]
        for level in self.down_blocks:
            for resnet, attention in level.blocks():
                h = resnet(h, time)
                if attention is not None:
                    h = attention(h)
                skips.append(h)
            if level.samplers is not None:
                h = level.resample(h)
                skips.append(h)
        h = self.mid_block(h, time)
        for level in self.up_blocks:
            for resnet, attention in level.blocks():
                h = resnet(torch.cat([h, skips.pop()], 1), time)
                if attention is not None:
                    h = attention(h)
            if level.samplers is not None:
                h = level.resample(h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


def count_operations(model, x, t):
    """2 for each multiply-add of the convolutions and matrix products of one forward pass, from the shapes that occur."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += 2 * output.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        elif isinstance(module, nn.Linear):
            total += 2 * output.numel() * module.in_features
        elif isinstance(module, Attention):
            n, c, height, width = inputs[0].shape
            total += 2 * 2 * n * c * (height * width) ** 2

    hooks = [m.register_forward_hook(count) for m in model.modules()]
    with torch.no_grad():
        model(x, t)
    for hook in hooks:
        hook.remove()
    return total
