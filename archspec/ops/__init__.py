"""The primitive operations: everything that a backend has to know."""

from __future__ import annotations

from archspec.ops.base import Op, Shape, ShapeError, Window, show, size
from archspec.ops.fields import ArgumentError, Kind
from archspec.ops.merge import Add, Concat, Mul
from archspec.ops.norm import BatchNorm, GroupNorm, LayerNorm
from archspec.ops.pointwise import (
    Activation,
    Dropout,
    DropPath,
    Gelu,
    HardSigmoid,
    HardSwish,
    Identity,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Tanh,
)
from archspec.ops.spatial import AvgPool, Flatten, GlobalAvgPool, MaxPool, PadChannels, Subsample
from archspec.ops.weighted import Conv, Linear, Scale

OPS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Conv, Linear, Scale,
        BatchNorm, LayerNorm, GroupNorm,
        Relu, Relu6, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh,
        MaxPool, AvgPool, GlobalAvgPool, Flatten, PadChannels, Subsample,
        Add, Mul, Concat,
        Dropout, DropPath, Identity,
    )
}  # fmt: skip

NOTHING = Identity()
"""What stands where a step is absent."""

__all__ = [
    "NOTHING", "OPS", "Activation", "Add", "ArgumentError", "AvgPool", "BatchNorm", "Concat", "Conv", "DropPath",
    "Dropout", "Flatten", "Gelu", "GlobalAvgPool", "GroupNorm", "HardSigmoid", "HardSwish", "Identity", "Kind",
    "LayerNorm", "Linear", "MaxPool", "Mul", "Op", "PadChannels", "Relu", "Relu6", "Scale", "Shape", "ShapeError",
    "Sigmoid", "Silu", "Subsample", "Tanh", "Window", "show", "size",
]  # fmt: skip
