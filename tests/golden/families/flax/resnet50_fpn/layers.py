"""What resnet50_fpn uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array


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
