"""Each primitive operation as ONNX nodes, as it is in evaluation.

`OPERATIONS` gives for each kind a function that adds its nodes to a `Graph`. What drops at random in training is nothing
here, so it has no node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from archspec.ops import (
    AvgPool,
    BatchNorm,
    ChannelShuffle,
    Conv,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    LayerNorm,
    Linear,
    MaxPool,
    Op,
    Pad,
    PadChannels,
    Prelu,
    Scale,
    Shape,
    Slice,
    Subsample,
)
from archspec_onnx.graph import Graph, Place

END = np.iinfo(np.int64).max


def _conv(op: Conv, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    high, wide = op.padding
    return graph.node(at, "Conv", inputs, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation,
                      group=op.groups, pads=[high, wide, high, wide])  # fmt: skip


def _linear(op: Linear, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    return graph.node(at, "Gemm", inputs, transB=1)


def _scale(op: Scale, graph: Graph, at: Place) -> str:
    if not op.learned:
        return graph.node(at, "Mul", [at.inputs[0], graph.constant(at, "value", np.float32(op.value))])
    factor = at.weight("weight")
    if len(at.shapes[0]) == 3:
        axes = graph.constant(at, "axes", np.array([1, 2]))
        factor = graph.node(at, "Unsqueeze", [factor, axes], part="factor")
    return graph.node(at, "Mul", [at.inputs[0], factor])


def _affine(op: BatchNorm | LayerNorm | GroupNorm, graph: Graph, at: Place) -> list[str]:
    """Scale and bias: ONNX's normalizations always have both."""
    if op.affine:
        return [at.weight("weight"), at.weight("bias")]
    channels = at.shapes[0][0]
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    return [graph.constant(at, "ones", ones), graph.constant(at, "zeros", zeros)]


def _batch_norm(op: BatchNorm, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], *_affine(op, graph, at), at.weight("running_mean"), at.weight("running_var")]
    return graph.node(at, "BatchNormalization", inputs, epsilon=op.eps)


def _layer_norm(op: LayerNorm, graph: Graph, at: Place) -> str:
    affine = _affine(op, graph, at)
    if len(at.shapes[0]) == 1:
        return graph.node(at, "LayerNormalization", [at.inputs[0], *affine], axis=-1, epsilon=op.eps)
    last = graph.node(at, "Transpose", at.inputs, part="channels_last", perm=[0, 2, 3, 1])
    normal = graph.node(at, "LayerNormalization", [last, *affine], part="normalized", axis=-1, epsilon=op.eps)
    return graph.node(at, "Transpose", [normal], perm=[0, 3, 1, 2])


def _group_norm(op: GroupNorm, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], *_affine(op, graph, at)]
    return graph.node(at, "GroupNormalization", inputs, num_groups=op.groups, epsilon=op.eps)


def _beyond(op: MaxPool | AvgPool, shape: Shape, out: Shape, before: tuple[int, int]) -> list[int]:
    """Padding behind the image that windows reach: explicit, since runtimes differ in how they round sizes up."""
    return [
        max((n_out - 1) * stride + kernel - n - padding, 0)
        for n, n_out, kernel, stride, padding in zip(shape[1:], out[1:], op.kernel, op.stride, before, strict=True)
    ]


def _max_pool(op: MaxPool, graph: Graph, at: Place) -> str:
    pads = [*op.padding, *_beyond(op, at.shapes[0], at.shape, op.padding)]
    return graph.node(at, "MaxPool", at.inputs, kernel_shape=op.kernel, strides=op.stride, pads=pads)


def _avg_pool(op: AvgPool, graph: Graph, at: Place) -> str:
    image, (channels, rows, columns), before = at.inputs[0], at.shapes[0], op.padding
    if op.count_padding and any(op.padding):
        # zeros that count are pixels; what windows reach beyond them never counts
        high, wide = op.padding
        pads = graph.constant(at, "pads", np.array([0, 0, high, wide, 0, 0, high, wide]))
        image, before = graph.node(at, "Pad", [image, pads], part="padded"), (0, 0)
        rows, columns = rows + 2 * high, columns + 2 * wide
    pads_ = [*before, *_beyond(op, (channels, rows, columns), at.shape, before)]
    return graph.node(at, "AveragePool", [image], kernel_shape=op.kernel, strides=op.stride, pads=pads_,
                      count_include_pad=0)  # fmt: skip


def _global_avg_pool(op: GlobalAvgPool, graph: Graph, at: Place) -> str:
    if op.keep:
        return graph.node(at, "GlobalAveragePool", at.inputs)
    mean = graph.node(at, "GlobalAveragePool", at.inputs, part="mean")
    return graph.node(at, "Flatten", [mean], axis=1)


def _flatten(op: Flatten, graph: Graph, at: Place) -> str:
    return graph.node(at, "Flatten", at.inputs, axis=1)


def _pad_channels(op: PadChannels, graph: Graph, at: Place) -> str:
    pads = graph.constant(at, "pads", np.array([0, op.before, 0, 0, 0, op.after, 0, 0]))
    return graph.node(at, "Pad", [at.inputs[0], pads])


def _adaptive_pool(reduction: str) -> Callable[..., str]:
    """Each cell of a grid reduced by itself: first rows, then columns."""

    def pool(op: Op, graph: Graph, at: Place) -> str:
        x = at.inputs[0]
        for axis, (length, cells) in enumerate(zip(at.shapes[0][1:], at.shape[1:], strict=True), 2):
            parts = []
            for i in range(cells):
                edges = {"starts": i * length // cells, "ends": -(-(i + 1) * length // cells), "axes": axis}
                slices = [graph.constant(at, f"axis{axis}_{i}_{k}", np.array([n])) for k, n in edges.items()]
                cell = graph.node(at, "Slice", [x, *slices], part=f"axis{axis}_{i}_pixels")
                parts.append(graph.node(at, reduction, [cell, slices[-1]], part=f"axis{axis}_{i}", keepdims=1))
            x = graph.node(at, "Concat", parts, part=None if axis == 3 else "rows", axis=axis)
        return x

    return pool


def _pad(op: Pad, graph: Graph, at: Place) -> str:
    pads = graph.constant(at, "pads", np.array([0, 0, op.top, op.left, 0, 0, op.bottom, op.right]))
    value = [graph.constant(at, "value", np.float32(op.value))] if op.mode == "constant" else []
    return graph.node(at, "Pad", [at.inputs[0], pads, *value], mode=op.mode)


def _channel_shuffle(op: ChannelShuffle, graph: Graph, at: Place) -> str:
    channels, height, width = at.shapes[0]
    groups = np.array([0, op.groups, channels // op.groups, height, width])
    split = graph.node(at, "Reshape", [at.inputs[0], graph.constant(at, "groups", groups)], part="grouped")
    turned = graph.node(at, "Transpose", [split], part="shuffled", perm=[0, 2, 1, 3, 4])
    whole = graph.constant(at, "shape", np.array([0, channels, height, width]))
    return graph.node(at, "Reshape", [turned, whole])


def _slice(op: Slice, graph: Graph, at: Place) -> str:
    slices = {"starts": op.start, "ends": op.stop or END, "axes": 1}
    constants = [graph.constant(at, name, np.array([value])) for name, value in slices.items()]
    return graph.node(at, "Slice", [at.inputs[0], *constants])


def _prelu(op: Prelu, graph: Graph, at: Place) -> str:
    slope = at.weight("weight")
    if len(at.shapes[0]) == 3:
        axes = graph.constant(at, "axes", np.array([1, 2]))
        slope = graph.node(at, "Unsqueeze", [slope, axes], part="slope")
    return graph.node(at, "PRelu", [at.inputs[0], slope])


def _subsample(op: Subsample, graph: Graph, at: Place) -> str:
    slices = {"starts": [0, 0], "ends": [END, END], "axes": [2, 3], "steps": op.stride}
    constants = [graph.constant(at, name, np.array(values, np.int64)) for name, values in slices.items()]
    return graph.node(at, "Slice", [at.inputs[0], *constants])


def _mul(op: Op, graph: Graph, at: Place) -> str:
    product = at.inputs[0]
    for index, factor in enumerate(at.inputs[1:], 1):
        part = None if index == len(at.inputs) - 1 else f"product{index}"
        product = graph.node(at, "Mul", [product, factor], part=part)
    return product


def _relu6(op: Op, graph: Graph, at: Place) -> str:
    bounds = [graph.constant(at, name, np.float32(value)) for name, value in (("min", 0), ("max", 6))]
    return graph.node(at, "Clip", [at.inputs[0], *bounds])


def _silu(op: Op, graph: Graph, at: Place) -> str:
    gate = graph.node(at, "Sigmoid", at.inputs, part="gate")
    return graph.node(at, "Mul", [at.inputs[0], gate])


def _plain(kind: str, **attributes: Any) -> Callable[[Op, Graph, Place], str]:
    return lambda op, graph, at: graph.node(at, kind, at.inputs, **attributes)


def _nothing(op: Op, graph: Graph, at: Place) -> str:
    return at.inputs[0]


OPERATIONS: dict[str, Callable[..., str]] = {
    "conv": _conv,
    "linear": _linear,
    "scale": _scale,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "relu": _plain("Relu"),
    "relu6": _relu6,
    "gelu": _plain("Gelu"),
    "silu": _silu,
    "sigmoid": _plain("Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _plain("HardSwish"),
    "tanh": _plain("Tanh"),
    "leaky_relu": lambda op, graph, at: graph.node(at, "LeakyRelu", at.inputs, alpha=op.slope),
    "prelu": _prelu,
    "elu": lambda op, graph, at: graph.node(at, "Elu", at.inputs, alpha=op.alpha),
    "mish": _plain("Mish"),
    "softplus": _plain("Softplus"),
    "softmax": _plain("Softmax", axis=1),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": _adaptive_pool("ReduceMean"),
    "adaptive_max_pool": _adaptive_pool("ReduceMax"),
    "global_avg_pool": _global_avg_pool,
    "flatten": _flatten,
    "pad": _pad,
    "pad_channels": _pad_channels,
    "channel_shuffle": _channel_shuffle,
    "slice": _slice,
    "subsample": _subsample,
    "add": _plain("Sum"),
    "sub": _plain("Sub"),
    "mul": _mul,
    "div": _plain("Div"),
    "concat": _plain("Concat", axis=1),
    "dropout": _nothing,
    "drop_path": _nothing,
    "identity": _nothing,
}
