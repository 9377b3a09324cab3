"""vgg19: 143,667,240 parameters, 19,632,062,464 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from functools import partial

from flax import nnx
from jax import Array

from layers import Sequential

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))
Linear = partial(nnx.Linear, kernel_init=nnx.initializers.normal(0.01))


class VGG(nnx.Module):
    """vgg19: 224x224x3 images to 1,000 classes."""

    def __init__(self, num_classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.features = Sequential(
            Conv(3, 64, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(64, 64, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
            Conv(64, 128, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(128, 128, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
            Conv(128, 256, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(256, 256, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(256, 256, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(256, 256, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
            Conv(256, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            Conv(512, 512, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
        )
        self.classifier = Sequential(
            Linear(25088, 4096, rngs=rngs),
            nnx.relu,
            nnx.Dropout(0.5, rngs=rngs),
            Linear(4096, 4096, rngs=rngs),
            nnx.relu,
            nnx.Dropout(0.5, rngs=rngs),
            Linear(4096, num_classes, rngs=rngs),
        )

    def __call__(self, x: Array) -> Array:
        """Map images (N, 224, 224, 3) to logits (N, num_classes)."""
        x = self.features(x)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
        x = self.classifier(x)
        return x
