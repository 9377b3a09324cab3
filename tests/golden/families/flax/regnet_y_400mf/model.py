"""regnet_y_400mf: 4,344,144 parameters, 401,842,848 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, NamedSequential, Sequential

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
            BatchNorm(width, rngs=rngs),
            nnx.relu,
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
        out = nnx.sigmoid(out)
        out = x * out
        return out


class FBlock(nnx.Module):
    """A bottleneck of one width in groups."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        squeeze: int,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.a = ConvNormAct(in_channels, width, kernel=1, rngs=rngs)
        self.b = ConvNormAct(width, width, stride=stride, groups=width // min(8, width), rngs=rngs)
        self.se = SqueezeExcite(width, squeeze, rngs=rngs)
        self.c = Sequential(
            Conv(width, width, (1, 1), padding=0, use_bias=False, rngs=rngs),
            BatchNorm(width, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        x = self.a(x)
        x = self.b(x)
        x = self.se(x)
        x = self.c(x)
        return x


class Residual(nnx.Module):
    """A bottleneck beside its shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.f = FBlock(
            in_channels, width, squeeze=round(0.25 * in_channels), stride=stride, rngs=rngs
        )
        self.proj = (
            Sequential(
                Conv(
                    in_channels, width, (1, 1), strides=stride, padding=0, use_bias=False, rngs=rngs
                ),
                BatchNorm(width, rngs=rngs),
            )
            if stride != 1 or in_channels != width
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.f(x)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.proj(x) + out
        out = nnx.relu(out)
        return out


class RegNet(nnx.Module):
    """regnet_y_400mf: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.stem = ConvNormAct(3, 32, stride=2, rngs=rngs)
        self.trunk_output = NamedSequential(
            [
                ("block1", NamedSequential([("block1-0", Residual(32, 48, stride=2, rngs=rngs))])),
                (
                    "block2",
                    NamedSequential(
                        [
                            ("block2-0", Residual(48, 104, stride=2, rngs=rngs)),
                            *((f"block2-{i + 1}", Residual(104, 104, rngs=rngs)) for i in range(2)),
                        ]
                    ),
                ),
                (
                    "block3",
                    NamedSequential(
                        [
                            ("block3-0", Residual(104, 208, stride=2, rngs=rngs)),
                            *((f"block3-{i + 1}", Residual(208, 208, rngs=rngs)) for i in range(5)),
                        ]
                    ),
                ),
                (
                    "block4",
                    NamedSequential(
                        [
                            ("block4-0", Residual(208, 440, stride=2, rngs=rngs)),
                            *((f"block4-{i + 1}", Residual(440, 440, rngs=rngs)) for i in range(5)),
                        ]
                    ),
                ),
            ]
        )
        self.fc = Linear(440, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.stem(x)
        x = self.trunk_output(x)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
