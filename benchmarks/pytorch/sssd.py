"""The opponent: SSSD-ECG (GraftSssdDenoiser) in plain PyTorch, written from the architecture's description: a WaveNet of residual blocks
with two S4 layers each, for recordings [N, leads, samples] and sets of labels. Parameters carry the names of the file.

It is made to be fast: what is fixed in a kernel is computed once, in training what stands before C, in sampling the whole spectrum; and
the long convolution has gradients of its own, since those of torch.fft.rfft go through a complex transform of full length.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import weight_norm

FIXED = {"s4_bidirectional": True, "s4_layernorm": True}


class Conv(nn.Module):
    """A convolution that keeps the length, its weight given as direction and norm."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2))

    def forward(self, x):
        return self.conv(x)


class LongConvolution(torch.autograd.Function):
    """x [N, H, L] with kernels [H, 2L] of which the second half lies before time 0."""

    @staticmethod
    def forward(ctx, x, kernel):
        n = kernel.shape[-1]
        signal, spectrum = torch.fft.rfft(x, n=n), torch.fft.rfft(kernel)
        ctx.save_for_backward(signal, spectrum)
        return torch.fft.irfft(signal * spectrum, n=n)[..., :n // 2]

    @staticmethod
    def backward(ctx, gradient):
        signal, spectrum = ctx.saved_tensors
        n = 2 * gradient.shape[-1]
        g = torch.fft.rfft(gradient, n=n)
        kernel = torch.fft.irfft((g * signal.conj()).sum(0), n=n)
        return torch.fft.irfft(g * spectrum.conj(), n=n)[..., :n // 2], kernel


class S4Kernel(nn.Module):
    """C·Ā^l·B for l below L, in both directions (Gu et al. 2022, algorithm 1). Only C is trained."""

    def __init__(self, channels, states, length):
        super().__init__()
        half = states // 2
        self.length, self.samples = length, None
        self.C = nn.Parameter(torch.zeros(2, channels, half, 2))
        shapes = {"omega": (length // 2 + 1, 2), "z": (length // 2 + 1, 2), "log_dt": (channels,), "w": (channels, half, 2)}
        shapes.update({name: (1, channels, half, 2) for name in "BPQ"})
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    @torch.no_grad()
    def responses(self):
        """What one unit of each number of C adds to the kernel, [H, N, L]: Cauchy sums at the roots of unity, multiplied out by 1 + ω."""
        angle = torch.arange(self.length // 2 + 1, dtype=torch.float64) * (-2 * math.pi / self.length)
        root = torch.polar(torch.ones_like(angle), angle).to(self.C.device)
        nodes, s = (2 * (1 - root)).to(torch.complex64), (1 + root).to(torch.complex64)
        b, p, q, w = (torch.view_as_complex(x).reshape(*x.shape[-3:-1], 1) for x in (self.B, self.P, self.Q, self.w))
        step = self.log_dt.exp()[:, None, None]
        own, conjugate = step / (nodes - w * step * s), step / (nodes - w.conj() * step * s)

        def total(v):
            return (v * own + v.conj() * conjugate).sum(1, keepdim=True)

        correction = s * total(b * q) / (1 + s * total(p * q))
        own, conjugate = 2 * own * (b - correction * p), 2 * conjugate * (b.conj() - correction * p.conj())
        return torch.fft.irfft(torch.stack([own + conjugate, 1j * (own - conjugate)], 2), n=self.length).flatten(1, 2)

    def forward(self):
        """[H, 2L]: one direction from time 0 on, the other backwards from the end."""
        if self.training and self.samples is None:
            self.samples = self.responses()
        samples = self.responses() if self.samples is None else self.samples
        kernels = torch.bmm(self.C.flatten(2).transpose(0, 1), samples)
        return torch.cat([kernels[:, 0], kernels[:, 1].flip(-1)], -1)


class Mixing(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.bias = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x):
        n, channels, _ = x.shape
        return torch.baddbmm(self.bias.expand(n, channels, 1), self.weight.expand(n, channels, channels), x)


class S4(nn.Module):
    def __init__(self, channels, c):
        super().__init__()
        self.D = nn.Parameter(torch.zeros(1, channels))
        self.kernel = nn.ModuleDict({"kernel": S4Kernel(channels, c["s4_d_state"], c["s4_lmax"])})
        self.output_linear = Mixing(channels)
        self.spectrum = None  # kept while nothing is trained

    def train(self, mode=True):
        self.spectrum = None
        return super().train(mode)

    def whole_kernel(self):
        # What goes past the convolution stands at time 0 of the kernel.
        return self.kernel["kernel"]() + F.pad(self.D.t(), (0, 2 * self.kernel["kernel"].length - 1))

    def forward(self, x):
        length = x.shape[-1]
        if self.training:
            y = LongConvolution.apply(x, self.whole_kernel())
        else:
            if self.spectrum is None:
                self.spectrum = torch.fft.rfft(self.whole_kernel())
            y = torch.fft.irfft(torch.fft.rfft(x, n=2 * length) * self.spectrum, n=2 * length)[..., :length]
        return self.output_linear(F.gelu(y.contiguous()))  # several times as fast as over the sequences' cut ends


class S4Layer(nn.Module):
    def __init__(self, channels, c):
        super().__init__()
        self.s4_layer = S4(channels, c)
        self.norm_layer = nn.LayerNorm(channels)

    def forward(self, x):
        # The norm is over channels: in this order it reads them side by side.
        y = (self.s4_layer(x) + x).transpose(1, 2).contiguous()
        return self.norm_layer(y).transpose(1, 2).contiguous()


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        channels = c["res_channels"]
        self.fc_t = nn.Linear(c["diffusion_step_embed_dim_out"], channels)
        self.S41 = S4Layer(2 * channels, c)
        self.conv_layer = Conv(channels, 2 * channels, 3)
        self.S42 = S4Layer(2 * channels, c)
        self.res_conv = weight_norm(nn.Conv1d(channels, channels, 1))
        self.skip_conv = weight_norm(nn.Conv1d(channels, c["skip_channels"], 1))
        self.fc_label = nn.Linear(c["label_embed_dim"], 2 * channels)

    def forward(self, x, step, label):
        h = self.conv_layer(x + self.fc_t(step)[:, :, None])
        h = self.S42(self.S41(h) + self.fc_label(label)[:, :, None])
        left, right = h.chunk(2, 1)
        gated = left.tanh() * right.sigmoid()
        return (x + self.res_conv(gated)) * math.sqrt(0.5), self.skip_conv(gated)


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc_t1 = nn.Linear(c["diffusion_step_embed_dim_in"], c["diffusion_step_embed_dim_mid"])
        self.fc_t2 = nn.Linear(c["diffusion_step_embed_dim_mid"], c["diffusion_step_embed_dim_out"])
        self.residual_blocks = nn.ModuleList(Block(c) for _ in range(c["num_res_layers"]))
        half = c["diffusion_step_embed_dim_in"] // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10000) / (half - 1)))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x, t, label):
        angle = t.float()[:, None] * self.frequencies[None]
        step = F.silu(self.fc_t2(F.silu(self.fc_t1(torch.cat([angle.sin(), angle.cos()], 1)))))
        total = 0
        for block in self.residual_blocks:
            x, skip = block(x, step, label)
            total = total + skip
        return total * math.sqrt(1 / len(self.residual_blocks))


class Sssd(nn.Module):
    def __init__(self, c):
        super().__init__()
        for key, value in FIXED.items():
            if c.get(key, value) != value:
                raise ValueError(f"{key} = {c[key]} is not known here")
        leads, skip = c["in_channels"], c["skip_channels"]
        self.init_conv = nn.Sequential(Conv(leads, c["res_channels"], 1), nn.ReLU())
        self.embedding = nn.Embedding(c["label_embed_classes"], c["label_embed_dim"])
        self.residual_layer = Residual(c)
        last = nn.ModuleDict({"conv": nn.Conv1d(skip, leads, 1)})
        self.final_conv = nn.ModuleList([Conv(skip, skip, 1), nn.ReLU(), last])

    def forward(self, x, t, labels):
        """Labels: sets, [N, classes] of zeros and ones."""
        h = self.residual_layer(self.init_conv(x), t, labels @ self.embedding.weight)
        mixed, activation, last = self.final_conv
        return last["conv"](activation(mixed(h)))
