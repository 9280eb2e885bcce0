"""Writes every_dtype.safetensors: one tensor of each dtype, by the format's own Python package.

pip install torch==2.11.0 safetensors==0.8.0
usage: python make_safetensors.py     (writes next to itself; tests/core/safetensors_test.cpp holds the values)
"""
import pathlib

import torch
from safetensors.torch import save_file

TENSORS = {
    "f64": torch.tensor([[0.1, -2.5], [1e300, 3.0]], dtype=torch.float64),
    "f32": torch.tensor([0.1, -2.5, 1e30], dtype=torch.float32),
    "f16": torch.tensor([0.5, -2.5, 65504.0], dtype=torch.float16),
    "bf16": torch.tensor([0.5, -2.5, 1e30], dtype=torch.bfloat16),
    "i64": torch.tensor(-(2**40)),
    "i32": torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32),
    "i16": torch.tensor([32767, -32768], dtype=torch.int16),
    "i8": torch.tensor([[127], [-128]], dtype=torch.int8),
    "u8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 3),
    "größe.weight": torch.ones(1, 1, 2),
}

path = pathlib.Path(__file__).with_name("every_dtype.safetensors")
save_file(TENSORS, path, metadata={"format": "pt", "writer": "safetensors.torch"})
print(path, path.stat().st_size, "bytes")
