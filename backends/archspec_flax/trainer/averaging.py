"""The average of weights over the steps of a run."""

from __future__ import annotations

from typing import Any

from flax import nnx
from jax import Array


def averaged(params: Any, rest: Any) -> tuple[Any, Any]:
    """What is averaged: parameters and running statistics."""
    return params, nnx.filter_state(rest, nnx.BatchStat)


def mean_of(kept: Array, average: Array, value: Array) -> Array:
    """average = kept * average + (1 - kept) * value."""
    keeps = kept.astype(average.dtype)
    return keeps * average + (1 - keeps) * value
