"""Training steps of a ResNet-18 (CIFAR stem) on random images in PyTorch: the peer of `unlazy bench train`.

usage: peer_resnet18.py [--device cuda] [--batches 128,512,1024] [--precisions fp32,bf16,bf16-pure] [--modes eager,graph] [--steps 100] [--seconds 60]
Prints one JSON object a line: mode, precision, batch, milliseconds a step (median of groups of ten steps), images/s, loss, seconds of preparation.

precision  fp32       PyTorch's default: TF32 in convolutions, fp32 in matrix products
           ieee       fp32 without TF32
           bf16       autocast, fp32 weights
           bf16-pure  weights, statistics and update in bf16
mode       eager      channels_last, fused SGD
           graph      the same, the whole step (loss and update too) as one CUDA graph
           compile    torch.compile of the network, default mode
           autotune   torch.compile, mode max-autotune
The images are fixed and on the device: no augmentation, no label noise.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s != 1 or i != o else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        blocks, i = [], 64
        for k, width in enumerate((64, 128, 256, 512)):
            for j in range(2):
                blocks.append(Block(i, width, 2 if j == 0 and k > 0 else 1))
                i = width
        self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(512, 10)

    def forward(self, x):
        return self.linear(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def make_step(mode, precision, batch, device):
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision != "ieee"
    torch.manual_seed(0)
    net = ResNet18().to(device=device, memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
    y = torch.randint(10, (batch,), device=device)
    if precision == "bf16-pure":
        net, x = net.bfloat16(), x.bfloat16()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    forward = net
    if mode in ("compile", "autotune"):
        forward = torch.compile(net, mode="max-autotune" if mode == "autotune" else "default", dynamic=False)

    def loss_of():
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=mode != "graph"):
            return F.cross_entropy(forward(x).float(), y)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    if mode != "graph":
        return step
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss = step()

    def replay():
        graph.replay()
        return loss

    return replay


def measure(mode, precision, batch, device, steps):
    start = time.perf_counter()
    step = make_step(mode, precision, batch, device)
    together = 10 if device == "cuda" else 1
    for _ in range(3 * together):
        loss = step()
    wait(device)
    prepared = time.perf_counter() - start
    times = []
    for _ in range(max(1, steps // together)):
        begin = time.perf_counter()
        for _ in range(together):
            loss = step()
        wait(device)
        times.append((time.perf_counter() - begin) / together)
    median = statistics.median(times)
    return {"mode": mode, "precision": precision, "batch": batch, "ms": 1e3 * median, "best_ms": 1e3 * min(times),
            "images_per_second": batch / median, "loss": float(loss), "preparation_s": prepared}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", default="128,512,1024")
    parser.add_argument("--precisions", default="fp32,bf16,bf16-pure")
    parser.add_argument("--modes", default="eager,graph")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60, help="begin nothing after this time")
    o = parser.parse_args()
    start = time.perf_counter()
    for mode in o.modes.split(","):
        for precision in o.precisions.split(","):
            for batch in map(int, o.batches.split(",")):
                if time.perf_counter() - start > o.seconds:
                    return
                try:
                    result = measure(mode, precision, batch, o.device, o.steps)
                except Exception as error:  # the others go on
                    result = {"mode": mode, "precision": precision, "batch": batch, "error": repr(error)[:300]}
                print(json.dumps(result), flush=True)
                torch._dynamo.reset()
                if o.device == "cuda":
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
