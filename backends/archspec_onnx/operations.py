"""Each primitive operation as ONNX nodes, as it is in evaluation.

`OPERATIONS` gives for each kind a function that adds its nodes to a `Graph`. What drops at random in training is nothing
here, so it has no node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from archspec.ops import (
    Attention,
    AvgPool,
    BatchNorm,
    BlurPool,
    ChannelConv,
    ChannelShuffle,
    Concat,
    Conv,
    ConvTranspose,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Image,
    InstanceNorm,
    Interleave,
    LayerNorm,
    Linear,
    MaxPool,
    MergePatches,
    Op,
    Pad,
    PadChannels,
    Parameter,
    Pow,
    Prelu,
    RelativePositionBias,
    RmsNorm,
    Roll,
    Scale,
    Select,
    Shape,
    ShiftMask,
    Slice,
    StdConv,
    Subsample,
    Unwindow,
    Upsample,
    Vector,
    Windows,
)
from archspec.ops.reductions import Reduction
from archspec_onnx.graph import Graph, Place

END = np.iinfo(np.int64).max


def _conv(op: Conv, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    high, wide = op.padding
    return graph.node(at, "Conv", inputs, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation,
                      group=op.groups, pads=[high, wide, high, wide])  # fmt: skip


def _linear(op: Linear, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    if isinstance(at.shapes[0], Vector):
        return graph.node(at, "Gemm", inputs, transB=1)
    return _product(graph, at, inputs)


def _product(graph: Graph, at: Place, inputs: list[str]) -> str:
    """x W^T + b of tokens."""
    turned = graph.node(at, "Transpose", [inputs[1]], part="turned", perm=[1, 0])
    if len(inputs) == 2:
        return graph.node(at, "MatMul", [inputs[0], turned])
    product = graph.node(at, "MatMul", [inputs[0], turned], part="product")
    return graph.node(at, "Add", [product, inputs[2]])


def _std_conv(op: StdConv, graph: Graph, at: Place) -> str:
    weight, axes = at.weight("weight"), graph.constant(at, "axes", np.array([1, 2, 3]))
    mean = graph.node(at, "ReduceMean", [weight, axes], part="mean")
    centered = graph.node(at, "Sub", [weight, mean], part="centered")
    squares = graph.node(at, "Mul", [centered, centered], part="squares")
    variance = graph.node(at, "ReduceMean", [squares, axes], part="variance")
    above = graph.node(at, "Add", [variance, graph.constant(at, "eps", np.float32(op.eps))], part="above")
    weight = graph.node(at, "Div", [centered, graph.node(at, "Sqrt", [above], part="deviation")], part="weight")
    if op.gain:
        fan_in = at.shapes[0][0] // op.groups * op.kernel[0] * op.kernel[1]
        part = graph.constant(at, "part", np.float32(fan_in**-0.5))
        gain = graph.node(at, "Mul", [at.weight("gain"), part], part="gain")
        weight = graph.node(at, "Mul", [weight, gain], part="scaled")
    high, wide = op.padding
    inputs = [at.inputs[0], weight, *([at.weight("bias")] if op.bias else [])]
    return graph.node(at, "Conv", inputs, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation,
                      group=op.groups, pads=[high, wide, high, wide])  # fmt: skip


def _conv_transpose(op: ConvTranspose, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    high, wide = op.padding
    return graph.node(at, "ConvTranspose", inputs, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation,
                      group=op.groups, pads=[high, wide, high, wide], output_padding=op.output_padding)  # fmt: skip


def _channel_conv(op: ChannelConv, graph: Graph, at: Place) -> str:
    row = graph.constant(at, "row", np.array([0, 1, at.shapes[0].channels]))
    flat = graph.node(at, "Reshape", [at.inputs[0], row], part="flat")
    pads = [op.kernel // 2] * 2
    mixed = graph.node(at, "Conv", [flat, at.weight("weight")], part="mixed", kernel_shape=[op.kernel], pads=pads)
    return graph.node(at, "Reshape", [mixed, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _rms_norm(op: RmsNorm, graph: Graph, at: Place) -> str:
    x = at.inputs[0]
    axis = 1 if isinstance(at.shapes[0], Image) else -1
    squares = graph.node(at, "Mul", [x, x], part="squares")
    mean = graph.node(at, "ReduceMean", [squares, graph.constant(at, "axes", np.array([axis]))], part="mean")
    above = graph.node(at, "Add", [mean, graph.constant(at, "eps", np.float32(op.eps))], part="above")
    root = graph.node(at, "Sqrt", [above], part="root")
    if not op.affine:
        return graph.node(at, "Div", [x, root])
    normal = graph.node(at, "Div", [x, root], part="normalized")
    factor = at.weight("weight")
    if axis == 1:
        factor = graph.node(
            at, "Unsqueeze", [factor, graph.constant(at, "factors", np.array([1, 2]))], part="factor"
        )
    return graph.node(at, "Mul", [normal, factor])


def _instance_norm(op: InstanceNorm, graph: Graph, at: Place) -> str:
    return graph.node(at, "InstanceNormalization", [at.inputs[0], *_affine(op, graph, at)], epsilon=op.eps)


def _upsample(op: Upsample, graph: Graph, at: Place) -> str:
    size = graph.constant(at, "size", np.array(at.shape[1:]))
    inputs = [at.inputs[0], "", "", size]
    if op.mode == "nearest":
        return graph.node(at, "Resize", inputs, axes=[2, 3], mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")  # fmt: skip
    how = "align_corners" if op.align_corners else "half_pixel"
    return graph.node(at, "Resize", inputs, axes=[2, 3], mode="linear", coordinate_transformation_mode=how)


def _blur_pool(op: BlurPool, graph: Graph, at: Place) -> str:
    side, channels = op.sides[0], at.shapes[0][0]
    pads = graph.constant(at, "pads", np.array([0, 0, side, side, 0, 0, side, side]))
    padded = graph.node(at, "Pad", [at.inputs[0], pads], part="padded", mode="reflect")
    taps = np.array(op.taps, np.float32) / sum(op.taps)
    kernel = np.broadcast_to(np.outer(taps, taps), (channels, 1, op.kernel, op.kernel)).copy()
    inputs = [padded, graph.constant(at, "kernel", kernel)]
    return graph.node(at, "Conv", inputs, kernel_shape=[op.kernel] * 2, strides=[op.stride] * 2, group=channels)


def _reduction(kind: str) -> Callable[..., str]:
    def reduced(op: Reduction, graph: Graph, at: Place) -> str:
        shape = at.shapes[0]
        channels = shape.axis % len(shape) + 1
        over = [i for i in range(1, len(shape) + 1) if (i == channels) == (op.over == "channels")]
        keep = op.keep or op.over == "channels"
        axes = graph.constant(at, "axes", np.array(over))
        return graph.node(at, kind, [at.inputs[0], axes], keepdims=int(keep))

    return reduced


def _pow(op: Pow, graph: Graph, at: Place) -> str:
    return graph.node(at, "Pow", [at.inputs[0], graph.constant(at, "exponent", np.float32(op.exponent))])


def _parameter(op: Parameter, graph: Graph, at: Place) -> str:
    graph.alike[at.weight("")] = len(op.shape)
    return at.weight("")


def _apply_linear(op: Op, graph: Graph, at: Place) -> str:
    if isinstance(at.shapes[0], Vector):
        return graph.node(at, "Gemm", at.inputs, transB=1)
    return _product(graph, at, [*at.inputs])


def _reshaped(perm: list[int] | None = None) -> Callable[..., str]:
    """The numbers of one sample as another shape, after or without turning the axes of the batch."""

    def reshape(op: Op, graph: Graph, at: Place) -> str:
        x = at.inputs[0]
        if perm is not None:
            x = graph.node(at, "Transpose", [x], part="turned", perm=perm)
        return graph.node(at, "Reshape", [x, graph.constant(at, "shape", np.array([0, *at.shape]))])

    return reshape


def _image(op: Op, graph: Graph, at: Place) -> str:
    turned = graph.node(at, "Transpose", at.inputs, part="turned", perm=[0, 2, 1])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _select(op: Select, graph: Graph, at: Place) -> str:
    return graph.node(at, "Gather", [at.inputs[0], graph.constant(at, "index", np.int64(op.index))], axis=1)


def _roll(op: Roll, graph: Graph, at: Place) -> str:
    """The last rows before the first, then the last columns."""
    x = at.inputs[0]
    for axis, (n, shift) in enumerate(zip(at.shape[:2], op.shift, strict=True), 1):
        places = graph.constant(at, f"places{axis}", (np.arange(n) - shift) % n)
        x = graph.node(at, "Gather", [x, places], part=None if axis == 2 else "rows", axis=axis)
    return x


def _interleave(op: Interleave, graph: Graph, at: Place) -> str:
    height, width, depth = at.shape
    high, wide = op.groups
    cells = graph.constant(at, "cells", np.array([0, high, height // high, wide, width // wide, depth]))
    split = graph.node(at, "Reshape", [at.inputs[0], cells], part="cut")
    turned = graph.node(at, "Transpose", [split], part="turned", perm=[0, 2, 1, 4, 3, 5])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _windows(op: Windows, graph: Graph, at: Place) -> str:
    height, width, depth = at.shapes[0]
    high, wide = op.size
    cells = np.array([0, height // high, high, width // wide, wide, depth])
    split = graph.node(at, "Reshape", [at.inputs[0], graph.constant(at, "cells", cells)], part="cut")
    turned = graph.node(at, "Transpose", [split], part="turned", perm=[0, 1, 3, 2, 4, 5])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _merge_patches(op: MergePatches, graph: Graph, at: Place) -> str:
    height, width, depth = at.shapes[0]
    cells = graph.constant(at, "cells", np.array([0, height // 2, 2, width // 2, 2, depth]))
    split = graph.node(at, "Reshape", [at.inputs[0], cells], part="cut")
    turned = graph.node(at, "Transpose", [split], part="turned", perm=[0, 1, 3, 4, 2, 5])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _unwindow(op: Unwindow, graph: Graph, at: Place) -> str:
    height, width, depth = at.shape
    high, wide = op.size
    cells = np.array([0, height // high, width // wide, high, wide, depth])
    split = graph.node(at, "Reshape", [at.inputs[0], graph.constant(at, "cells", cells)], part="cut")
    turned = graph.node(at, "Transpose", [split], part="turned", perm=[0, 1, 3, 2, 4, 5])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _position_bias(op: RelativePositionBias, graph: Graph, at: Place) -> str:
    heads, area, _ = at.shape
    taken = graph.node(at, "Gather", [at.inputs[0], at.weight("")], part="taken", axis=0)
    square = graph.node(
        at, "Reshape", [taken, graph.constant(at, "pairs", np.array([area, area, heads]))], part="square"
    )
    bias = graph.node(at, "Transpose", [square], part="bias", perm=[2, 0, 1])
    graph.alike[bias] = 3
    return bias


def _shift_mask(op: ShiftMask, graph: Graph, at: Place) -> str:
    regions = [
        (np.arange(n) >= n - size).astype(int) + ((np.arange(n) >= n - shift) & (shift > 0))
        for n, size, shift in zip(at.shapes[0][:2], op.size, op.shift, strict=True)
    ]
    (height, width), (high, wide) = at.shapes[0][:2], op.size
    cells = (3 * regions[0][:, None] + regions[1]).reshape(height // high, high, width // wide, wide)
    cut = cells.swapaxes(1, 2).reshape(-1, high * wide)
    mask = graph.constant(at, "mask", np.where(cut[:, :, None] == cut[:, None], 0, -100).astype(np.float32))
    graph.alike[mask] = 3
    return mask


def _attention(op: Attention, graph: Graph, at: Place) -> str:
    def heads(index: int, name: str, transposed: bool = False) -> str:
        shape = at.shapes[index]
        axes = len(shape) + 1
        split = np.array([0, *shape[:-1], op.heads, shape[-1] // op.heads])
        rows = graph.node(
            at, "Reshape", [at.inputs[index], graph.constant(at, f"{name}_heads", split)], part=f"{name}_split"
        )
        last = (axes, axes - 2) if transposed else (axes - 2, axes)
        return graph.node(at, "Transpose", [rows], part=name, perm=[*range(axes - 2), axes - 1, *last])

    query, key, value = heads(0, "query"), heads(1, "key", transposed=True), heads(2, "value")
    scale = graph.constant(at, "scale", np.float32((at.shapes[0][-1] // op.heads) ** -0.5))
    scores = graph.node(at, "Mul", [graph.node(at, "MatMul", [query, key], part="product"), scale], part="scores")
    if len(at.inputs) > 3:
        scores = graph.node(at, "Add", [scores, at.inputs[3]], part="biased")
    if len(at.inputs) > 4:
        apart = graph.constant(at, "heads_axis", np.array([1]))
        mask = graph.node(at, "Unsqueeze", [at.inputs[4], apart], part="mask")
        scores = graph.node(at, "Add", [scores, mask], part="masked")
    weights = graph.node(at, "Softmax", [scores], part="weights", axis=-1)
    mixed = graph.node(at, "MatMul", [weights, value], part="mixed")
    axes = len(at.shape) + 1
    turned = graph.node(at, "Transpose", [mixed], part="turned", perm=[*range(axes - 2), axes - 1, axes - 2, axes])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _concat(op: Concat, graph: Graph, at: Place) -> str:
    """What is the same for every sample is repeated for as many as there are."""
    batched = next(name for name in at.inputs if name not in graph.alike)
    parts = []
    for index, (name, shape) in enumerate(zip(at.inputs, at.shapes, strict=True)):
        if name in graph.alike:
            samples = graph.node(at, "Shape", [batched], part=f"samples{index}", start=0, end=1)
            sizes = graph.constant(at, f"sizes{index}", np.array(shape))
            whole = graph.node(at, "Concat", [samples, sizes], part=f"shape{index}", axis=0)
            name = graph.node(at, "Expand", [name, whole], part=f"all{index}")
        parts.append(name)
    axis = 1 if op.over == "places" or isinstance(at.shapes[0], Image) else -1
    return graph.node(at, "Concat", parts, axis=axis)


def _softmax(op: Op, graph: Graph, at: Place) -> str:
    return graph.node(at, "Softmax", at.inputs, axis=1 if isinstance(at.shapes[0], Image) else -1)


def _scale(op: Scale, graph: Graph, at: Place) -> str:
    if not op.learned:
        return graph.node(at, "Mul", [at.inputs[0], graph.constant(at, "value", np.float32(op.value))])
    factor = at.weight("weight")
    if isinstance(at.shapes[0], Image):
        axes = graph.constant(at, "axes", np.array([1, 2]))
        factor = graph.node(at, "Unsqueeze", [factor, axes], part="factor")
    return graph.node(at, "Mul", [at.inputs[0], factor])


def _affine(op: BatchNorm | LayerNorm | GroupNorm | InstanceNorm, graph: Graph, at: Place) -> list[str]:
    """Scale and bias: ONNX's normalizations always have both."""
    if op.affine:
        return [at.weight("weight"), at.weight("bias")]
    channels = at.shapes[0].channels
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    return [graph.constant(at, "ones", ones), graph.constant(at, "zeros", zeros)]


def _batch_norm(op: BatchNorm, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], *_affine(op, graph, at), at.weight("running_mean"), at.weight("running_var")]
    return graph.node(at, "BatchNormalization", inputs, epsilon=op.eps)


def _layer_norm(op: LayerNorm, graph: Graph, at: Place) -> str:
    affine = _affine(op, graph, at)
    if not isinstance(at.shapes[0], Image):
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
    slices = {"starts": op.start, "ends": op.stop or END, "axes": 1 if isinstance(at.shapes[0], Image) else -1}
    constants = [graph.constant(at, name, np.array([value])) for name, value in slices.items()]
    return graph.node(at, "Slice", [at.inputs[0], *constants])


def _prelu(op: Prelu, graph: Graph, at: Place) -> str:
    slope = at.weight("weight")
    if isinstance(at.shapes[0], Image):
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
    "softmax": _softmax,
    "sqrt": _plain("Sqrt"),
    "pow": _pow,
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
    "concat": _concat,
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": _channel_conv,
    "apply_linear": _apply_linear,
    "parameter": _parameter,
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "blur_pool": _blur_pool,
    "upsample": _upsample,
    "mean": _reduction("ReduceMean"),
    "amax": _reduction("ReduceMax"),
    "l2_norm": _reduction("ReduceL2"),
    "tokens": _reshaped([0, 2, 3, 1]),
    "image": _image,
    "channels_last": _plain("Transpose", perm=[0, 2, 3, 1]),
    "channels_first": _plain("Transpose", perm=[0, 3, 1, 2]),
    "transpose": _plain("Transpose", perm=[0, 2, 1]),
    "select": _select,
    "roll": _roll,
    "interleave": _interleave,
    "windows": _windows,
    "unwindow": _unwindow,
    "merge_patches": _merge_patches,
    "attention": _attention,
    "relative_position_bias": _position_bias,
    "shift_mask": _shift_mask,
    "dropout": _nothing,
    "drop_path": _nothing,
    "identity": _nothing,
}
