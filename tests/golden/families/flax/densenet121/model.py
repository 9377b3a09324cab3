"""densenet121: 7,978,856 parameters, 2,834,161,664 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import BatchNorm, NamedSequential, uniform

Conv = partial(
    nnx.Conv, use_bias=False, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_in", "normal")
)


class DenseLayer(nnx.Module):
    """A 1x1 and a 3x3 convolution, each behind its normalization and activation, whose channels
    are added to those of the input (Huang et al., 2017).
    """

    def __init__(self, in_channels: int, growth: int, *, rngs: nnx.Rngs) -> None:
        self.norm1 = BatchNorm(in_channels, rngs=rngs)
        self.conv1 = Conv(in_channels, 4 * growth, (1, 1), padding=0, rngs=rngs)
        self.norm2 = BatchNorm(4 * growth, rngs=rngs)
        self.conv2 = Conv(4 * growth, growth, (3, 3), padding=1, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, in_channels + growth)."""
        out: Array = self.norm1(x)
        out = nnx.relu(out)
        out = self.conv1(out)
        out = self.norm2(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = jnp.concatenate((x, out), axis=-1)
        return out


class DenseBlock(NamedSequential):
    """Layers that each add `growth` channels to those before (Huang et al., 2017)."""

    def __init__(self, in_channels: int, layers: int, growth: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            (f"denselayer{i + 1}", DenseLayer(in_channels + growth * i, growth, rngs=rngs))
            for i in range(layers)
        )


class Transition(NamedSequential):
    """Half of the channels, at half of the resolution (Huang et al., 2017)."""

    def __init__(self, in_channels: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            [
                ("norm", BatchNorm(in_channels, rngs=rngs)),
                ("relu", nnx.relu),
                ("conv", Conv(in_channels, in_channels // 2, (1, 1), padding=0, rngs=rngs)),
                ("pool", partial(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2))),
            ]
        )


class DenseNet(nnx.Module):
    """densenet121: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = NamedSequential(
            [
                ("conv0", Conv(3, 64, (7, 7), strides=2, padding=3, rngs=rngs)),
                ("norm0", BatchNorm(64, rngs=rngs)),
                ("relu0", nnx.relu),
                (
                    "pool0",
                    partial(
                        nnx.max_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))
                    ),
                ),
                ("denseblock1", DenseBlock(64, 6, growth=32, rngs=rngs)),
                ("transition1", Transition(256, rngs=rngs)),
                ("denseblock2", DenseBlock(128, 12, growth=32, rngs=rngs)),
                ("transition2", Transition(512, rngs=rngs)),
                ("denseblock3", DenseBlock(256, 24, growth=32, rngs=rngs)),
                ("transition3", Transition(1024, rngs=rngs)),
                ("denseblock4", DenseBlock(512, 16, growth=32, rngs=rngs)),
                ("norm5", BatchNorm(1024, rngs=rngs)),
            ]
        )
        self.classifier = nnx.Linear(
            1024,
            num_classes,
            kernel_init=uniform(1024),
            bias_init=nnx.initializers.zeros,
            rngs=rngs,
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = nnx.relu(x)
        x = x.mean(axis=(1, 2))
        x = self.classifier(x)
        return x
