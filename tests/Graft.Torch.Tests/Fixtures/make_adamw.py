"""Writes adamw.json: what torch.optim.AdamW and clip_grad_norm_ make of given gradients.

    python3 make_adamw.py          (plain PyTorch, CPU, float32)

Numbers are float32 in nine digits, which is exact.
"""

import json
import os

import torch

SHAPES = [[7], [5, 3], [2, 3, 3, 3]]
MAX_NORM = 1.0
LEARNING_RATES = [1e-3, 3e-3, 1e-2, 1e-2, 8e-3, 5e-3, 3e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4]
# Of the gradients: the norm is about 8.7 times this, so that some steps are clipped and some are not.
SCALES = [1.0, 0.01, 0.5, 0.05, 3.0, 0.001, 0.1, 0.2, 20.0, 0.02, 0.09, 1e-4]


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parameters = [torch.nn.Parameter(torch.randn(s)) for s in SHAPES]
    optimiser = torch.optim.AdamW(parameters, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    out = {"shapes": SHAPES, "maxNorm": MAX_NORM, "initial": [numbers(p) for p in parameters], "steps": []}
    for rate, scale in zip(LEARNING_RATES, SCALES):
        gradients = [torch.randn(s) * scale for s in SHAPES]
        gradients[0][2] = 0.0  # never moves but by weight decay
        gradients[1][1, 1] = 1e-12
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        out["steps"].append(
            {
                "learningRate": rate,
                "gradients": [numbers(g) for g in gradients],
                "norm": float(f"{norm.item():.9g}"),
                "parameters": [numbers(p) for p in parameters],
            }
        )
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "adamw.json")
    with open(path, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
