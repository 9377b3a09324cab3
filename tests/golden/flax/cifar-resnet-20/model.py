"""cifar-resnet-20: 269,722 parameters, 40,551,040 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import BatchNorm, Linear, Sequential

Conv = partial(
    nnx.Conv,
    use_bias=False,
    kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
)


class ZeroPad(nnx.Module):
    """The input, subsampled where the branch strides, with zeros for new channels.

    Option A of He et al. (2015), free of parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - (out_channels - in_channels) // 2

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, out_channels)."""
        x = x[:, :: self.stride, :: self.stride]
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (self.before, self.after)))
        return x


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (3, 3), strides=stride, padding=1, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, rngs=rngs)
        self.bn2 = BatchNorm(width, rngs=rngs)
        self.shortcut = (
            ZeroPad(in_channels, width, stride=stride)
            if stride != 1 or in_channels != width
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.shortcut(x) + out
        out = nnx.relu(out)
        return out


class CifarResNet(nnx.Module):
    """cifar-resnet-20: 32x32x3 images to 10 classes."""

    def __init__(self, num_classes: int = 10, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 16, (3, 3), padding=1, rngs=rngs)
        self.bn1 = BatchNorm(16, rngs=rngs)
        self.layer1 = Sequential(*(BasicBlock(16, 16, rngs=rngs) for _ in range(3)))
        self.layer2 = Sequential(
            BasicBlock(16, 32, stride=2, rngs=rngs),
            *(BasicBlock(32, 32, rngs=rngs) for _ in range(2)),
        )
        self.layer3 = Sequential(
            BasicBlock(32, 64, stride=2, rngs=rngs),
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
