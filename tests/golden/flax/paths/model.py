"""paths: 10,027 parameters, 1,049,830 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


def tapped(layers: Sequential, x: Array, *places: int) -> tuple[Array, ...]:
    """Map x through layers; the results of those at these places come before the last one's."""
    results = []
    for place, layer in enumerate(layers):
        x = layer(x)
        if place in places:
            results.append(x)
    return (*results, x)


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


class Cell(nnx.Module):
    """The block `cell`."""

    def __init__(self, in_channels: int, width: int, dilation: int, *, rngs: nnx.Rngs) -> None:
        self.conv = Conv(
            in_channels,
            width,
            (3, 3),
            padding=dilation,
            kernel_dilation=dilation,
            use_bias=False,
            rngs=rngs,
        )
        self.batch_norm = BatchNorm(width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, width)."""
        x = self.conv(x)
        x = self.batch_norm(x)
        return x


class Parallel(nnx.Module):
    """The block `parallel`."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        gated: bool = False,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.convs = nnx.List(
            [
                *(
                    Conv(in_channels, width, (3, 3), padding=1, use_bias=False, rngs=rngs)
                    for _ in range(2)
                ),
                Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs),
            ]
        )
        self.gates: nnx.List[Callable[..., Array]] = nnx.List(
            [
                nnx.sigmoid if gated else nnx.identity,
                nnx.relu,
                nnx.identity,
                Sequential(
                    Conv(width, width, (1, 1), padding=0, use_bias=False, rngs=rngs), nnx.hard_swish
                ),
            ]
        )
        self.cells = nnx.List(
            [
                *(Cell(in_channels, width, dilation=i + 1, rngs=rngs) for i in range(3)),
                *(Cell(in_channels, width, dilation=1, rngs=rngs) for _ in range(2)),
            ]
        )
        self.last = nnx.Dict({"bn": BatchNorm(width, rngs=rngs)})

    def __call__(self, x: Array) -> Array:
        """Map x (N, H, W, in_channels) to (N, H, W, width)."""
        convs0: Array = self.convs[0](x)
        convs1: Array = self.convs[1](x)
        convs2: Array = self.convs[2](convs1)
        gates0: Array = self.gates[0](convs2)
        gates1: Array = self.gates[1](convs0)
        out: Array = self.gates[3](convs2)
        out = (
            gates0
            + gates1
            + out
            + convs1
            + self.cells[0](x)
            + self.cells[1](x)
            + self.cells[2](x)
            + self.cells[3](x)
            + self.cells[4](x)
        )
        out = self.last["bn"](out)
        return out


class Paths(nnx.Module):
    """paths: 9x12x3 images to 5 classes."""

    def __init__(self, num_classes: int = 5, *, rngs: nnx.Rngs) -> None:
        self.body: nnx.Dict[Callable[..., Array]] = nnx.Dict(
            {
                "conv1": Conv(
                    3, 8, (3, 3), padding=1, bias_init=nnx.initializers.constant(0.5), rngs=rngs
                ),
                "bn1": BatchNorm(8, rngs=rngs),
            }
        )
        self.deep: nnx.List[Any] = nnx.List(
            [
                nnx.List(
                    [
                        Conv(8, 8, (1, 1), padding=0, use_bias=False, rngs=rngs),
                        BatchNorm(8, rngs=rngs),
                    ]
                ),
                nnx.Dict(
                    {
                        "fc": Sequential(
                            Conv(8, 6, (1, 1), padding=0, use_bias=False, rngs=rngs),
                            nnx.relu,
                            Conv(6, 8, (1, 1), padding=0, use_bias=False, rngs=rngs),
                        ),
                    }
                ),
            ]
        )
        self.layer1 = Sequential(Parallel(8, 8, gated=True, rngs=rngs), Parallel(8, 8, rngs=rngs))
        self.fc = Linear(14, num_classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Map images (N, 9, 12, 3) to logits (N, num_classes)."""
        x = self.body["conv1"](x)
        x = self.body["bn1"](x)
        x = nnx.relu(x)
        deep0_0: Array = self.deep[0][0](x)
        x = self.deep[0][1](deep0_0)
        x0, x = tapped(self.deep[1]["fc"], x, 0)
        # in this order XLA on CPUs fuses the sum into the branch
        x = deep0_0 + x
        x = self.layer1(x)
        x = jnp.concatenate((x, x0), axis=-1)
        x = x.mean(axis=(1, 2))
        x = self.fc(x)
        return x
