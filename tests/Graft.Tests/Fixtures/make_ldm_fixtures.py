#!/usr/bin/env python3
"""Makes ldm/ with CompVis' own code: a clone of CompVis/latent-diffusion and one of CompVis/taming-transformers, PyTorch and NumPy.

    python3 make_ldm_fixtures.py LATENT_DIFFUSION TAMING_TRANSFORMERS

ldm/<name>.json says what the model is and lists its parameters, whose values are the formula's (tests/Graft.Tests/Parity/FormulaWeights.cs);
ldm/<name>.safetensors holds inputs and what came out. ldm/cin256-v2.txt lists the parameters of the published configuration, and
ldm/lightning.ckpt is what PyTorch Lightning leaves beside weights. What these clones import and do not need here is replaced by stubs.
"""
import json, math, os, struct, sys, types

import numpy as np
import torch
from torch._subclasses import FakeTensorMode

sys.path[:0] = sys.argv[1:3]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ldm")
os.makedirs(OUT, exist_ok=True)
torch.set_num_threads(1)


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def rearrange(t, pattern, h=None, w=None):
    """einops' function, for the patterns that occur."""
    p = pattern.replace(" ", "")
    n, *sizes = t.shape
    if p == "bchw->b(hw)c":
        return t.flatten(2).transpose(1, 2)
    if p == "b(hw)c->bchw":
        return t.transpose(1, 2).reshape(n, sizes[1], h, w)
    if p == "bn(hd)->(bh)nd":
        return t.reshape(n, sizes[0], h, -1).transpose(1, 2).reshape(n * h, sizes[0], -1)
    if p == "(bh)nd->bn(hd)":
        return t.reshape(n // h, h, *sizes).transpose(1, 2).reshape(n // h, sizes[0], -1)
    if p == "bchw->bhwc":
        return t.permute(0, 2, 3, 1)
    if p == "bhwc->bchw":
        return t.permute(0, 3, 1, 2)
    if p == "nd->dn":
        return t.t()
    raise NotImplementedError(pattern)


class ModelCheckpoint:
    pass


stub("einops", rearrange=rearrange, repeat=None)
stub("omegaconf")
stub("omegaconf.listconfig", ListConfig=list)
stub("tqdm", tqdm=lambda x, **_: x)
stub("pytorch_lightning", LightningModule=torch.nn.Module)
stub("pytorch_lightning.callbacks")
stub("pytorch_lightning.callbacks.model_checkpoint", ModelCheckpoint=ModelCheckpoint)
ModelCheckpoint.__module__ = "pytorch_lightning.callbacks.model_checkpoint"

from ldm.models.autoencoder import VQModelInterface
from ldm.models.diffusion.ddim import DDIMSampler
from ldm.modules.attention import SpatialTransformer
from ldm.modules.diffusionmodules import util
from ldm.modules.diffusionmodules.openaimodel import UNetModel

GAIN = 3.0


def formula(name, shape):
    h = 0xcbf29ce484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001b3) & ((1 << 64) - 1)
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    r = 2 * ((z >> np.uint64(11)).astype(np.float64) * 2.0**-53) - 1
    if len(shape) >= 2:
        r = math.sqrt(GAIN / math.prod(shape[1:])) * r
    else:
        r = 0.1 * r if name.endswith("bias") else 1 + 0.1 * r
    return torch.from_numpy(r.astype(np.float32).reshape(shape))


def fill(module, prefix, shapes):
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(formula(prefix + name, tuple(p.shape)))
            shapes[prefix + name] = list(p.shape)
    return module.eval()


def write(name, tensors):
    head, data = {"__metadata__": {"format": "pt"}}, b""
    for key, t in tensors.items():
        a = np.ascontiguousarray(t.detach().numpy() if torch.is_tensor(t) else t)
        kind = {"float32": "F32", "int64": "I64", "float64": "F64"}[str(a.dtype)]
        head[key] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    h = json.dumps(head).encode()
    h += b" " * (-len(h) % 8)
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(struct.pack("<Q", len(h)) + h + data)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def double(u):
    """The same code in double precision: GroupNorm32 and the time embedding would otherwise go by way of single."""
    u = u.double()
    u.dtype = torch.float64
    for m in u.modules():
        if isinstance(m, util.GroupNorm32):
            m.forward = (lambda m: lambda x: torch.nn.functional.group_norm(x, m.num_groups, m.weight, m.bias, m.eps))(m)
    u.time_embed.register_forward_pre_hook(lambda _, a: (a[0].double(),))
    return u


def unet(config, context, t):
    shapes, n = {}, len(t)
    single, twice = (fill(UNetModel(**config), "model.diffusion_model.", shapes) for _ in range(2))
    twice = double(twice)
    size = (n, config["in_channels"], config["image_size"], config["image_size"])
    x, probe = draw(1, *size), draw(3, *size)
    xd, cd = x.double().requires_grad_(True), context.double().requires_grad_(True)
    y = twice(xd, torch.tensor(t), context=cd)
    (y * probe.double()).sum().backward()
    with torch.no_grad():
        difference = (single(x, torch.tensor(t), context=context) - y).abs().max() / y.abs().max()
    print("single precision differs from double by", float(difference), "of the largest")
    io = dict(x=x, t=torch.tensor(t), context=context, probe=probe, output=y.float(), grad_x=xd.grad.float(), grad_context=cd.grad.float())
    params = dict(twice.named_parameters())
    for name in ("middle_block.1.proj_in.bias", "middle_block.1.transformer_blocks.0.ff.net.0.proj.bias", "time_embed.0.bias"):
        io["grad.model.diffusion_model." + name] = params[name].grad.float()
    return single, shapes, io


def autoencoder(config, embed, codes):
    return VQModelInterface(embed_dim=embed, n_embed=codes, ddconfig=config, lossconfig={"target": "torch.nn.Identity"})


def gap(z, model):
    """How much farther the second nearest code is than the nearest: it must not be a matter of rounding."""
    d = ((z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])[:, None] - model.quantize.embedding.weight[None]) ** 2).sum(-1).sort(1)[0]
    assert float((d[:, 1] - d[:, 0]).min()) > 2e-4


def stage(config, embed, codes, seed, n, shapes):
    m = fill(autoencoder(config, embed, codes), "first_stage_model.", shapes)
    edge = config["resolution"] // 2 ** (len(config["ch_mult"]) - 1)
    picture, z = torch.tanh(draw(seed, n, config["in_channels"], config["resolution"], config["resolution"])), draw(seed + 1, n, embed, edge, edge)
    with torch.no_grad():
        latent = m.encode(picture)
        quantised, _, chosen = m.quantize(z)
        gap(latent, m), gap(z, m)
        io = dict(picture=picture, latent=latent, codes_of_latent=m.quantize(latent)[2][2].reshape(n, edge, edge), z=z, quantised=quantised,
                  codes=chosen[2].reshape(n, edge, edge), decoded=m.decode(z), decoded_unquantised=m.decode(z, force_not_quantize=True))
    return m, {"first_stage." + k: v for k, v in io.items()}


def ddim(u, context, start, steps, betas):
    cumulative = np.cumprod(1 - betas)
    model = types.SimpleNamespace(
        num_timesteps=len(betas), device=torch.device("cpu"), apply_model=lambda x, t, c: u(x, t, context=c), betas=torch.tensor(betas).float(),
        alphas_cumprod=torch.tensor(cumulative).float(), alphas_cumprod_prev=torch.tensor(np.append(1.0, cumulative[:-1])).float())
    sampler = DDIMSampler(model)
    sampler.register_buffer = lambda name, value: setattr(sampler, name, value)  # its own moves everything to a GPU
    with torch.no_grad():
        return sampler.sample(S=steps, batch_size=len(start), shape=list(start.shape[1:]), conditioning=context, eta=0.0, x_T=start, verbose=False)[0]


def describe(name, shapes, **what):
    with open(os.path.join(OUT, f"{name}.json"), "w") as file:
        json.dump(dict(source="CompVis/latent-diffusion and CompVis/taming-transformers, PyTorch " + torch.__version__, gain=GAIN, **what, parameter_shapes=shapes), file, separators=(",", ":"))


def count(u):
    return sum(p.numel() for p in u.parameters())


def small_class():
    """As cin256-v2, small: one head, one token that stands for a class, an autoencoder of three levels with attention in the middle only."""
    config = dict(image_size=8, in_channels=3, out_channels=3, model_channels=32, attention_resolutions=[4, 2], num_res_blocks=1, channel_mult=[1, 2, 2],
                  num_heads=1, use_spatial_transformer=True, transformer_depth=1, context_dim=16)
    first = dict(double_z=False, z_channels=3, resolution=32, in_channels=3, out_ch=3, ch=32, ch_mult=[1, 2, 2], num_res_blocks=1, attn_resolutions=[], dropout=0.0)
    labels = torch.tensor([3, 0])
    context = formula("cond_stage_model.embedding.weight", (5, 16))[labels][:, None]
    u, shapes, io = unet(config, context, [7, 901])
    m, of_stage = stage(first, 3, 24, 11, 1, shapes)
    shapes["cond_stage_model.embedding.weight"] = [5, 16]
    betas = util.make_beta_schedule("linear", 1000, 0.0015, 0.0195)
    start = draw(21, 2, 3, 8, 8)
    z = ddim(u, context, start, 5, betas)
    with torch.no_grad():
        gap(z, m)
        io |= of_stage | {"labels": labels, "ddim.start": start, "ddim.latent": z, "ddim.picture": m.decode(z), "betas": betas}
    write("class.safetensors", io)
    describe("class", shapes, unet=config, unet_parameters=count(u), first_stage=first, embed_dim=3, n_embed=24, ddim_steps=5)


def small_tokens():
    """Several heads, blocks and tokens, attention at every level; an autoencoder of grey pictures with attention in a level."""
    config = dict(image_size=4, in_channels=4, out_channels=4, model_channels=32, attention_resolutions=[2, 1], num_res_blocks=2, channel_mult=[1, 2],
                  num_head_channels=16, use_spatial_transformer=True, transformer_depth=2, context_dim=24)
    first = dict(double_z=False, z_channels=4, resolution=16, in_channels=1, out_ch=1, ch=32, ch_mult=[1, 2], num_res_blocks=1, attn_resolutions=[8], dropout=0.0)
    u, shapes, io = unet(config, draw(5, 2, 3, 24), [0, 500])
    _, of_stage = stage(first, 4, 12, 31, 2, shapes)
    write("tokens.safetensors", io | of_stage)
    describe("tokens", shapes, unet=config, unet_parameters=count(u), first_stage=first, embed_dim=4, n_embed=12)


def published():
    """configs/latent-diffusion/cin256-v2.yaml: names and shapes, without values."""
    with FakeTensorMode():
        u = UNetModel(image_size=64, in_channels=3, out_channels=3, model_channels=192, attention_resolutions=[8, 4, 2], num_res_blocks=2,
                      channel_mult=[1, 2, 3, 5], num_heads=1, use_spatial_transformer=True, transformer_depth=1, context_dim=512)
        m = autoencoder(dict(double_z=False, z_channels=3, resolution=256, in_channels=3, out_ch=3, ch=128, ch_mult=[1, 2, 4], num_res_blocks=2,
                             attn_resolutions=[], dropout=0.0), 3, 8192)
    blocks = [b for b in u.modules() if isinstance(b, SpatialTransformer)]
    print("cin256-v2:", count(u), "of which", sum(map(count, blocks)), "in", len(blocks), "transformers;", count(m), "in the first stage")
    lines = [("model.diffusion_model." + n, p.shape) for n, p in u.named_parameters()]
    lines += [("first_stage_model." + n, p.shape) for n, p in m.named_parameters()] + [("cond_stage_model.embedding.weight", (1001, 512))]
    with open(os.path.join(OUT, "cin256-v2.txt"), "w") as file:
        file.writelines(f"{n} {'x'.join(map(str, s))}\n" for n, s in lines)


def lightning():
    weights = {"model.diffusion_model.out.2.bias": torch.tensor([0.5, -1.0, 2.0]), "model_ema.num_updates": torch.tensor(7, dtype=torch.int32), "betas": torch.tensor([0.0015, 0.0195])}
    callback = {"monitor": "val/loss", "best_model_score": torch.tensor(0.25), "best_model_path": "x.ckpt", "current_score": np.float32(0.5), "dirpath": "d"}
    torch.save({"epoch": 3, "global_step": 40, "pytorch-lightning_version": "1.4.2", "state_dict": weights, "callbacks": {ModelCheckpoint: callback},
                "optimizer_states": [], "lr_schedulers": [{"last_epoch": 3, "_last_lr": [np.float64(1e-4)]}]}, os.path.join(OUT, "lightning.ckpt"))


small_class()
small_tokens()
published()
lightning()
