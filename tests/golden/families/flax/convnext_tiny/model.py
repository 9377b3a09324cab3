"""convnext_tiny: 28,589,128 parameters, 4,455,531,264 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import Sequential

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.normal(0.02))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.02))


class ConvNeXtBlock(nnx.Module):
    """A 7x7 depthwise convolution, then two linear layers on each pixel, whose result is scaled
    for each channel (Liu et al., 2022).
    """

    def __init__(self, in_channels: int, drop_path: float = 0.0, *, rngs: nnx.Rngs) -> None:
        self.layer_scale = nnx.Param(jnp.full((in_channels, 1, 1), 1e-06, jnp.float32))
        self.block = Sequential(
            Conv(
                in_channels,
                in_channels,
                (7, 7),
                padding=3,
                feature_group_count=in_channels,
                rngs=rngs,
            ),
            nnx.identity,
            nnx.LayerNorm(in_channels, rngs=rngs),
            Linear(in_channels, 4 * in_channels, rngs=rngs),
            partial(nnx.gelu, approximate=False),
            Linear(4 * in_channels, in_channels, rngs=rngs),
            nnx.identity,
        )
        self.stochastic_depth = (
            nnx.Dropout(drop_path, broadcast_dims=(1, 2, 3), rngs=rngs)
            if drop_path > 0
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels)."""
        out: Array = self.block(x)
        out = self.layer_scale[...].transpose(1, 2, 0) * out
        out = self.stochastic_depth(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = x + out
        return out


class Downsample(Sequential):
    """A normalization and a 2x2 convolution with stride 2."""

    def __init__(self, in_channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            nnx.LayerNorm(in_channels, rngs=rngs),
            Conv(in_channels, width, (2, 2), strides=2, padding=0, rngs=rngs),
        )


class ConvNeXt(nnx.Module):
    """convnext_tiny: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            Sequential(
                Conv(3, 96, (4, 4), strides=4, padding=0, rngs=rngs), nnx.LayerNorm(96, rngs=rngs)
            ),
            Sequential(*(ConvNeXtBlock(96, drop_path=0.1 * i / 17, rngs=rngs) for i in range(3))),
            Downsample(96, 192, rngs=rngs),
            Sequential(
                *(ConvNeXtBlock(192, drop_path=0.1 * (i + 3) / 17, rngs=rngs) for i in range(3)),
            ),
            Downsample(192, 384, rngs=rngs),
            Sequential(
                *(ConvNeXtBlock(384, drop_path=0.1 * (i + 6) / 17, rngs=rngs) for i in range(9)),
            ),
            Downsample(384, 768, rngs=rngs),
            Sequential(
                *(ConvNeXtBlock(768, drop_path=0.1 * (i + 15) / 17, rngs=rngs) for i in range(3)),
            ),
        )
        self.classifier = Sequential(
            nnx.LayerNorm(768, rngs=rngs),
            lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1),
            Linear(768, num_classes, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.mean(axis=(1, 2), keepdims=True)
        x = self.classifier(x)
        return x
