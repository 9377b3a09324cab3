"""deeplabv3_resnet50: 42,004,074 parameters, 178,721,945,088 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import BatchNorm, NamedSequential, Sequential, named_tapped, upsample

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


class Bottleneck(nnx.Module):
    """A 1x1 convolution that narrows, a 3x3 one and a 1x1 one that widens.

    He et al. (2015), Figure 5 right.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        dilation: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv1 = Conv(in_channels, width, (1, 1), padding=0, use_bias=False, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(
            width,
            width,
            (3, 3),
            strides=stride,
            padding=dilation,
            kernel_dilation=dilation,
            use_bias=False,
            rngs=rngs,
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


class ConvNormAct(Sequential):
    """A convolution, its normalization and its activation."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 3,
        dilation: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            Conv(
                in_channels,
                width,
                (kernel, kernel),
                padding=dilation * (kernel - 1) // 2,
                kernel_dilation=dilation,
                use_bias=False,
                rngs=rngs,
            ),
            BatchNorm(width, rngs=rngs),
            nnx.relu,
        )


class ASPP(nnx.Module):
    """Atrous spatial pyramid pooling.

    Convolutions of four dilations and the mean over all pixels, side by side.
    """

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.convs = nnx.List(
            [
                ConvNormAct(in_channels, width, kernel=1, rngs=rngs),
                *(
                    ConvNormAct(in_channels, width, dilation=12 + 12 * i, rngs=rngs)
                    for i in range(3)
                ),
                Sequential(
                    lambda x: x.mean(axis=(1, 2), keepdims=True),
                    Conv(in_channels, width, (1, 1), padding=0, use_bias=False, rngs=rngs),
                    BatchNorm(width, rngs=rngs),
                    nnx.relu,
                ),
            ]
        )
        self.project = Sequential(
            Conv(5 * width, width, (1, 1), padding=0, use_bias=False, rngs=rngs),
            BatchNorm(width, rngs=rngs),
            nnx.relu,
            nnx.Dropout(0.5, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, width)."""
        convs0: Array = self.convs[0](x)
        out: Array = self.convs[4](x)
        out = upsample(out, x.shape[1:3], mode="bilinear")
        out = jnp.concatenate(
            (convs0, self.convs[1](x), self.convs[2](x), self.convs[3](x), out), axis=-1
        )
        out = self.project(out)
        return out


class DeepLabV3(nnx.Module):
    """deeplabv3_resnet50: 520x520x3 images to `out` and `aux`."""

    def __init__(self, num_classes: int = 21, *, rngs: nnx.Rngs) -> None:
        self.backbone = NamedSequential(
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
                        Bottleneck(512, 256, rngs=rngs),
                        *(Bottleneck(1024, 256, dilation=2, rngs=rngs) for _ in range(5)),
                    ),
                ),
                (
                    "layer4",
                    Sequential(
                        Bottleneck(1024, 512, dilation=2, rngs=rngs),
                        *(Bottleneck(2048, 512, dilation=4, rngs=rngs) for _ in range(2)),
                    ),
                ),
            ]
        )
        self.classifier = Sequential(
            ASPP(2048, 256, rngs=rngs),
            Conv(256, 256, (3, 3), padding=1, use_bias=False, rngs=rngs),
            BatchNorm(256, rngs=rngs),
            nnx.relu,
            Conv(256, num_classes, (1, 1), padding=0, rngs=rngs),
        )
        self.aux_classifier = Sequential(
            Conv(1024, 256, (3, 3), padding=1, use_bias=False, rngs=rngs),
            BatchNorm(256, rngs=rngs),
            nnx.relu,
            nnx.Dropout(0.1, rngs=rngs),
            Conv(256, num_classes, (1, 1), padding=0, rngs=rngs),
        )

    def __call__(self, x: Array) -> dict[str, Array]:
        """Map images (N, 520, 520, 3) to outputs by name.

        `out`: (N, 520, 520, num_classes)
        `aux`: (N, 520, 520, num_classes)
        """
        layer3, features = named_tapped(self.backbone, x, "layer3")
        features = self.classifier(features)
        out = upsample(features, x.shape[1:3], mode="bilinear")
        features = self.aux_classifier(layer3)
        aux = upsample(features, x.shape[1:3], mode="bilinear")
        return {"out": out, "aux": aux}
