"""googlenet: 13,004,888 parameters, 1,498,376,192 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import BatchNorm, Sequential, adaptive_pool, ceil_max_pool

Conv = partial(nnx.Conv, use_bias=False, kernel_init=nnx.initializers.normal(0.01))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.01))


class BasicConv2d(nnx.Module):
    """A convolution with batch normalization and ReLU."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.conv = Conv(
            in_channels,
            width,
            (kernel, kernel),
            strides=stride,
            padding=(kernel - 1) // 2,
            rngs=rngs,
        )
        self.bn = BatchNorm(width, epsilon=0.001, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        x = self.conv(x)
        x = self.bn(x)
        x = nnx.relu(x)
        return x


class Inception(nnx.Module):
    """Convolutions of three sizes and a pooling beside each other."""

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce3: int,
        three: int,
        reduce5: int,
        five: int,
        pool: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.branch1 = BasicConv2d(in_channels, one, kernel=1, rngs=rngs)
        self.branch2 = Sequential(
            BasicConv2d(in_channels, reduce3, kernel=1, rngs=rngs),
            BasicConv2d(reduce3, three, rngs=rngs),
        )
        self.branch3 = Sequential(
            BasicConv2d(in_channels, reduce5, kernel=1, rngs=rngs),
            BasicConv2d(reduce5, five, rngs=rngs),
        )
        self.branch4 = Sequential(
            partial(ceil_max_pool, window_shape=(3, 3), strides=(1, 1), padding=(1, 1)),
            BasicConv2d(in_channels, pool, kernel=1, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, one + three + five + pool)."""
        out: Array = self.branch1(x)
        out = jnp.concatenate((out, self.branch2(x), self.branch3(x), self.branch4(x)), axis=-1)
        return out


class InceptionAux(nnx.Module):
    """A classifier of what lies in the middle of the network."""

    def __init__(self, in_channels: int, num_classes: int, *, rngs: nnx.Rngs) -> None:
        self.conv = BasicConv2d(in_channels, 128, kernel=1, rngs=rngs)
        self.fc1 = Linear(2048, 1024, rngs=rngs)
        self.dropout = nnx.Dropout(0.7, rngs=rngs)
        self.fc2 = Linear(1024, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, num_classes)."""
        x = adaptive_pool(x, size=(4, 4), reduce=jnp.mean)
        x = self.conv(x)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        x = self.fc1(x)
        x = nnx.relu(x)
        x = self.dropout(x)
        x = self.fc2(x)
        return x


class GoogLeNet(nnx.Module):
    """googlenet: 224x224x3 images to `logits`, `aux2` and `aux1`."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.conv1 = BasicConv2d(3, 64, kernel=7, stride=2, rngs=rngs)
        self.conv2 = BasicConv2d(64, 64, kernel=1, rngs=rngs)
        self.conv3 = BasicConv2d(64, 192, rngs=rngs)
        self.inception3a = Inception(
            192, 64, reduce3=96, three=128, reduce5=16, five=32, pool=32, rngs=rngs
        )
        self.inception3b = Inception(
            256, 128, reduce3=128, three=192, reduce5=32, five=96, pool=64, rngs=rngs
        )
        self.inception4a = Inception(
            480, 192, reduce3=96, three=208, reduce5=16, five=48, pool=64, rngs=rngs
        )
        self.inception4b = Inception(
            512, 160, reduce3=112, three=224, reduce5=24, five=64, pool=64, rngs=rngs
        )
        self.inception4c = Inception(
            512, 128, reduce3=128, three=256, reduce5=24, five=64, pool=64, rngs=rngs
        )
        self.inception4d = Inception(
            512, 112, reduce3=144, three=288, reduce5=32, five=64, pool=64, rngs=rngs
        )
        self.inception4e = Inception(
            528, 256, reduce3=160, three=320, reduce5=32, five=128, pool=128, rngs=rngs
        )
        self.inception5a = Inception(
            832, 256, reduce3=160, three=320, reduce5=32, five=128, pool=128, rngs=rngs
        )
        self.inception5b = Inception(
            832, 384, reduce3=192, three=384, reduce5=48, five=128, pool=128, rngs=rngs
        )
        self.aux1 = InceptionAux(512, num_classes, rngs=rngs)
        self.aux2 = InceptionAux(528, num_classes, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.fc = Linear(1024, num_classes, rngs=rngs)
        self.deterministic = False

    def __call__(self, x: Array) -> dict[str, Array]:
        """Map images (N, 224, 224, 3) to outputs by name.

        `logits`: (N, num_classes)
        `aux2`: (N, num_classes), only in training
        `aux1`: (N, num_classes), only in training
        """
        x = self.conv1(x)
        x = ceil_max_pool(x, (3, 3), strides=(2, 2))
        x = self.conv2(x)
        x = self.conv3(x)
        x = ceil_max_pool(x, (3, 3), strides=(2, 2))
        x = self.inception3a(x)
        x = self.inception3b(x)
        x = ceil_max_pool(x, (3, 3), strides=(2, 2))
        inception4a: Array = self.inception4a(x)
        x = self.inception4b(inception4a)
        x = self.inception4c(x)
        inception4d: Array = self.inception4d(x)
        x = self.inception4e(inception4d)
        x = ceil_max_pool(x, (2, 2), strides=(2, 2))
        x = self.inception5a(x)
        x = self.inception5b(x)
        x = x.mean(axis=(1, 2))
        x = self.dropout(x)
        logits: Array = self.fc(x)
        if self.deterministic:
            return {"logits": logits}
        aux1: Array = self.aux1(inception4a)
        aux2: Array = self.aux2(inception4d)
        return {"logits": logits, "aux2": aux2, "aux1": aux1}
