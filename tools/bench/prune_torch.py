"""Accuracy against density for a ResNet-18 checkpoint with torch.nn.utils.prune: the loop a PyTorch user writes,
and the peer of `unlazy bench prune`.

pip install torch==2.11.0 numpy safetensors
usage: prune_torch.py weights.safetensors test_batch.bin mean std [folder for masks]   (mean and std: comma-separated, three numbers, on the 0..1 scale)
Weights carry the names of the usual Python CIFAR ResNet-18 (conv1, bn1, layer1.0.conv1, ..., layer2.0.shortcut.0, linear).
Prints density, accuracy, seconds and seconds of CPU time for each of 15 levels (0.8^k), pruning conv and linear weights globally by magnitude, no retraining.
"""
import copy
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.prune as prune
from safetensors.torch import load_file, save_file

class Block(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s != 1 or i != o else nn.Sequential()
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))

class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        i = 64
        for l, w in enumerate((64, 128, 256, 512), 1):
            setattr(self, f"layer{l}", nn.Sequential(Block(i, w, 1 if l == 1 else 2), Block(w, w, 1)))
            i = w
        self.linear = nn.Linear(512, 10)
    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for l in range(1, 5):
            x = getattr(self, f"layer{l}")(x)
        return self.linear(x.mean((2, 3)))

def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    model = ResNet18()
    model.load_state_dict(load_file(sys.argv[1]), strict=True)
    raw = torch.frombuffer(bytearray(open(sys.argv[2], "rb").read()), dtype=torch.uint8).view(-1, 3073)
    y, x = raw[:, 0].long(), raw[:, 1:].view(-1, 3, 32, 32).float() / 255
    mean, std = (torch.tensor([float(v) for v in a.split(",")]).view(1, 3, 1, 1) for a in sys.argv[3:5])
    x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
    model.eval()
    for level in range(15):
        start, cpu = time.perf_counter(), time.process_time()
        net = copy.deepcopy(model)
        layers = [(n, m) for n, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        if level:  # on contiguous weights: global_unstructured fails on channels_last ones
            prune.global_unstructured([(m, "weight") for _, m in layers], prune.L1Unstructured, amount=1 - 0.8**level)
        net = net.to(memory_format=torch.channels_last)
        with torch.no_grad():
            hits = sum(int((net(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum()) for i in range(0, len(y), 500))
        print(f"{0.8 ** level:.4f} {hits / len(y):.4f} {time.perf_counter() - start:.2f} {time.process_time() - cpu:.2f}", flush=True)
        if len(sys.argv) > 5:  # the masks, as unlazy prune --save-weights writes them
            masks = {n + ".weight": (m.weight_mask if level else torch.ones_like(m.weight)).bool().contiguous() for n, m in layers}
            save_file(masks, f"{sys.argv[5]}/mask-{level:02d}.safetensors")


main()
