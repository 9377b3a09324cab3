"""Normalizations. Epsilon is added to the variance, under the root, in all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.arguments import Flag, Int, Real, Shown, argument
from archspec.ops.base import Op, Shape, ShapeError, Window, channels, divides, image, show, typed
from archspec.ops.shapes import Vector
from archspec.ops.weighted import Conv

RESPONDING = (3, 3)
"""The kernel of the convolutions whose responses Figure 7 of He et al. (2015) shows, after their normalization."""


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """Batch normalization of images or vectors (Ioffe and Szegedy, 2015).

    Normalizes by the biased variance of the batch; the running variance gathers the unbiased one;
    running = (1 - momentum) * running + momentum * batch. Images are normalized over
    all pixels, too, and vectors over the batch alone.
    """

    kind: ClassVar[str] = "batch_norm"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    is_norm: ClassVar[bool] = True
    pools_batch: ClassVar[bool] = True
    eps: float = argument(Real(0.0), 1e-5, Shown.NEVER)
    momentum: float = argument(Real(0.0, 1.0), 0.1, Shown.NEVER)
    affine: bool = argument(Flag(), True)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        return shape if isinstance(shape, Vector) else image(shape, self.kind)

    def pooled(self, *inputs: Shape) -> int:
        return math.prod(inputs[0][1:])

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),), "bias": (channels(inputs[0]),)} if self.affine else {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        of_channels = (channels(inputs[0]),)
        return {"running_mean": of_channels, "running_var": of_channels, "num_batches_tracked": ()}

    def whole_numbers(self) -> frozenset[str]:
        return frozenset({"num_batches_tracked"})

    def is_response(self, source: Op | None) -> bool:
        return isinstance(source, Conv) and source.kernel == RESPONDING


@dataclass(frozen=True, slots=True)
class LayerNorm(Op):
    """Layer normalization over the channels, at each pixel for itself (Ba et al., 2016)."""

    kind: ClassVar[str] = "layer_norm"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    is_norm: ClassVar[bool] = True
    eps: float = argument(Real(0.0), 1e-6, Shown.NEVER)
    affine: bool = argument(Flag(), True)

    def pooled(self, *inputs: Shape) -> int:
        return channels(inputs[0])

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),), "bias": (channels(inputs[0]),)} if self.affine else {}


@dataclass(frozen=True, slots=True)
class GroupNorm(Op):
    """Group normalization over pixels and the channels of each group (Wu and He, 2018)."""

    kind: ClassVar[str] = "group_norm"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    is_norm: ClassVar[bool] = True
    groups: int = argument(Int(), 32, Shown.ALWAYS)
    eps: float = argument(Real(0.0), 1e-5, Shown.NEVER)
    affine: bool = argument(Flag(), True)

    def output_shape(self, *inputs: Shape) -> Shape:
        divides(image(inputs[0], self.kind)[0], self.groups, "channels")
        return inputs[0]

    def pooled(self, *inputs: Shape) -> int:
        return math.prod(inputs[0]) // self.groups

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),), "bias": (channels(inputs[0]),)} if self.affine else {}


@dataclass(frozen=True, slots=True)
class InstanceNorm(Op):
    """Instance normalization over the pixels of each channel (Ulyanov et al., 2016)."""

    kind: ClassVar[str] = "instance_norm"
    starts: ClassVar[tuple[str, ...]] = ("weight", "bias")
    is_norm: ClassVar[bool] = True
    eps: float = argument(Real(0.0), 1e-5, Shown.NEVER)
    affine: bool = argument(Flag(), True)

    def output_shape(self, *inputs: Shape) -> Shape:
        return image(inputs[0], self.kind)

    def pooled(self, *inputs: Shape) -> int:
        return math.prod(inputs[0][1:])

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),), "bias": (channels(inputs[0]),)} if self.affine else {}


@dataclass(frozen=True, slots=True)
class GlobalResponseNorm(Op):
    """x + a x n + b, where n is the length of a channel over all pixels, divided by the mean of all channels' (Woo et al., 2023).

    The learned factor a and summand b of each channel start at 0, and with them as the input itself.
    """

    kind: ClassVar[str] = "global_response_norm"
    eps: float = argument(Real(0.0), 1e-6, Shown.NEVER)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if isinstance(shape, Vector):
            message = f"`global_response_norm` needs an image or tokens, and its input is a vector {show(shape)}"
            raise ShapeError("AS404", message, "put it before what makes a vector")
        return shape

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),), "bias": (channels(inputs[0]),)}

    def window(self) -> Window | None:
        return None


@dataclass(frozen=True, slots=True)
class RmsNorm(Op):
    """Division by the root of the mean square over the channels, at each pixel for itself (Zhang and Sennrich, 2019)."""

    kind: ClassVar[str] = "rms_norm"
    starts: ClassVar[tuple[str, ...]] = ("weight",)
    is_norm: ClassVar[bool] = True
    eps: float = argument(Real(0.0), 1e-6, Shown.NEVER)
    affine: bool = argument(Flag(), True)

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (channels(inputs[0]),)} if self.affine else {}
