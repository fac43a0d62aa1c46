"""Writes torch.safetensors with the safetensors package.

usage: python torch_safetensors.py     (needs torch, safetensors; made with torch 2.15.0)
"""
import os

import torch
from safetensors.torch import save_file

save_file(
    {
        "layer.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 2,
        "layer.bias": torch.tensor([-1.5, 3.25], dtype=torch.float16),
        "small": torch.tensor([1, -2, 0.15625], dtype=torch.bfloat16),
        "bytes": torch.tensor([[-128, -1], [0, 127]], dtype=torch.int8),
        "scalar": torch.tensor(7.0, dtype=torch.float64),
    },
    os.path.dirname(os.path.abspath(__file__)) + "/torch.safetensors",
    metadata={"format": "pt", "note": "metadata are passed over"},
)
