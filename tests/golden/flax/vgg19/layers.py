"""What vgg19 uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable

from flax import nnx
from jax import Array


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x
