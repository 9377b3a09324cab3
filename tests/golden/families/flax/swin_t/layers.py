"""What swin_t uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike


def uniform(fan_in: int) -> nnx.Initializer:
    """Draw numbers within 1 / sqrt(fan_in) of zero."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def merge_patches(x: Array) -> Array:
    """Put the channels of each 2x2 tokens of (N, H, W, D) one after the other, column by column."""
    return jnp.concatenate([x[:, i::2, j::2] for j in range(2) for i in range(2)], axis=-1)


def windows(x: Array, size: tuple[int, int]) -> Array:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    n, height, width, depth = x.shape
    high, wide = size
    x = x.reshape(n, height // high, high, width // wide, wide, depth)
    return x.swapaxes(2, 3).reshape(n, -1, high * wide, depth)


def unwindow(x: Array, grid: Array, size: tuple[int, int]) -> Array:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    n, height, width = grid.shape[:3]
    high, wide = size
    x = x.reshape(n, height // high, width // wide, high, wide, -1)
    return x.swapaxes(2, 3).reshape(n, height, width, -1)


def shift_mask(grid: Array, size: tuple[int, int], shift: tuple[int, int]) -> Array:
    """What a shifted window may not attend to, (W, h w, h w): -100 where places were apart."""
    _, height, width, _ = grid.shape
    rows, columns = (
        (jnp.arange(n) >= n - w).astype(int) + (jnp.arange(n) >= n - s).astype(int) * (s > 0)
        for n, w, s in zip((height, width), size, shift, strict=True)
    )
    regions = windows((3 * rows[:, None] + columns)[None, :, :, None], size)[0, ..., 0]
    apart = regions[:, :, None] != regions[:, None, :]
    return jnp.where(apart, -100.0, 0.0).astype(grid.dtype)


def relative_position_index(height: int, width: int) -> Array:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    down = rows.reshape(-1, 1) - rows.reshape(-1) + height - 1
    right = columns.reshape(-1, 1) - columns.reshape(-1) + width - 1
    return (down * (2 * width - 1) + right).reshape(-1).astype(jnp.int32)


def relative_position_bias(table: Array, index: Array, area: int) -> Array:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].reshape(area, area, -1).transpose(2, 0, 1)


def biased_attention(
    query: Array,
    key: Array,
    value: Array,
    heads: int,
    bias: Array,
    *,
    mask: Array | None = None,
) -> Array:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L) and a mask (W, L, L)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5 + bias
    if mask is not None:
        scores = scores + mask[:, None]
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores).astype(v.dtype), v)
    return x.reshape(*query.shape[:-1], -1)


class Conv(nnx.Conv):
    """A convolution whose weights and bias start within 1 / sqrt(fan_in) of zero."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        kernel_dilation: int | tuple[int, int] = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        start = uniform(in_features // feature_group_count * math.prod(kernel_size))
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            strides=strides,
            padding=padding,
            kernel_dilation=kernel_dilation,
            feature_group_count=feature_group_count,
            use_bias=use_bias,
            kernel_init=start,
            bias_init=bias_init or start,
            rngs=rngs,
        )


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x
