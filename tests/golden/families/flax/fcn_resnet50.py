"""fcn_resnet50: 35,322,218 parameters, 152,716,512,000 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


def named_tapped(layers: NamedSequential, x: Array, *names: str) -> tuple[Array, ...]:
    """Map x through layers; the results of those with these names come before the last one's."""
    results = []
    for name in layers.names:
        x = getattr(layers, name)(x)
        if name in names:
            results.append(x)
    return (*results, x)


def upsample(
    x: Array, size: tuple[int, ...], mode: str = "nearest", *, align_corners: bool = False
) -> Array:
    """Resize (N, H, W, C): by the pixel before, or bilinear between edges or centers."""
    for axis, out in zip((1, 2), size, strict=True):
        n = x.shape[axis]
        if mode == "nearest":
            x = jnp.take(x, jnp.arange(out) * n // out, axis=axis)
            continue
        if align_corners:
            at = jnp.arange(out) * ((n - 1) / max(out - 1, 1))
        else:
            at = jnp.maximum((jnp.arange(out) + 0.5) * (n / out) - 0.5, 0)
        low = jnp.minimum(at.astype(int), n - 1)
        part = jnp.expand_dims((at - low).astype(x.dtype), tuple(range(1, 4 - axis)))
        high = jnp.take(x, jnp.minimum(low + 1, n - 1), axis=axis)
        x = jnp.take(x, low, axis=axis) * (1 - part) + high * part
    return x


class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    def __init__(self, num_features: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(num_features, momentum=0.9, rngs=rngs)
        self.num_batches_tracked = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: Array) -> Array:  # type: ignore[override]
        """Map (..., C) to the same shape."""
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]
        else:
            mean, var = self.statistics(x)
        factor = jax.lax.rsqrt(var + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale[...]
        shift = -mean * factor
        if self.bias is not None:
            shift = shift + self.bias[...]
        y = x * factor + shift
        return y if self.dtype is None else y.astype(self.dtype)

    def statistics(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance of a batch, which the running ones move towards."""
        axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
        mean = x.mean(axes)
        var = jnp.maximum(jnp.square(x).mean(axes) - jnp.square(mean), 0.0)
        unbiased = var * (count / max(count - 1, 1))
        for running, batch in ((self.mean, mean), (self.var, unbiased)):
            kept = self.momentum * running[...] + (1 - self.momentum) * batch
            running.set_value(kept.astype(running.dtype))
        self.num_batches_tracked.set_value(self.num_batches_tracked[...] + 1)
        return mean, var


class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x


class NamedSequential(nnx.Module):
    """Layers that are applied one after the other and called by names."""

    def __init__(self, layers: Iterable[tuple[str, Callable[[Array], Array]]]) -> None:
        self.names: tuple[str, ...] = ()
        for name, layer in layers:
            setattr(self, name, layer)
            self.names += (name,)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for name in self.names:
            x = getattr(self, name)(x)
        return x


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


class FCNHead(Sequential):
    """A 3x3 convolution to a quarter of the channels, and a 1x1 one to the classes."""

    def __init__(self, in_channels: int, num_classes: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(
            Conv(in_channels, in_channels // 4, (3, 3), padding=1, use_bias=False, rngs=rngs),
            BatchNorm(in_channels // 4, rngs=rngs),
            nnx.relu,
            nnx.Dropout(0.1, rngs=rngs),
            Conv(in_channels // 4, num_classes, (1, 1), padding=0, rngs=rngs),
        )


class FCN(nnx.Module):
    """fcn_resnet50: 520x520x3 images to `out` and `aux`."""

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
        self.classifier = FCNHead(2048, num_classes, rngs=rngs)
        self.aux_classifier = FCNHead(1024, num_classes, rngs=rngs)

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
