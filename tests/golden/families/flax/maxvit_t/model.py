"""maxvit_t: 30,919,624 parameters, 5,381,025,792 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import (
    BatchNorm,
    NamedSequential,
    Sequential,
    biased_attention,
    interleave,
    relative_position_bias,
    relative_position_index,
    unwindow,
    windows,
)

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.normal(0.02))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.02))


class ConvNormAct(Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            Conv(
                in_channels,
                width,
                (kernel, kernel),
                strides=stride,
                padding=(kernel - 1) // 2,
                feature_group_count=groups,
                use_bias=False,
                rngs=rngs,
            ),
            BatchNorm(width, momentum=0.99, epsilon=0.001, rngs=rngs),
            partial(nnx.gelu, approximate=False),
        )


class SqueezeExcite(nnx.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, *, rngs: nnx.Rngs) -> None:
        width = in_channels // 16
        self.fc1 = Conv(in_channels, width, (1, 1), padding=0, rngs=rngs)
        self.fc2 = Conv(width, in_channels, (1, 1), padding=0, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Array = x.mean(axis=(1, 2), keepdims=True)
        out = self.fc1(out)
        out = nnx.silu(out)
        out = self.fc2(out)
        out = nnx.sigmoid(out)
        out = x * out
        return out


class MBConv(nnx.Module):
    """An inverted residual whose norm comes first, and whose projection has means before it."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        drop_path: float,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.proj = (
            Sequential(
                partial(
                    nnx.avg_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))
                ),
                Conv(in_channels, width, (1, 1), padding=0, rngs=rngs),
            )
            if stride > 1
            else nnx.identity
        )
        self.layers = NamedSequential(
            [
                ("pre_norm", BatchNorm(in_channels, momentum=0.99, epsilon=0.001, rngs=rngs)),
                ("conv_a", ConvNormAct(in_channels, 4 * width, kernel=1, rngs=rngs)),
                (
                    "conv_b",
                    ConvNormAct(4 * width, 4 * width, stride=stride, groups=4 * width, rngs=rngs),
                ),
                ("squeeze_excitation", SqueezeExcite(4 * width, rngs=rngs)),
                ("conv_c", Conv(4 * width, width, (1, 1), padding=0, rngs=rngs)),
            ]
        )
        self.stochastic_depth = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.layers(x)
        out = self.stochastic_depth(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.proj(x) + out
        return out


class RelativeAttention(nnx.Module):
    """Attention with a learned bias for each distance."""

    def __init__(self, in_channels: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.relative_position_bias_table = nnx.Param(
            nnx.initializers.normal(0.02)(rngs.params(), (heads, 169), jnp.float32)
        )
        self.relative_position_index = nnx.BatchStat(
            relative_position_index(7, 7).reshape(7 * 7, -1).T
        )
        self.to_qkv = Linear(in_channels, 3 * in_channels, rngs=rngs)
        self.merge = Linear(in_channels, in_channels, rngs=rngs)
        self.scaled_value = math.sqrt(32 / in_channels)
        self.heads = heads

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        bias: Array = relative_position_bias(
            self.relative_position_bias_table[...].T, self.relative_position_index[...].T, 49
        )
        to_qkv: Array = self.to_qkv(x)
        query, key, value = jnp.split(to_qkv, 3, axis=-1)
        scaled = key * self.scaled_value
        x = biased_attention(query, scaled, value, self.heads, bias)
        x = self.merge(x)
        return x


class PartitionAttention(nnx.Module):
    """Attention in windows of 7x7 tokens; those of a window are `apart` places apart."""

    def __init__(
        self,
        in_channels: int,
        drop_path: float,
        apart: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.attn_layer = Sequential(
            nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs),
            RelativeAttention(in_channels, in_channels // 32, rngs=rngs),
        )
        self.drop_path = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )
        self.mlp_layer = Sequential(
            nnx.LayerNorm(in_channels, epsilon=1e-05, rngs=rngs),
            Linear(in_channels, 4 * in_channels, rngs=rngs),
            partial(nnx.gelu, approximate=False),
            Linear(4 * in_channels, in_channels, rngs=rngs),
        )
        self.stochastic_dropout = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )
        self.apart = apart

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        interleaved = interleave(x, (7, 7)) if self.apart > 1 else x
        cut = windows(interleaved, (7, 7))
        x = self.attn_layer(cut)
        x = self.drop_path(x)
        # in this order XLA on CPUs fuses the sum into the branch
        attended = cut + x
        x = self.mlp_layer(attended)
        x = self.stochastic_dropout(x)
        x = attended + x
        x = unwindow(x, interleaved, (7, 7))
        if self.apart > 1:
            x = interleave(x, (self.apart, self.apart))
        return x


class MaxViTLayer(nnx.Module):
    """Convolutions, attention in windows, and attention of tokens that stand apart."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        apart: int,
        drop_path: float,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.layers = NamedSequential(
            [
                (
                    "MBconv",
                    MBConv(in_channels, width, drop_path=drop_path, stride=stride, rngs=rngs),
                ),
                ("window_attention", PartitionAttention(width, drop_path, rngs=rngs)),
                ("grid_attention", PartitionAttention(width, drop_path, apart=apart, rngs=rngs)),
            ]
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        x = self.layers(x)
        return x


class MaxViTBlock(nnx.Module):
    """Layers of one width, the first of which halves the resolution."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        deep: int,
        before: int,
        apart: int,
        drop_path: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.layers = Sequential(
            MaxViTLayer(
                in_channels,
                width,
                apart=apart,
                drop_path=drop_path * before / 10,
                stride=2,
                rngs=rngs,
            ),
            *(
                MaxViTLayer(
                    width, width, apart=apart, drop_path=drop_path * (i + before) / 10, rngs=rngs
                )
                for i in range(1, deep)
            ),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, width)."""
        x = self.layers(x)
        return x


class MaxViT(nnx.Module):
    """maxvit_t: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.stem = Sequential(
            ConvNormAct(3, 64, stride=2, rngs=rngs),
            Sequential(Conv(64, 64, (3, 3), padding=1, rngs=rngs)),
        )
        self.blocks = Sequential(
            MaxViTBlock(64, 64, deep=2, before=0, apart=8, drop_path=0.2, rngs=rngs),
            MaxViTBlock(64, 128, deep=2, before=2, apart=4, drop_path=0.2, rngs=rngs),
            MaxViTBlock(128, 256, deep=5, before=4, apart=2, drop_path=0.2, rngs=rngs),
            MaxViTBlock(256, 512, deep=2, before=9, apart=1, drop_path=0.2, rngs=rngs),
        )
        self.classifier = Sequential(
            lambda x: x.mean(axis=(1, 2), keepdims=True),
            lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1),
            nnx.LayerNorm(512, epsilon=1e-05, rngs=rngs),
            Linear(512, 512, rngs=rngs),
            nnx.tanh,
            Linear(512, num_classes, use_bias=False, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.stem(x)
        x = self.blocks(x)
        x = self.classifier(x)
        return x
