"""Operations on images as ONNX nodes: poolings, padding, resizing, channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archspec.ops import (
    AvgPool,
    BlurPool,
    CenterCrop,
    ChannelShuffle,
    Flatten,
    GlobalAvgPool,
    Image,
    MaxPool,
    Op,
    Pad,
    PadChannels,
    Shape,
    Slice,
    Subsample,
    Upsample,
)
from archspec_onnx.graph import Graph, Place

END = np.iinfo(np.int64).max


def _upsample(op: Upsample, graph: Graph, at: Place) -> str:
    size = graph.constant(at, "size", np.array(at.shape[1:]))
    inputs = [at.inputs[0], "", "", size]
    if op.mode == "nearest":
        return graph.node(at, "Resize", inputs, axes=[2, 3], mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")  # fmt: skip
    how = "align_corners" if op.align_corners else "half_pixel"
    return graph.node(at, "Resize", inputs, axes=[2, 3], mode="linear", coordinate_transformation_mode=how)


def _center_crop(op: CenterCrop, graph: Graph, at: Place) -> str:
    starts = [(n - m) // 2 for n, m in zip(at.shapes[0][1:], at.shape[1:], strict=True)]
    ends = [start + m for start, m in zip(starts, at.shape[1:], strict=True)]
    edges = {"starts": starts, "ends": ends, "axes": [2, 3]}
    constants = [graph.constant(at, name, np.array(values)) for name, values in edges.items()]
    return graph.node(at, "Slice", [at.inputs[0], *constants])


def _blur_pool(op: BlurPool, graph: Graph, at: Place) -> str:
    side, channels = op.sides[0], at.shapes[0][0]
    pads = graph.constant(at, "pads", np.array([0, 0, side, side, 0, 0, side, side]))
    padded = graph.node(at, "Pad", [at.inputs[0], pads], part="padded", mode="reflect")
    taps = np.array(op.taps, np.float32) / sum(op.taps)
    kernel = np.broadcast_to(np.outer(taps, taps), (channels, 1, op.kernel, op.kernel)).copy()
    inputs = [padded, graph.constant(at, "kernel", kernel)]
    return graph.node(at, "Conv", inputs, kernel_shape=[op.kernel] * 2, strides=[op.stride] * 2, group=channels)


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
    value, image = (
        at.inputs[0],
        isinstance(at.shapes[0], Image) or op.over == "places",
    )  # their axis is the first, too
    if op.groups > 1:
        sizes, axis = [0, *at.shapes[0]], 1 if image else len(at.shapes[0])
        sizes[axis : axis + 1] = [op.groups, sizes[axis] // op.groups]
        value = graph.node(at, "Reshape", [value, graph.constant(at, "groups", np.array(sizes))], part="grouped")
    slices = {"starts": op.start, "ends": op.stop or END, "axes": (1 if op.groups == 1 else 2) if image else -1}
    constants = [graph.constant(at, name, np.array([number])) for name, number in slices.items()]
    if op.groups == 1:
        return graph.node(at, "Slice", [value, *constants])
    cut = graph.node(at, "Slice", [value, *constants], part="cut")
    return graph.node(at, "Reshape", [cut, graph.constant(at, "shape", np.array([0, *at.shape]))])


def _subsample(op: Subsample, graph: Graph, at: Place) -> str:
    slices = {"starts": [0, 0], "ends": [END, END], "axes": [2, 3], "steps": op.stride}
    constants = [graph.constant(at, name, np.array(values, np.int64)) for name, values in slices.items()]
    return graph.node(at, "Slice", [at.inputs[0], *constants])


SPATIAL: dict[str, Callable[..., str]] = {
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
    "blur_pool": _blur_pool,
    "upsample": _upsample,
    "center_crop": _center_crop,
}
