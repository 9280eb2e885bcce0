"""Loads a weights file of `unlazy` into the PyTorch network of the same name, strictly, and writes it back.

pip install torch==2.11.0 safetensors==0.8.0
usage: python check_weights.py model.safetensors [MODEL] [COPY.safetensors]

MODEL: as --model; by default what the file's metadata say. COPY: written with safetensors.torch.save_file from the module's
state_dict(), for `unlazy train --weights COPY.safetensors`. Prints the accuracy on data/sample's test images with CIFAR's
statistics, so that it can be compared with what the program says.
"""
import pathlib
import sys

import torch
from networks import make
from safetensors import safe_open
from safetensors.torch import load_file, save_file

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "data" / "sample" / "test_batch.bin"
MEAN, STDDEV = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def sample_accuracy(model):
    records = torch.frombuffer(bytearray(SAMPLE.read_bytes()), dtype=torch.uint8).view(-1, 3073)
    mean, stddev = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STDDEV))
    x = (records[:, 1:].reshape(-1, 3, 32, 32).float() / 255 - mean) / stddev
    with torch.no_grad():
        hits = (model.eval()(x).argmax(1) == records[:, 0].long()).sum().item()
    return hits / len(records)


def main():
    path = sys.argv[1]
    with safe_open(path, "pt") as file:
        name = sys.argv[2] if len(sys.argv) > 2 else (file.metadata() or {})["model"]
    model = make(name)
    model.load_state_dict(load_file(path), strict=True)
    print(f"{path}: loaded into {name}, {sum(p.numel() for p in model.parameters())} parameters")
    print(f"accuracy on {SAMPLE.name}: {sample_accuracy(model):.4f}")
    if len(sys.argv) > 3:
        save_file(model.state_dict(), sys.argv[3], metadata={"format": "pt", "model": name})
        print(f"{sys.argv[3]}: written")


if __name__ == "__main__":
    main()
