"""The precision that a recipe asks for: of parameters, and of what is computed with them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from archspec_runtime.errors import RunError

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def use_precision(precision: str) -> torch.dtype:
    """The type of parameters. GPUs multiply singles as the recipe says: whole, or by name as TF32, which keeps ten bits.

    PyTorch's own defaults differ: TF32 in convolutions, not in linear layers.
    """
    multiplied = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cudnn.allow_tf32 = (
        precision == "tf32"
    )  # the older flag, which torch.export reads, and must agree
    if hasattr(torch.backends.cudnn, "conv"):  # since PyTorch 2.9
        torch.backends.cudnn.conv.fp32_precision = multiplied
        torch.backends.cuda.matmul.fp32_precision = multiplied
    else:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return torch.float64 if precision == "fp64" else torch.float32


def check_precision(device: torch.device, precision: str) -> None:
    """Raise RunError for a precision that a device does not compute in."""
    if device.type == "mps" and precision == "fp64":
        raise RunError(
            "the recipe computes in fp64, and Apple's devices have no such numbers", "--device cpu, or fp32", 2
        )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Half precision where the recipe asks for it."""
    half = HALF.get(precision)
    return nullcontext() if half is None else torch.autocast(device.type, half)
