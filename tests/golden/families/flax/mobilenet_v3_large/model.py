"""mobilenet_v3_large: 5,483,032 parameters, 216,589,760 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Sequential

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.01))


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
            nnx.hard_swish,
        )


class ReluConvNormAct(Sequential):
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
            nnx.relu,
        )


class ConvNorm(Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            Conv(in_channels, width, (1, 1), padding=0, use_bias=False, rngs=rngs),
            BatchNorm(width, momentum=0.99, epsilon=0.001, rngs=rngs),
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
        out = nnx.relu(out)
        out = self.fc2(out)
        out = nnx.hard_sigmoid(out)
        out = x * out
        return out


class MBConv(nnx.Module):
    """A 1x1 convolution that widens, a depthwise one, weighted channels and a 1x1 one that
    narrows (Tan and Le, 2019). With squeeze 0 channels are not weighted.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        expanded: int,
        squeeze: int,
        stride: int = 1,
        kernel: int = 3,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.block = Sequential(
            *(
                [ReluConvNormAct(in_channels, expanded, kernel=1, rngs=rngs)]
                if expanded != in_channels
                else []
            ),
            ReluConvNormAct(
                expanded, expanded, kernel=kernel, stride=stride, groups=expanded, rngs=rngs
            ),
            *([SqueezeExcite(expanded, squeeze, rngs=rngs)] if squeeze > 0 else []),
            ConvNorm(expanded, width, rngs=rngs),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.block(x)
        # in this order XLA on CPUs fuses the sum into the branch
        if self.has_shortcut:
            out = x + out
        return out


class HardSwishMBConv(nnx.Module):
    """A 1x1 convolution that widens, a depthwise one, weighted channels and a 1x1 one that
    narrows (Tan and Le, 2019). With squeeze 0 channels are not weighted.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        expanded: int,
        squeeze: int,
        stride: int = 1,
        kernel: int = 3,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.block = Sequential(
            ConvNormAct(in_channels, expanded, kernel=1, rngs=rngs),
            ConvNormAct(
                expanded, expanded, kernel=kernel, stride=stride, groups=expanded, rngs=rngs
            ),
            *([SqueezeExcite(expanded, squeeze, rngs=rngs)] if squeeze > 0 else []),
            ConvNorm(expanded, width, rngs=rngs),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.block(x)
        # in this order XLA on CPUs fuses the sum into the branch
        if self.has_shortcut:
            out = x + out
        return out


class MobileNetV3(nnx.Module):
    """mobilenet_v3_large: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            ConvNormAct(3, 16, stride=2, rngs=rngs),
            MBConv(16, 16, expanded=16, squeeze=0, rngs=rngs),
            MBConv(16, 24, expanded=64, squeeze=0, stride=2, rngs=rngs),
            MBConv(24, 24, expanded=72, squeeze=0, rngs=rngs),
            MBConv(24, 40, expanded=72, squeeze=24, stride=2, kernel=5, rngs=rngs),
            *(MBConv(40, 40, expanded=120, squeeze=32, kernel=5, rngs=rngs) for _ in range(2)),
            HardSwishMBConv(40, 80, expanded=240, squeeze=0, stride=2, rngs=rngs),
            HardSwishMBConv(80, 80, expanded=200, squeeze=0, rngs=rngs),
            *(HardSwishMBConv(80, 80, expanded=184, squeeze=0, rngs=rngs) for _ in range(2)),
            HardSwishMBConv(80, 112, expanded=480, squeeze=120, rngs=rngs),
            HardSwishMBConv(112, 112, expanded=672, squeeze=168, rngs=rngs),
            HardSwishMBConv(112, 160, expanded=672, squeeze=168, stride=2, kernel=5, rngs=rngs),
            *(
                HardSwishMBConv(160, 160, expanded=960, squeeze=240, kernel=5, rngs=rngs)
                for _ in range(2)
            ),
            ConvNormAct(160, 960, kernel=1, rngs=rngs),
        )
        self.classifier = Sequential(
            Linear(960, 1280, rngs=rngs),
            nnx.hard_swish,
            nnx.Dropout(0.2, rngs=rngs),
            Linear(1280, num_classes, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.mean(axis=(1, 2))
        x = self.classifier(x)
        return x
