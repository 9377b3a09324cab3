"""resnet50_fpn: 26,852,416 parameters, 88,381,440,000 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import BatchNorm, NamedSequential, Sequential, named_tapped, upsample

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


class Bottleneck(nnx.Module):
    """A 1x1 convolution that narrows, a 3x3 one and a 1x1 one that widens.

    He et al. (2015), Figure 5 right.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (1, 1), padding=0, use_bias=False, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(
            width, width, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs
        )
        self.bn2 = BatchNorm(width, rngs=rngs)
        self.conv3 = Conv(width, width * 4, (1, 1), padding=0, use_bias=False, rngs=rngs)
        self.bn3 = BatchNorm(width * 4, rngs=rngs)
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


class FeaturePyramid(nnx.Module):
    """Features of several levels, to each of which those of the level above are added."""

    def __init__(
        self,
        c2_channels: int,
        c3_channels: int,
        c4_channels: int,
        c5_channels: int,
        width: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.inner_blocks = nnx.List(
            [
                Sequential(Conv(c2_channels, width, (1, 1), padding=0, rngs=rngs)),
                Sequential(Conv(c3_channels, width, (1, 1), padding=0, rngs=rngs)),
                Sequential(Conv(c4_channels, width, (1, 1), padding=0, rngs=rngs)),
                Sequential(Conv(c5_channels, width, (1, 1), padding=0, rngs=rngs)),
            ]
        )
        self.layer_blocks = nnx.List(
            [Sequential(Conv(width, width, (3, 3), padding=1, rngs=rngs)) for _ in range(4)]
        )

    def __call__(self, c2: Array, c3: Array, c4: Array, c5: Array) -> tuple[Array, ...]:
        """Map c2, c3, c4 and c5 to `layer_blocks.0`, `layer_blocks.1`, `layer_blocks.2`,
        `layer_blocks.3` and `pool`.
        """
        inner_blocks3: Array = self.inner_blocks[3](c5)
        inner_blocks2: Array = self.inner_blocks[2](c4)
        inner_blocks1: Array = self.inner_blocks[1](c3)
        inner_blocks0: Array = self.inner_blocks[0](c2)
        up5 = upsample(inner_blocks3, c4.shape[1:3])
        # in this order XLA on CPUs fuses the sum into the branch
        m4 = up5 + inner_blocks2
        up4 = upsample(m4, c3.shape[1:3])
        m3 = up4 + inner_blocks1
        up3 = upsample(m3, c2.shape[1:3])
        m2 = up3 + inner_blocks0
        layer_blocks0: Array = self.layer_blocks[0](m2)
        layer_blocks1: Array = self.layer_blocks[1](m3)
        layer_blocks2: Array = self.layer_blocks[2](m4)
        layer_blocks3: Array = self.layer_blocks[3](inner_blocks3)
        pool: Array = nnx.max_pool(layer_blocks3, (1, 1), strides=(2, 2))
        return layer_blocks0, layer_blocks1, layer_blocks2, layer_blocks3, pool


class BackboneWithFPN(nnx.Module):
    """resnet50_fpn: 800x800x3 images to `0`, `1`, `2`, `3` and `pool`."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.body = NamedSequential(
            [
                ("conv1", Conv(3, 64, (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs)),
                ("bn1", BatchNorm(64, rngs=rngs)),
                ("relu", nnx.relu),
                (
                    "maxpool",
                    partial(
                        nnx.max_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))
                    ),
                ),
                (
                    "layer1",
                    Sequential(
                        Bottleneck(64, 64, rngs=rngs),
                        *(Bottleneck(256, 64, rngs=rngs) for _ in range(2)),
                    ),
                ),
                (
                    "layer2",
                    Sequential(
                        Bottleneck(256, 128, stride=2, rngs=rngs),
                        *(Bottleneck(512, 128, rngs=rngs) for _ in range(3)),
                    ),
                ),
                (
                    "layer3",
                    Sequential(
                        Bottleneck(512, 256, stride=2, rngs=rngs),
                        *(Bottleneck(1024, 256, rngs=rngs) for _ in range(5)),
                    ),
                ),
                (
                    "layer4",
                    Sequential(
                        Bottleneck(1024, 512, stride=2, rngs=rngs),
                        *(Bottleneck(2048, 512, rngs=rngs) for _ in range(2)),
                    ),
                ),
            ]
        )
        self.fpn = FeaturePyramid(
            256, 512, c4_channels=1024, c5_channels=2048, width=256, rngs=rngs
        )

    def __call__(self, x: Array) -> dict[str, Array]:
        """Map images (N, 800, 800, 3) to outputs by name.

        `0`: (N, 200, 200, 256)
        `1`: (N, 100, 100, 256)
        `2`: (N, 50, 50, 256)
        `3`: (N, 25, 25, 256)
        `pool`: (N, 13, 13, 256)
        """
        layer1, layer2, layer3, x = named_tapped(self.body, x, "layer1", "layer2", "layer3")
        x0, x1, x2, x3, pool = self.fpn(layer1, layer2, layer3, x)
        return {"0": x0, "1": x1, "2": x2, "3": x3, "pool": pool}
