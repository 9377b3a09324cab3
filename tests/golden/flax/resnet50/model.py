"""resnet50: 25,557,032 parameters, 4,089,184,256 multiply-adds for one image.

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


class Bottleneck(nnx.Module):
    """A 1x1 convolution that narrows, a 3x3 one and a 1x1 one that widens.

    He et al. (2015), Figure 5 right.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (1, 1), padding=0, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), strides=stride, padding=1, rngs=rngs)
        self.bn2 = BatchNorm(width, rngs=rngs)
        self.conv3 = Conv(width, width * 4, (1, 1), padding=0, rngs=rngs)
        self.bn3 = BatchNorm(width * 4, rngs=rngs)
        self.downsample = (
            Sequential(
                Conv(in_channels, width * 4, (1, 1), strides=stride, padding=0, rngs=rngs),
                BatchNorm(width * 4, rngs=rngs),
            )
            if stride != 1 or in_channels != width * 4
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width * 4)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = nnx.relu(out)
        out = self.conv3(out)
        out = self.bn3(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.downsample(x) + out
        out = nnx.relu(out)
        return out


class ResNet(nnx.Module):
    """resnet50: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 64, (7, 7), strides=2, padding=3, rngs=rngs)
        self.bn1 = BatchNorm(64, rngs=rngs)
        self.layer1 = Sequential(
            Bottleneck(64, 64, rngs=rngs),
            *(Bottleneck(256, 64, rngs=rngs) for _ in range(2)),
        )
        self.layer2 = Sequential(
            Bottleneck(256, 128, stride=2, rngs=rngs),
            *(Bottleneck(512, 128, rngs=rngs) for _ in range(3)),
        )
        self.layer3 = Sequential(
            Bottleneck(512, 256, stride=2, rngs=rngs),
            *(Bottleneck(1024, 256, rngs=rngs) for _ in range(5)),
        )
        self.layer4 = Sequential(
            Bottleneck(1024, 512, stride=2, rngs=rngs),
            *(Bottleneck(2048, 512, rngs=rngs) for _ in range(2)),
        )
        self.fc = Linear(2048, num_classes, rngs=rngs)

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
