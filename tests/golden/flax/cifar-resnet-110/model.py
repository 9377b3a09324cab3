"""cifar-resnet-110: 1,727,962 parameters, 252,887,680 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

Conv = partial(
    nnx.Conv,
    use_bias=False,
    kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
)


def uniform(fan_in: int) -> nnx.Initializer:
    """Draw numbers within 1 / sqrt(fan_in) of zero."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


class Linear(nnx.Linear):
    """A linear layer whose weights and bias start within 1 / sqrt(in_features) of zero."""

    def __init__(
        self, in_features: int, out_features: int, *, use_bias: bool = True, rngs: nnx.Rngs
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            use_bias=use_bias,
            kernel_init=uniform(in_features),
            bias_init=uniform(in_features),
            rngs=rngs,
        )


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


class Repeated(nnx.Module):
    """Equal blocks one after the other, compiled once: their parameters are stacked."""

    def __init__(
        self,
        make: Callable[[nnx.Rngs], Callable[[Array], Array]],
        count: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.repeats = count
        self.blocks = nnx.vmap(make)(rngs.split(count))

    def __call__(self, x: Array) -> Array:
        """Map x through all blocks."""
        scan: Callable[..., Array] = nnx.scan(
            lambda block, x: block(x), in_axes=(0, nnx.Carry), out_axes=nnx.Carry
        )
        return scan(self.blocks, x)


class ZeroPad(nnx.Module):
    """The input, subsampled where the branch strides, with zeros for new channels.

    Option A of He et al. (2015), free of parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - (out_channels - in_channels) // 2

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, out_channels)."""
        x = x[:, :: self.stride, :: self.stride]
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (self.before, self.after)))
        return x


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions. He et al. (2015), Figure 5 left."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(in_channels, width, (3, 3), strides=stride, padding=1, rngs=rngs)
        self.bn1 = BatchNorm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, rngs=rngs)
        self.bn2 = BatchNorm(width, rngs=rngs)
        self.shortcut = (
            ZeroPad(in_channels, width, stride=stride)
            if stride != 1 or in_channels != width
            else nnx.identity
        )

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H / stride, W / stride, width)."""
        out: Array = self.conv1(x)
        out = self.bn1(out)
        out = nnx.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        # in this order XLA on CPUs fuses the sum into the branch
        out = self.shortcut(x) + out
        out = nnx.relu(out)
        return out


class CifarResNet(nnx.Module):
    """cifar-resnet-110: 32x32x3 images to 10 classes."""

    def __init__(self, num_classes: int = 10, *, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 16, (3, 3), padding=1, rngs=rngs)
        self.bn1 = BatchNorm(16, rngs=rngs)
        self.layer1 = Repeated(lambda rngs: BasicBlock(16, 16, rngs=rngs), 18, rngs=rngs)
        self.layer2 = Sequential(
            BasicBlock(16, 32, stride=2, rngs=rngs),
            Repeated(lambda rngs: BasicBlock(32, 32, rngs=rngs), 17, rngs=rngs),
        )
        self.layer3 = Sequential(
            BasicBlock(32, 64, stride=2, rngs=rngs),
            Repeated(lambda rngs: BasicBlock(64, 64, rngs=rngs), 17, rngs=rngs),
        )
        self.fc = Linear(64, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 32, 32, 3) to logits (N, num_classes)."""
        x = self.conv1(x)
        x = self.bn1(x)
        x = nnx.relu(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
