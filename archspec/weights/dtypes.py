"""The types of numbers that weights may have, and casting from one to another."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec.weights.stored import Array, Stored

FLOATS: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
"""What `--dtype` takes."""


def is_float(tensor: Array | Stored) -> bool:
    """Whether a tensor holds floating-point numbers, NumPy's own or those of `ml_dtypes`."""
    return str(tensor.dtype).startswith(("float", "bfloat"))


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
