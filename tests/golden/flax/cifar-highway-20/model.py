"""cifar-highway-20: 369,034 parameters, 57,066,112 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Linear, Sequential

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


class HighwayGate(nnx.Module):
    """A learned gate between the branch and the input.

    y = T(x) F(x) + (1 - T(x)) x, where T is a sigmoid of a convolution whose bias starts negative,
    so that the input is carried at first (Srivastava et al., 2015); 1 - sigmoid(z) is computed as
    sigmoid(-z).
    """

    def __init__(self, in_channels: int, out_channels: int, *, rngs: nnx.Rngs) -> None:
        self.conv = Conv(
            in_channels,
            out_channels,
            (3, 3),
            padding=1,
            bias_init=nnx.initializers.constant(-2.0),
            rngs=rngs,
        )

    def __call__(self, x: Array, branch: Array) -> Array:
        """Map x and branch (N, H, W, in_channels) to (N, H, W, out_channels)."""
        conv: Array = self.conv(x)
        transform = nnx.sigmoid(conv)
        transformed = branch * transform
        negated = -conv
        carry = nnx.sigmoid(negated)
        carried = x * carry
        # in this order XLA on CPUs fuses the sum into the branch
        x = carried + transformed
        return x


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = BatchNorm(width, rngs=rngs)
        self.gate = HighwayGate(in_channels, width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, width)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = self.gate(x, out)
        out = nnx.relu(out)
        return out


class PlainBasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(
            in_channels, width, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs
        )
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = BatchNorm(width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = nnx.relu(x)
        x = self.conv2(x)
        x = self.bn2(x)
        x = nnx.relu(x)
        return x


class CifarHighway(nnx.Module):
    """cifar-highway-20: 32x32x3 images to 10 classes."""

    def __init__(self, num_classes: int = 10, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 16, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn1 = BatchNorm(16, rngs=rngs)
        self.layer1 = Sequential(*(BasicBlock(16, 16, rngs=rngs) for _ in range(3)))
        self.layer2 = Sequential(
            PlainBasicBlock(16, 32, stride=2, rngs=rngs),
            *(BasicBlock(32, 32, rngs=rngs) for _ in range(2)),
        )
        self.layer3 = Sequential(
            PlainBasicBlock(32, 64, stride=2, rngs=rngs),
            *(BasicBlock(64, 64, rngs=rngs) for _ in range(2)),
        )
        self.fc = Linear(64, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 32, 32, 3) to logits (N, num_classes)."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = nnx.relu(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
