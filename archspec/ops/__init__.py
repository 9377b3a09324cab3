"""The primitive operations: everything that a backend has to know."""

from __future__ import annotations

from archspec.ops.arguments import ArgumentError, Kind
from archspec.ops.attention import (
    ApplyLinear,
    Attention,
    AttentionBias,
    CosineAttention,
    Parameter,
    RelativeCoordinates,
    RelativePositionBias,
    ShiftMask,
)
from archspec.ops.base import Op, ShapeError, Window, size
from archspec.ops.channels import ChannelShuffle, PadChannels, Slice
from archspec.ops.merge import Add, Concat, Div, Mul, Sub
from archspec.ops.norm import BatchNorm, GlobalResponseNorm, GroupNorm, InstanceNorm, LayerNorm, RmsNorm
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
from archspec.ops.reductions import Amax, Clip, Exp, L2Norm, Mean, Pow, Sqrt
from archspec.ops.shapes import Features, Image, Shape, Tokens, Vector, show, typed
from archspec.ops.spatial import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    BlurPool,
    CenterCrop,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Pad,
    Subsample,
    Upsample,
)
from archspec.ops.tokens import (
    ChannelsFirst,
    ChannelsLast,
    Interleave,
    MergePatches,
    Roll,
    Select,
    ToImage,
    ToTokens,
    Transpose,
    Unwindow,
    Windows,
)
from archspec.ops.weighted import ChannelConv, Conv, ConvTranspose, Linear, Scale, Shift, StdConv

OPS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Conv, StdConv, ConvTranspose, ChannelConv, Linear, ApplyLinear, Scale, Shift, Parameter,
        BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RmsNorm, GlobalResponseNorm,
        Relu, Relu6, Gelu, Silu, Sigmoid, HardSigmoid, HardSwish, Tanh,
        LeakyRelu, Prelu, Elu, Mish, Softplus, Softmax, Sqrt, Pow, Exp, Clip,
        MaxPool, AvgPool, BlurPool, AdaptiveMaxPool, AdaptiveAvgPool, GlobalAvgPool, Mean, Amax, L2Norm,
        Flatten, Pad, Subsample, Upsample, CenterCrop, PadChannels, ChannelShuffle, Slice,
        Add, Sub, Mul, Div, Concat,
        ToTokens, ToImage, ChannelsLast, ChannelsFirst, Transpose, Select, Roll, Interleave, Windows, Unwindow, MergePatches,
        Attention, CosineAttention, AttentionBias, RelativePositionBias, RelativeCoordinates, ShiftMask,
        Dropout, DropPath, Identity,
    )
}  # fmt: skip

MERGES = {kind: op for kind, op in OPS.items() if op.is_merge}
"""The operations by which blocks and branches are merged."""

NOTHING = Identity()
"""What stands where a step is absent."""

__all__ = [
    "MERGES", "NOTHING", "OPS", "Activation", "AdaptiveAvgPool", "AdaptiveMaxPool", "Add", "Amax", "ApplyLinear",
    "ArgumentError", "Attention", "AttentionBias", "AvgPool", "BatchNorm", "BlurPool", "CenterCrop", "ChannelConv",
    "ChannelShuffle",
    "ChannelsFirst", "ChannelsLast", "Clip", "Concat", "Conv", "ConvTranspose", "CosineAttention", "Div", "DropPath",
    "Dropout", "Elu", "Exp", "Features", "Flatten", "Gelu", "GlobalAvgPool", "GlobalResponseNorm", "GroupNorm",
    "HardSigmoid", "HardSwish", "Identity", "Image", "InstanceNorm", "Interleave", "Kind", "L2Norm", "LayerNorm",
    "LeakyRelu", "Linear", "MaxPool", "Mean", "MergePatches", "Mish", "Mul", "Op", "Pad", "PadChannels", "Parameter",
    "Pow", "Prelu", "RelativeCoordinates", "RelativePositionBias", "Relu", "Relu6", "RmsNorm", "Roll", "Scale",
    "Select", "Shape", "ShapeError", "Shift", "ShiftMask", "Sigmoid", "Silu", "Slice", "Softmax", "Softplus", "Sqrt",
    "StdConv", "Sub", "Subsample", "Tanh", "ToImage", "ToTokens", "Tokens", "Transpose", "Unwindow", "Upsample",
    "Vector", "Window", "Windows", "show", "size", "typed",
]  # fmt: skip
