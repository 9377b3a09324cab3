"""The scaling of losses in fp16, whose small gradients would be zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

GROWTH_INTERVAL = 2_000  # steps without overflow after which the scale doubles, as in PyTorch's GradScaler


class Scale(NamedTuple):
    """By what the loss is multiplied, and for how many steps nothing has overflowed."""

    value: Array
    good: Array

    @staticmethod
    def start(enabled: bool) -> Scale:
        """1 where nothing is scaled."""
        return Scale(jnp.asarray(65536.0 if enabled else 1.0, jnp.float32), jnp.zeros((), jnp.int32))

    def after(self, finite: Array) -> Scale:
        """Halved after an overflow, doubled after many steps without one."""
        grown = self.good + 1 >= GROWTH_INTERVAL
        value = jnp.where(finite, jnp.where(grown, self.value * 2, self.value), self.value / 2)
        return Scale(value, jnp.where(finite & ~grown, self.good + 1, 0))


def all_finite(tree: Any) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.asarray([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
