"""Weights that a model computes of its parameters: standardized for each output channel, as in nets without normalization."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archspec_torch.importing.operations import Made, RefusedError, Tensor, conv, unusual


@dataclass(frozen=True, slots=True)
class Multiple:
    """A parameter times a number, in any axes."""

    tensor: Tensor
    factor: float


@dataclass(frozen=True, slots=True)
class Standardized:
    """The weights of a convolution with mean 0 and variance 1 for each output channel, times a gain."""

    weight: Tensor
    eps: float
    gain: Multiple | None = None


Computed = (Multiple, Standardized)


def tensors_in(args: list[Any]) -> Iterator[Tensor]:
    """The parameters among arguments, and those of which weights are computed."""
    for one in args:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, Standardized):
            yield from (one.weight, *((one.gain.tensor,) if one.gain else ()))


def standardized(weight: Tensor, gain: Any = None, *more: Any) -> Standardized:
    """What `batch_norm` makes of weights in axes (1, out, fan in), as PyTorch writes their standardization."""
    bias, mean, var, training, _, eps = more[:6]
    fan_in = math.prod(weight.sizes[1:])
    if weight.view != (1, weight.sizes[0], fan_in) or not training or any(x is not None for x in (bias, mean, var)):
        raise RefusedError("a normalization of a parameter that is no standardization of weights")
    if isinstance(gain, Tensor):
        gain = Multiple(gain, 1.0)
    if gain is not None and (not isinstance(gain, Multiple) or gain.tensor.sizes != (weight.sizes[0], 1, 1, 1)):
        raise RefusedError("a standardization of weights whose gain is no parameter (out, 1, 1, 1)")
    return Standardized(weight, eps, gain)


def std_conv(x: str, weights: Standardized, *more: Any) -> Made:
    """A convolution with standardized weights; a factor of the gain is that of the root of the fan in and a constant."""
    _, args, inputs = conv(x, weights.weight, *more)
    args |= unusual(eps=(weights.eps, 1e-6))
    if weights.gain is not None:
        gamma = weights.gain.factor * math.prod(weights.weight.sizes[1:]) ** 0.5
        args |= {"gain": True} | unusual(gamma=(float(f"{gamma:.12g}"), 1.0))
    return "std_conv", args, inputs
