"""Source of normalizations, learned factors and sequences that emitted files define, since Flax has none like them."""

from __future__ import annotations

BATCH_NORM = '''class BatchNorm(nnx.BatchNorm):
    """Batch normalization that gathers the unbiased variance of each batch, and counts batches."""

    {init}
        {super}
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
        return mean, var'''


CHANNEL_SCALE = '''class ChannelScale(nnx.Module):
    """A learned factor for each channel."""

    def __init__(self, num_features: int, value: float = 1.0) -> None:
        self.scale = nnx.Param(jnp.full((num_features,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return x * self.scale[...]'''


CHANNEL_SHIFT = '''class ChannelShift(nnx.Module):
    """A learned summand for each channel."""

    def __init__(self, num_features: int, value: float = 0.0) -> None:
        self.bias = nnx.Param(jnp.full((num_features,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return x + self.bias[...].astype(x.dtype)'''


MULTIPLIER = '''class Multiplier(nnx.Module):
    """A learned factor."""

    def __init__(self, value: float = 1.0) -> None:
        self.scale = nnx.Param(jnp.full((1,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map an array to one of the same shape."""
        return x * self.scale[...].astype(x.dtype)'''


BIAS = '''class Bias(nnx.Module):
    """A learned summand."""

    def __init__(self, value: float = 0.0) -> None:
        self.bias = nnx.Param(jnp.full((1,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map an array to one of the same shape."""
        return x + self.bias[...].astype(x.dtype)'''


GLOBAL_RESPONSE_NORM = '''class GlobalResponseNorm(nnx.Module):
    """A learned part of x, larger where a channel is strong among all, is added to x."""

    def __init__(self, num_features: int, *, epsilon: float = 1e-6) -> None:
        self.scale = nnx.Param(jnp.zeros((num_features,), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((num_features,), jnp.float32))
        self.epsilon = epsilon

    def __call__(self, x: Array) -> Array:
        """Map (N, ..., C) to the same shape."""
        pixels = tuple(range(1, x.ndim - 1))
        length = jnp.sqrt(jnp.square(x).sum(axis=pixels, keepdims=True))
        share = length / (length.mean(axis=-1, keepdims=True) + self.epsilon)
        return x + x * share * self.scale[...].astype(x.dtype) + self.bias[...].astype(x.dtype)'''


PRELU = '''class PReLU(nnx.Module):
    """A rectifier with a learned slope for negative numbers: one for each channel, or one for all."""

    def __init__(self, num_slopes: int, value: float = 0.25) -> None:
        self.scale = nnx.Param(jnp.full((num_slopes,), value, jnp.float32))

    def __call__(self, x: Array) -> Array:
        """Map (..., C) to the same shape."""
        return jnp.where(x > 0, x, x * self.scale[...])'''


SEQUENTIAL = '''class Sequential(nnx.List[Callable[[Array], Array]]):
    """Layers applied one after the other, under the names 0, 1, 2, ..."""

    def __init__(self, *layers: Callable[[Array], Array]) -> None:
        super().__init__(layers)

    def __call__(self, x: Array) -> Array:
        """Map x through all layers."""
        for layer in self:
            x = layer(x)
        return x'''


NAMED_SEQUENTIAL = '''class NamedSequential(nnx.Module):
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
        return x'''


REPEATED = '''class Repeated(nnx.Module):
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
        return scan(self.blocks, x)'''
