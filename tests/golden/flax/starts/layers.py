"""What starts uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike


def uniform(fan_in: int) -> nnx.Initializer:
    """Draw numbers within 1 / sqrt(fan_in) of zero."""
    bound = fan_in**-0.5

    def draw(key: Array, shape: tuple[int, ...], dtype: DTypeLike = float) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def ceil_padding(
    x: Array, window: tuple[int, int], strides: tuple[int, int], padding: tuple[int, int]
) -> list[tuple[int, int]]:
    """Padding with which windows reach the last pixels of (N, H, W, C), but never start behind."""
    ends = []
    for size, extent, stride, pad in zip(x.shape[1:3], window, strides, padding, strict=True):
        steps = min(-(-(size + 2 * pad - extent) // stride), (size + pad - 1) // stride)
        ends.append((pad, max(steps * stride + extent - size - pad, 0)))
    return ends


def ceil_avg_pool(
    x: Array,
    window_shape: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
    *,
    count_padding: bool = False,
) -> Array:
    """Average pooling of (N, H, W, C) whose result has its size rounded up.

    What lies beyond the padding never counts.
    """
    ends = ceil_padding(x, window_shape, strides, padding)
    counted = padding if count_padding else (0, 0)
    rest = [(low - c, max(high - c, 0)) for (low, high), c in zip(ends, counted, strict=True)]
    height, width = (size + 2 * c for size, c in zip(x.shape[1:3], counted, strict=True))
    pixels = jnp.ones((1, height, width, 1), x.dtype)
    total: Array = nnx.pool(x, 0.0, jax.lax.add, window_shape, strides, ends)
    count: Array = nnx.pool(pixels, 0.0, jax.lax.add, window_shape, strides, rest)
    return total / count


class Conv(nnx.Conv):
    """A convolution whose weights and bias start within 1 / sqrt(fan_in) of zero."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: tuple[int, int],
        *,
        strides: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        kernel_dilation: int | tuple[int, int] = 1,
        feature_group_count: int = 1,
        use_bias: bool = True,
        bias_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        start = uniform(in_features // feature_group_count * math.prod(kernel_size))
        super().__init__(
            in_features,
            out_features,
            kernel_size,
            strides=strides,
            padding=padding,
            kernel_dilation=kernel_dilation,
            feature_group_count=feature_group_count,
            use_bias=use_bias,
            kernel_init=start,
            bias_init=bias_init or start,
            rngs=rngs,
        )


class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    def __init__(
        self,
        num_features: int,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        use_bias: bool = True,
        use_scale: bool = True,
        scale_init: nnx.Initializer | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            num_features,
            momentum=momentum,
            epsilon=epsilon,
            use_bias=use_bias,
            use_scale=use_scale,
            scale_init=scale_init or nnx.initializers.constant(0.5),
            bias_init=nnx.initializers.constant(0.25),
            rngs=rngs,
        )
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
