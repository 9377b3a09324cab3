"""resnet18: 12,043,816 parameters, 1,878,298,624 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Linear, Sequential

Conv = partial(
    nnx.Conv,
    use_bias=False,
    kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
)


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (3, 3), strides=stride, padding=1, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, rngs=rngs)
        self.bn2 = BatchNorm(width, scale_init=nnx.initializers.zeros, rngs=rngs)
        self.downsample = Sequential(
            Conv(in_channels, width, (1, 1), strides=stride, padding=0, rngs=rngs),
            BatchNorm(width, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.downsample(x) + out
        out = nnx.relu(out)
        return out


class ResNet(nnx.Module):
    """resnet18: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 64, (7, 7), strides=2, padding=3, rngs=rngs)
        self.bn1 = BatchNorm(64, rngs=rngs)
        self.layer1 = Sequential(*(BasicBlock(64, 64, rngs=rngs) for _ in range(2)))
        self.layer2 = Sequential(
            BasicBlock(64, 128, stride=2, rngs=rngs), BasicBlock(128, 128, rngs=rngs)
        )
        self.layer3 = Sequential(
            BasicBlock(128, 256, stride=2, rngs=rngs), BasicBlock(256, 256, rngs=rngs)
        )
        self.layer4 = Sequential(
            BasicBlock(256, 512, stride=2, rngs=rngs), BasicBlock(512, 512, rngs=rngs)
        )
        self.fc = Linear(512, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = nnx.relu(x)
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
