"""What maxvit_t uses beside the layers of Flax.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array


def interleave(x: Array, groups: tuple[int, int]) -> Array:
    """Reorder rows and columns of grids (N, H, W, D): the first of each group come first."""
    n, height, width, depth = x.shape
    high, wide = groups
    x = x.reshape(n, high, height // high, wide, width // wide, depth)
    return x.swapaxes(1, 2).swapaxes(3, 4).reshape(n, height, width, depth)


def windows(x: Array, size: tuple[int, int]) -> Array:
    """Cut grids (N, H, W, D) into windows (N, H W / (h w), h w, D)."""
    n, height, width, depth = x.shape
    high, wide = size
    x = x.reshape(n, height // high, high, width // wide, wide, depth)
    return x.swapaxes(2, 3).reshape(n, -1, high * wide, depth)


def unwindow(x: Array, grid: Array, size: tuple[int, int]) -> Array:
    """Put windows (N, H W / (h w), h w, D) together to grids (N, H, W, D), as large as another."""
    n, height, width = grid.shape[:3]
    high, wide = size
    x = x.reshape(n, height // high, width // wide, high, wide, -1)
    return x.swapaxes(2, 3).reshape(n, height, width, -1)


def relative_position_index(height: int, width: int) -> Array:
    """The row of the table of distances that each pair of places in a window takes, flat."""
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    down = rows.reshape(-1, 1) - rows.reshape(-1) + height - 1
    right = columns.reshape(-1, 1) - columns.reshape(-1) + width - 1
    return (down * (2 * width - 1) + right).reshape(-1).astype(jnp.int32)


def relative_position_bias(table: Array, index: Array, area: int) -> Array:
    """Look up the bias (heads, area, area) of each pair of places in a window."""
    return table[index].reshape(area, area, -1).transpose(2, 0, 1)


def biased_attention(query: Array, key: Array, value: Array, heads: int, bias: Array) -> Array:
    """Attend from (..., L, D) in several heads, with a bias (heads, L, L)."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5 + bias
    x = jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores).astype(v.dtype), v)
    return x.reshape(*query.shape[:-1], -1)


class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    def __init__(
        self,
        num_features: int,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(num_features, momentum=momentum, epsilon=epsilon, rngs=rngs)
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
