"""efficientnet_b0: 5,288,548 parameters, 385,814,752 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Linear, Sequential

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


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
            BatchNorm(width, rngs=rngs),
            nnx.silu,
        )


class SqueezeExcite(nnx.Module):
    """Channels weighted by a gate computed from their means (Hu et al., 2018)."""

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
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
    """A 1x1 convolution that widens, a depthwise one, weighted channels and a 1x1 one that
    narrows (Tan and Le, 2019). Where the result has the input's shape, the two are added, and
    a sample's branch is dropped with probability drop_path.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        kernel: int = 3,
        expand: int = 1,
        drop_path: float = 0.0,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        expanded = in_channels * expand
        self.has_shortcut = stride == 1 and in_channels == width
        self.block = Sequential(
            *(
                [ConvNormAct(in_channels, expanded, kernel=1, rngs=rngs)]
                if expanded != in_channels
                else []
            ),
            ConvNormAct(
                expanded, expanded, kernel=kernel, stride=stride, groups=expanded, rngs=rngs
            ),
            SqueezeExcite(expanded, max(1, in_channels // 4), rngs=rngs),
            Sequential(
                Conv(expanded, width, (1, 1), padding=0, use_bias=False, rngs=rngs),
                BatchNorm(width, rngs=rngs),
            ),
        )
        self.stochastic_depth = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0 and self.has_shortcut
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.block(x)
        out = self.stochastic_depth(out)
        # in this order XLA on CPUs fuses the sum into the branch
        if self.has_shortcut:
            out = x + out
        return out


class EfficientNet(nnx.Module):
    """efficientnet_b0: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            ConvNormAct(3, 32, stride=2, rngs=rngs),
            Sequential(MBConv(32, 16, rngs=rngs)),
            Sequential(
                MBConv(16, 24, stride=2, expand=6, drop_path=0.2 * 1 / 16, rngs=rngs),
                MBConv(24, 24, expand=6, drop_path=0.2 * 2 / 16, rngs=rngs),
            ),
            Sequential(
                MBConv(24, 40, stride=2, kernel=5, expand=6, drop_path=0.2 * 3 / 16, rngs=rngs),
                MBConv(40, 40, kernel=5, expand=6, drop_path=0.2 * 4 / 16, rngs=rngs),
            ),
            Sequential(
                MBConv(40, 80, stride=2, expand=6, drop_path=0.2 * 5 / 16, rngs=rngs),
                MBConv(80, 80, expand=6, drop_path=0.2 * 6 / 16, rngs=rngs),
                MBConv(80, 80, expand=6, drop_path=0.2 * 7 / 16, rngs=rngs),
            ),
            Sequential(
                MBConv(80, 112, kernel=5, expand=6, drop_path=0.2 * 8 / 16, rngs=rngs),
                MBConv(112, 112, kernel=5, expand=6, drop_path=0.2 * 9 / 16, rngs=rngs),
                MBConv(112, 112, kernel=5, expand=6, drop_path=0.2 * 10 / 16, rngs=rngs),
            ),
            Sequential(
                MBConv(112, 192, stride=2, kernel=5, expand=6, drop_path=0.2 * 11 / 16, rngs=rngs),
                *(
                    MBConv(192, 192, kernel=5, expand=6, drop_path=0.2 * (i + 12) / 16, rngs=rngs)
                    for i in range(3)
                ),
            ),
            Sequential(MBConv(192, 320, expand=6, drop_path=0.2 * 15 / 16, rngs=rngs)),
            ConvNormAct(320, 1280, kernel=1, rngs=rngs),
        )
        self.classifier = Sequential(
            nnx.Dropout(0.2, rngs=rngs), Linear(1280, num_classes, rngs=rngs)
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.mean(axis=(1, 2))
        x = self.classifier(x)
        return x
