"""mobilenet_v2: 3,504,872 parameters, 300,774,272 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Sequential

Conv = partial(
    nnx.Conv,
    use_bias=False,
    kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
)
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
                rngs=rngs,
            ),
            BatchNorm(width, rngs=rngs),
            nnx.relu6,
        )


class InvertedResidual(nnx.Module):
    """A 1x1 convolution that widens, a depthwise one and a 1x1 one that narrows (Sandler et al.,
    2018). Where the result has the input's shape, the two are added.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        expand: int = 6,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        expanded = in_channels * expand
        self.conv = Sequential(
            *([ConvNormAct(in_channels, expanded, kernel=1, rngs=rngs)] if expand > 1 else []),
            ConvNormAct(expanded, expanded, stride=stride, groups=expanded, rngs=rngs),
            Conv(expanded, width, (1, 1), padding=0, rngs=rngs),
            BatchNorm(width, rngs=rngs),
        )
        self.has_shortcut = stride == 1 and in_channels == width

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.conv(x)
        # in this order XLA on CPUs fuses the sum into the branch
        if self.has_shortcut:
            out = x + out
        return out


class MobileNetV2(nnx.Module):
    """mobilenet_v2: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            ConvNormAct(3, 32, stride=2, rngs=rngs),
            InvertedResidual(32, 16, expand=1, rngs=rngs),
            InvertedResidual(16, 24, stride=2, rngs=rngs),
            InvertedResidual(24, 24, rngs=rngs),
            InvertedResidual(24, 32, stride=2, rngs=rngs),
            *(InvertedResidual(32, 32, rngs=rngs) for _ in range(2)),
            InvertedResidual(32, 64, stride=2, rngs=rngs),
            *(InvertedResidual(64, 64, rngs=rngs) for _ in range(3)),
            InvertedResidual(64, 96, rngs=rngs),
            *(InvertedResidual(96, 96, rngs=rngs) for _ in range(2)),
            InvertedResidual(96, 160, stride=2, rngs=rngs),
            *(InvertedResidual(160, 160, rngs=rngs) for _ in range(2)),
            InvertedResidual(160, 320, rngs=rngs),
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
