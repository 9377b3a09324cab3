"""swin_t: 28,288,354 parameters, 4,350,425,088 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import (
    Conv,
    Sequential,
    biased_attention,
    merge_patches,
    relative_position_bias,
    relative_position_index,
    shift_mask,
    unwindow,
    windows,
)

Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.02))


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
