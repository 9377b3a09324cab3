"""Batches whose gradient is computed in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Tree = Any

UNROLLED = 7  # parts after the first that are compiled one by one, as loops around convolutions are slow on CPUs


def accumulated(part: Callable[..., tuple[Tree, Tree]], count: int, rest: Tree, *batch: Array) -> tuple[Tree, Tree]:
    """What the model keeps after so many parts of a batch, one after the other, and the sums of what `part` gives of each.

    `part` is given what the model keeps so far and a part of each array of the batch.
    """
    first, *others = zip(*(jnp.split(array, count) for array in batch), strict=True)

    def added(so_far: tuple[Tree, Tree], arrays: tuple[Array, ...]) -> tuple[Tree, Tree]:
        rest, sums = so_far
        after, more = part(rest, *arrays)
        return after, jax.tree.map(jnp.add, sums, more)

    found = part(rest, *first)
    if len(others) <= UNROLLED:
        for arrays in others:
            found = added(found, arrays)
        return found
    stacked = tuple(jnp.stack(arrays) for arrays in zip(*others, strict=True))
    found, _ = jax.lax.scan(lambda so_far, arrays: (added(so_far, arrays), None), found, stacked)
    return found
