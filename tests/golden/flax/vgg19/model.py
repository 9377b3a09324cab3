"""vgg19: 143,667,240 parameters, 19,632,062,464 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flax import nnx
from jax import Array

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.01))


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x


class ConvPool(nnx.Module):
    """Convolutions of one width, then a 2x2 max pool."""

    def __init__(self, in_channels: int, width: int, deep: bool = False, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (3, 3), padding=1, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, rngs=rngs)
        self.conv3 = Conv(width, width, (3, 3), padding=1, rngs=rngs) if deep else nnx.identity
        self.relu3 = nnx.relu if deep else nnx.identity
        self.conv4 = Conv(width, width, (3, 3), padding=1, rngs=rngs) if deep else nnx.identity
        self.relu4 = nnx.relu if deep else nnx.identity

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / 2, W / 2, width)."""
        x = self.conv1(x)
        x = nnx.relu(x)
        x = self.conv2(x)
        x = nnx.relu(x)
        x = self.conv3(x)
        x = self.relu3(x)
        x = self.conv4(x)
        x = self.relu4(x)
        x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        return x


class VGG(nnx.Module):
    """vgg19: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.stage1 = Sequential(ConvPool(3, 64, rngs=rngs))
        self.stage2 = Sequential(ConvPool(64, 128, rngs=rngs))
        self.stage3 = Sequential(ConvPool(128, 256, deep=True, rngs=rngs))
        self.stage4 = Sequential(ConvPool(256, 512, deep=True, rngs=rngs))
        self.stage5 = Sequential(ConvPool(512, 512, deep=True, rngs=rngs))
        self.fc1 = Linear(25088, 4096, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.fc2 = Linear(4096, 4096, rngs=rngs)
        self.fc3 = Linear(4096, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.stage5(x)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        x = self.fc1(x)
        x = nnx.relu(x)
        x = self.dropout(x)
        x = self.fc2(x)
        x = nnx.relu(x)
        x = self.dropout(x)
        x = self.fc3(x)
        return x
