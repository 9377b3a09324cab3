"""What everything uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array


def ceil_padding(
    x: Array, window: tuple[int, int], strides: tuple[int, int], padding: tuple[int, int]
) -> list[tuple[int, int]]:
    """Padding with which windows reach the last pixels of (N, H, W, C), but never start behind."""
    ends = []
    for size, extent, stride, pad in zip(x.shape[1:3], window, strides, padding, strict=True):
        steps = min(-(-(size + 2 * pad - extent) // stride), (size + pad - 1) // stride)
        ends.append((pad, max(steps * stride + extent - size - pad, 0)))
    return ends


def ceil_max_pool(
    x: Array,
    window_shape: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
) -> Array:
    """Max pooling of (N, H, W, C) whose result has its size rounded up."""
    y: Array = nnx.max_pool(
        x, window_shape, strides, ceil_padding(x, window_shape, strides, padding)
    )
    return y


def avg_pool(
    x: Array, window_shape: tuple[int, int], strides: tuple[int, int], padding: tuple[int, int]
) -> Array:
    """Average pooling of (N, H, W, C) over real pixels: padding does not count."""
    ends = [(pad, pad) for pad in padding]
    pixels = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    total: Array = nnx.pool(x, 0.0, jax.lax.add, window_shape, strides, ends)
    count: Array = nnx.pool(pixels, 0.0, jax.lax.add, window_shape, strides, ends)
    return total / count


class ChannelScale(nnx.Module):
    """A learned factor for each channel."""

    def __init__(self, num_features: int, value: float = 1.0) -> None:
        self.scale = nnx.Param(jnp.full((num_features,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return x * self.scale[...]


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x
