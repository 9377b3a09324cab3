"""paths: 10,027 parameters, 1,049,830 multiply-adds for one image.

Written by archspec 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import Array

from layers import BatchNorm, Linear, Sequential, tapped

Conv = partial(nnx.Conv, kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"))


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
