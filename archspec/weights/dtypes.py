"""The types of numbers that weights may have, and casting from one to another."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from archspec.backends import Weights
from archspec.backends.stored import Array, Stored
from archspec.errors import WeightsError

FLOATS: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
"""What `--dtype` takes."""
SHOWN = 3  # tensors that are named


def is_float(tensor: Array | Stored) -> bool:
    """Whether a tensor holds floating-point numbers, NumPy's own or those of `ml_dtypes`."""
    return str(tensor.dtype).startswith(("float", "bfloat"))


def remarks_on_numbers(weights: Weights) -> list[str]:
    """A line that names tensors whose numbers no net computes with: not finite, or variances below 0."""
    odd: dict[str, list[str]] = {}
    for name, tensor in weights.items():
        if is_float(tensor):
            if not np.isfinite(tensor).all():
                odd.setdefault("numbers that are not finite", []).append(name)
            elif name.endswith(".running_var") and (tensor < 0).any():
                odd.setdefault("variances that are negative", []).append(name)
    return [
        f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN:,} more tensors' if len(names) > SHOWN else ''}: {what}"
        for what, names in odd.items()
    ]


def cast(weights: Weights, dtype: str) -> Weights:
    """The weights with their floating-point numbers in another type, rounded to the nearest; counters stay.

    Raises WeightsError where a number is too large for it.
    """
    cast_: dict[str, np.ndarray[Any, Any]] = {}
    for name, tensor in weights.items():
        if not is_float(tensor):
            cast_[name] = tensor
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            cast_[name] = tensor.astype(FLOATS[dtype])
        if (np.isfinite(tensor) & ~np.isfinite(cast_[name])).any():
            largest = np.abs(tensor[np.isfinite(tensor)].astype(np.float64)).max()
            raise WeightsError(f"`{name}` does not fit into {dtype}: it has numbers as large as {largest:.3g}",
                               "take a --dtype with more range, such as bfloat16")  # fmt: skip
    return cast_
