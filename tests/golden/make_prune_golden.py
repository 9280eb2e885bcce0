"""Writes prune_masks.safetensors: masks by torch.nn.utils.prune and by open_lth's rule, for tests/prune/select_test.cpp.

usage: pip install torch==2.11.0 numpy safetensors; python make_prune_golden.py prune_masks.safetensors
Weights are multiples of 1/128, so that most thresholds fall between equal magnitudes: the masks then hold torch.topk's choice
among them. Names: weights NAME; global.LEVEL.NAME (global_unstructured at density 0.8^LEVEL), layer.LEVEL.NAME
(l1_unstructured), imp.LEVEL.NAME (open_lth: threshold = sorted |w| at ceil(0.2 remaining), those above stay).
"""
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.utils.prune as prune
from safetensors.torch import save_file

LEVELS = 15


def network():
    torch.manual_seed(0)
    net = nn.ModuleDict({"a": nn.Conv2d(3, 8, 3), "b": nn.Conv2d(8, 16, 3), "c": nn.Linear(16, 10)})
    with torch.no_grad():
        for scale, layer in zip((0.3, 0.2, 0.5), net.values()):
            layer.weight.copy_((torch.randn_like(layer.weight) * scale * 128).round() / 128)
    return net


tensors = {f"{name}.weight": layer.weight.detach().clone() for name, layer in network().items()}
for level in range(LEVELS):
    amount = 1 - 0.8**level
    net = network()
    prune.global_unstructured([(m, "weight") for m in net.values()], prune.L1Unstructured, amount=amount)
    tensors |= {f"global.{level}.{n}.weight": m.weight_mask.bool() for n, m in net.items()}
    net = network()
    for layer in net.values():
        prune.l1_unstructured(layer, "weight", amount)
    tensors |= {f"layer.{level}.{n}.weight": m.weight_mask.bool() for n, m in net.items()}

# open_lth, pruning/sparse_global.py.
weights = {n: m.weight.detach().numpy().copy() for n, m in network().items()}
mask = {n: np.ones_like(w) for n, w in weights.items()}
for level in range(LEVELS):
    tensors |= {f"imp.{level}.{n}.weight": torch.from_numpy(m == 1) for n, m in mask.items()}
    remaining = np.sum([np.sum(m) for m in mask.values()])
    number = np.ceil(0.2 * remaining).astype(int)
    vector = np.concatenate([w[mask[n] == 1] for n, w in weights.items()])
    threshold = np.sort(np.abs(vector))[number]
    mask = {n: np.where(np.abs(w) > threshold, mask[n], np.zeros_like(w)) for n, w in weights.items()}

save_file({n: t.contiguous() for n, t in tensors.items()}, sys.argv[1])
