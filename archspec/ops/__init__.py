"""The primitive operations: everything that a backend has to know."""

from __future__ import annotations

from archspec.ops.arguments import ArgumentError, Kind
from archspec.ops.base import Op, ShapeError, Window, size
from archspec.ops.channels import ChannelShuffle, PadChannels, Slice
from archspec.ops.merge import Add, Concat, Div, Mul, Sub
from archspec.ops.norm import BatchNorm, GroupNorm, LayerNorm
from archspec.ops.pointwise import (
    Activation,
    Dropout,
    DropPath,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Tanh,
)
from archspec.ops.shapes import Features, Image, Shape, Tokens, Vector, show, typed
from archspec.ops.spatial import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Pad,
    Subsample,
)
from archspec.ops.weighted import Conv, Linear, Scale

OPS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Conv, Linear, Scale,
        BatchNorm, LayerNorm, GroupNorm,
        Relu, Relu6, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh,
        LeakyRelu, Prelu, Elu, Mish, Softplus, Softmax,
        MaxPool, AvgPool, AdaptiveMaxPool, AdaptiveAvgPool, GlobalAvgPool, Flatten, Pad, Subsample,
        PadChannels, ChannelShuffle, Slice,
        Add, Sub, Mul, Div, Concat,
        Dropout, DropPath, Identity,
    )
}  # fmt: skip

NOTHING = Identity()
"""What stands where a step is absent."""

__all__ = [
    "NOTHING", "OPS", "Activation", "AdaptiveAvgPool", "AdaptiveMaxPool", "Add", "ArgumentError", "AvgPool", "BatchNorm",
    "ChannelShuffle", "Concat", "Conv", "Div", "DropPath", "Dropout", "Elu", "Features", "Flatten", "Gelu", "GlobalAvgPool",
    "GroupNorm", "HardSigmoid", "HardSwish", "Identity", "Image", "Kind", "LayerNorm", "LeakyRelu", "Linear", "MaxPool", "Mish",
    "Mul", "Op", "Pad", "PadChannels", "Prelu", "Relu", "Relu6", "Scale", "Shape", "ShapeError", "Sigmoid", "Silu",
    "Slice", "Softmax", "Softplus", "Sub", "Subsample", "Tanh", "Tokens", "Vector", "Window", "show", "size", "typed",
]  # fmt: skip
