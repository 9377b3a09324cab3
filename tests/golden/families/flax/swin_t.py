"""swin_t: 28,288,354 parameters, 4,350,425,088 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.02))


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


class WindowAttention(nnx.Module):
    """Attention in windows of a grid of tokens, which is shifted before and back after it, with
    a learned bias for each distance (Liu et al., 2021).
    """

    def __init__(self, in_channels: int, heads: int, shift: int = 0, *, rngs: nnx.Rngs) -> None:
        self.relative_position_bias_table = nnx.Param(
            nnx.initializers.normal(0.02)(rngs.params(), (heads, 169), jnp.float32)
        )
        self.relative_position_index = nnx.BatchStat(relative_position_index(7, 7))
        self.qkv = Linear(in_channels, 3 * in_channels, rngs=rngs)
        self.proj = Linear(in_channels, in_channels, rngs=rngs)
        self.shift = shift
        self.heads = heads

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        bias: Array = relative_position_bias(
            self.relative_position_bias_table[...].T, self.relative_position_index[...], 49
        )
        shifted = jnp.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift > 0 else x
        mask = shift_mask(shifted, (7, 7), (self.shift, self.shift)) if self.shift > 0 else None
        x = windows(shifted, (7, 7))
        qkv: Array = self.qkv(x)
        query, key, value = jnp.split(qkv, 3, axis=-1)
        x = biased_attention(query, key, value, self.heads, bias, mask=mask)
        x = self.proj(x)
        x = unwindow(x, shifted, (7, 7))
        if self.shift > 0:
            x = jnp.roll(x, (self.shift, self.shift), (1, 2))
        return x


class SwinBlock(nnx.Module):
    """Attention in windows and two linear layers on each token, each after a normalization and
    added to what it took (Liu et al., 2021).
    """

    def __init__(
        self,
        in_channels: int,
        heads: int,
        shift: int = 0,
        drop_path: float = 0.0,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.norm1 = nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs)
        self.attn = WindowAttention(in_channels, heads, shift=shift, rngs=rngs)
        self.drop_path = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )
        self.norm2 = nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs)
        self.mlp = Sequential(
            Linear(in_channels, 4 * in_channels, rngs=rngs),
            partial(nnx.gelu, approximate=False),
            nnx.Dropout(0.0, rngs=rngs),
            Linear(4 * in_channels, in_channels, rngs=rngs),
            nnx.Dropout(0.0, rngs=rngs),
        )
        self.stochastic_depth = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Array = self.norm1(x)
        out = self.attn(out)
        out = self.drop_path(out)
        # in this order XLA on CPUs fuses the sum into the branch
        attended = x + out
        out = self.norm2(attended)
        out = self.mlp(out)
        out = self.stochastic_depth(out)
        out = attended + out
        return out


class PatchMerging(nnx.Module):
    """Each 2x2 tokens become one of twice the channels."""

    def __init__(self, in_channels: int, *, rngs: nnx.Rngs) -> None:
        self.norm = nnx.LayerNorm(4 * in_channels, epsilon=1e-05, rngs=rngs)
        self.reduction = Linear(4 * in_channels, 2 * in_channels, use_bias=False, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, 2 * in_channels)."""
        x = merge_patches(x)
        x = self.norm(x)
        x = self.reduction(x)
        return x


class SwinTransformer(nnx.Module):
    """swin_t: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            Sequential(
                Conv(3, 96, (4, 4), strides=4, padding=0, rngs=rngs),
                nnx.identity,
                nnx.LayerNorm(96, epsilon=1e-05, rngs=rngs),
            ),
            Sequential(
                SwinBlock(96, 3, rngs=rngs),
                SwinBlock(96, 3, shift=3, drop_path=0.2 * 1 / 11, rngs=rngs),
            ),
            PatchMerging(96, rngs=rngs),
            Sequential(
                SwinBlock(192, 6, drop_path=0.2 * 2 / 11, rngs=rngs),
                SwinBlock(192, 6, shift=3, drop_path=0.2 * 3 / 11, rngs=rngs),
            ),
            PatchMerging(192, rngs=rngs),
            Sequential(
                *(
                    SwinBlock(384, 12, shift=3 * (i % 2), drop_path=0.2 * (i + 4) / 11, rngs=rngs)
                    for i in range(6)
                ),
            ),
            PatchMerging(384, rngs=rngs),
            Sequential(
                SwinBlock(768, 24, drop_path=0.2 * 10 / 11, rngs=rngs),
                SwinBlock(768, 24, drop_path=0.2 * 11 / 11, rngs=rngs),
            ),
        )
        self.norm = nnx.LayerNorm(768, epsilon=1e-05, rngs=rngs)
        self.head = Linear(768, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = self.norm(x)
        x = x.mean(axis=(1, 2))
        x = self.head(x)
        return x
