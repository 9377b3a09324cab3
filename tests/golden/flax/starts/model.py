"""starts: 2,941 parameters, 47,944 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, Conv, Sequential, ceil_avg_pool

Linear = partial(nnx.Linear, kernel_init=nnx.initializers.xavier_uniform())
GroupNorm = partial(
    nnx.GroupNorm,
    scale_init=nnx.initializers.constant(0.5),
    bias_init=nnx.initializers.constant(0.25),
)
LayerNorm = partial(
    nnx.LayerNorm,
    scale_init=nnx.initializers.constant(0.5),
    bias_init=nnx.initializers.constant(0.25),
)


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(
            in_channels, width, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs
        )
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = BatchNorm(width, scale_init=nnx.initializers.zeros, rngs=rngs)
        self.downsample = (
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
        """Map x (N, H, W, in_channels) to (N, H', W', width)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.downsample(x) + out
        out = nnx.relu(out)
        return out


class Starts(nnx.Module):
    """starts: 9x12x3 images to 5 classes."""

    def __init__(self, num_classes: int = 5, *, rngs: nnx.Rngs) -> None:
        self.conv0 = Conv(
            3, 8, (3, 3), padding=1, bias_init=nnx.initializers.constant(0.5), rngs=rngs
        )
        self.norm0 = GroupNorm(8, num_groups=2, epsilon=1e-05, rngs=rngs)
        self.conv1 = Conv(8, 8, (3, 1), strides=(1, 2), padding=(1, 0), use_bias=False, rngs=rngs)
        self.norm1 = LayerNorm(8, rngs=rngs)
        self.norm2 = BatchNorm(
            8, momentum=0.7, epsilon=0.01, use_bias=False, use_scale=False, rngs=rngs
        )
        self.layer1 = Sequential(BasicBlock(8, 8, stride=2, rngs=rngs), BasicBlock(8, 8, rngs=rngs))
        self.fc = Linear(8, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 9, 12, 3) to logits (N, num_classes)."""
        x = self.conv0(x)
        x = self.norm0(x)
        x = self.conv1(x)
        x = self.norm1(x)
        x = self.norm2(x)
        x = nnx.gelu(x, approximate=False)
        x = ceil_avg_pool(x, (3, 3), strides=(2, 2), padding=(1, 1), count_padding=True)
        x = self.layer1(x)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
