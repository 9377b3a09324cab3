"""everything: 16,255 parameters, 1,229,952 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import ChannelScale, Sequential, avg_pool, ceil_max_pool

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_in", "normal"))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.01))


class ConvNormAct(Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(self, in_channels: int, width: int, kernel: int = 3, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            Conv(
                in_channels,
                width,
                (kernel, kernel),
                padding=(kernel - 1) // 2,
                use_bias=False,
                rngs=rngs,
            ),
            nnx.GroupNorm(width, num_groups=4, epsilon=1e-05, rngs=rngs),
            nnx.silu,
        )


class Inception(nnx.Module):
    """Three branches of different reach, side by side."""

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.narrow = ConvNormAct(in_channels, width, kernel=1, rngs=rngs)
        self.wide = ConvNormAct(in_channels, width, kernel=5, rngs=rngs)
        self.reduce = Conv(
            in_channels,
            width,
            (1, 1),
            padding=0,
            bias_init=nnx.initializers.constant(0.1),
            rngs=rngs,
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, width * 3)."""
        narrow: Array = self.narrow(x)
        out: Array = avg_pool(x, (3, 3), strides=(1, 1), padding=(1, 1))
        out = self.reduce(out)
        out = jnp.concatenate((narrow, self.wide(x), out), axis=-1)
        return out


class SqueezeExcite(nnx.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, *, rngs: nnx.Rngs) -> None:
        width = in_channels // 4
        self.fc1 = Conv(in_channels, width, (1, 1), padding=0, rngs=rngs)
        self.fc2 = Conv(width, in_channels, (1, 1), padding=0, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Array = x.mean(axis=(1, 2), keepdims=True)
        out = self.fc1(out)
        out = nnx.relu(out)
        out = self.fc2(out)
        out = nnx.sigmoid(out)
        out = x * out
        return out


class SqueezeBottleneck(nnx.Module):
    """A bottleneck whose channels are weighted, and that is dropped now and then."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        rate: float = 0.0,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv1 = Conv(in_channels, width, (1, 1), padding=0, use_bias=False, rngs=rngs)
        self.group_norm = nnx.GroupNorm(width, num_groups=4, epsilon=1e-05, rngs=rngs)
        self.conv2 = Conv(
            width,
            width,
            (3, 3),
            strides=stride,
            padding=1,
            feature_group_count=min(width, 4),
            use_bias=False,
            rngs=rngs,
        )
        self.group_norm2 = nnx.GroupNorm(width, num_groups=4, epsilon=1e-05, rngs=rngs)
        self.conv3 = Conv(width, width * 4, (1, 1), padding=0, use_bias=False, rngs=rngs)
        self.group_norm3 = nnx.GroupNorm(
            width * 4, num_groups=4, epsilon=1e-05, scale_init=nnx.initializers.zeros, rngs=rngs
        )
        self.se = SqueezeExcite(width * 4, rngs=rngs)
        self.drop_path = (
            nnx.Dropout(rate, broadcast_dims=(1, 2, 3), rngs=rngs) if rate > 0 else nnx.identity
        )
        self.downsample = (
            Sequential(
                Conv(
                    in_channels,
                    width * 4,
                    (1, 1),
                    strides=stride,
                    padding=0,
                    use_bias=False,
                    rngs=rngs,
                ),
                nnx.GroupNorm(width * 4, num_groups=4, epsilon=1e-05, rngs=rngs),
            )
            if stride != 1 or in_channels != width * 4
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width * 4)."""
        out: Array = self.conv1(x)
        out = self.group_norm(out)
        out = nnx.silu(out)
        out = self.conv2(out)
        out = self.group_norm2(out)
        out = nnx.silu(out)
        out = self.conv3(out)
        out = self.group_norm3(out)
        out = self.se(out)
        out = self.drop_path(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.downsample(x) + out
        out = nnx.silu(out)
        return out


class Everything(nnx.Module):
    """everything: 20x24x3 images to 7 classes."""

    def __init__(self, num_classes: int = 7, *, rngs: nnx.Rngs) -> None:
        self.patch = Conv(3, 16, (4, 4), strides=2, padding=1, rngs=rngs)
        self.norm0 = nnx.LayerNorm(16, rngs=rngs)
        self.scale0 = ChannelScale(16, value=0.5)
        self.mixed = Sequential(Inception(16, 8, rngs=rngs), Inception(24, 8, rngs=rngs))
        self.squeezed = Sequential(
            SqueezeBottleneck(24, 8, stride=2, rngs=rngs),
            *(SqueezeBottleneck(32, 8, rate=0.1, rngs=rngs) for _ in range(2)),
        )
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.fc = Linear(288, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 20, 24, 3) to logits (N, num_classes)."""
        x = self.patch(x)
        x = self.norm0(x)
        x = self.scale0(x)
        x = nnx.hard_sigmoid(x)
        x = self.mixed(x)
        x = self.squeezed(x)
        x = ceil_max_pool(x, (2, 2), strides=(2, 2))
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        x = self.drop(x)
        x = self.fc(x)
        return x
