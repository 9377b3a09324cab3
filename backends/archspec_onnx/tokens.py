"""Operations on tokens as ONNX nodes: sequences and images, windows, attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archspec.ops import (
    Attention,
    AttentionBias,
    CosineAttention,
    Interleave,
    MergePatches,
    Op,
    RelativePositionBias,
    Roll,
    Select,
    ShiftMask,
    Unwindow,
    Windows,
)
from archspec_onnx.graph import Graph, Place


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
    table = at.inputs[0]
    if len(at.shapes[0]) == 3:  # a grid of rows
        flat = graph.constant(at, "flat", np.array([-1, heads]))
        table = graph.node(at, "Reshape", [table, flat], part="table")
    taken = graph.node(at, "Gather", [table, at.weight("")], part="taken", axis=0)
    square = graph.node(
        at, "Reshape", [taken, graph.constant(at, "pairs", np.array([area, area, heads]))], part="square"
    )
    bias = graph.node(at, "Transpose", [square], part="bias", perm=[2, 0, 1])
    graph.alike[bias] = 3
    return bias


def _attention_bias(op: AttentionBias, graph: Graph, at: Place) -> str:
    down, right = (np.abs(np.arange(n)[:: op.stride, None] - np.arange(n)) for n in op.size)
    index = op.size[1] * down[:, None, :, None] + right[:, None]
    pairs = graph.constant(at, "pairs", index.reshape(-1, op.size[0] * op.size[1]).astype(np.int64))
    bias = graph.node(at, "Gather", [at.inputs[0], pairs], part="bias", axis=1)
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


def _direction(graph: Graph, at: Place, value: str, axis: int, name: str) -> str:
    """Vectors of length 1."""
    length = graph.node(
        at, "ReduceL2", [value, graph.constant(at, f"{name}_axis", np.array([axis]))], part=f"{name}_length"
    )
    least = graph.constant(at, f"{name}_least", np.float32(1e-12))
    length = graph.node(at, "Max", [length, least], part=f"{name}_divisor")
    return graph.node(at, "Div", [value, length], part=f"{name}_direction")


def _coordinates(op: Op, graph: Graph, at: Place) -> str:
    graph.alike[at.weight("")] = 4
    return at.weight("")


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
    if isinstance(op, CosineAttention):
        query, key = _direction(graph, at, query, -1, "query"), _direction(graph, at, key, -2, "key")
        scale, *more = at.inputs[3:]
    else:
        scale = graph.constant(at, "scale", np.float32((at.shapes[0][-1] // op.heads) ** -0.5))
        more = [*at.inputs[3:]]
    scores = graph.node(at, "Mul", [graph.node(at, "MatMul", [query, key], part="product"), scale], part="scores")
    if more:
        scores = graph.node(at, "Add", [scores, more[0]], part="biased")
    if len(more) > 1:
        apart = graph.constant(at, "heads_axis", np.array([1]))
        mask = graph.node(at, "Unsqueeze", [more[1], apart], part="mask")
        scores = graph.node(at, "Add", [scores, mask], part="masked")
    weights = graph.node(at, "Softmax", [scores], part="weights", axis=-1)
    mixed = graph.node(at, "MatMul", [weights, value], part="mixed")
    axes = len(at.shape) + 1
    turned = graph.node(at, "Transpose", [mixed], part="turned", perm=[*range(axes - 2), axes - 1, axes - 2, axes])
    return graph.node(at, "Reshape", [turned, graph.constant(at, "shape", np.array([0, *at.shape]))])


TOKENS: dict[str, Callable[..., str]] = {
    "tokens": _reshaped([0, 2, 3, 1]),
    "image": _image,
    "select": _select,
    "roll": _roll,
    "interleave": _interleave,
    "windows": _windows,
    "unwindow": _unwindow,
    "merge_patches": _merge_patches,
    "attention": _attention,
    "cosine_attention": _attention,
    "relative_coordinates": _coordinates,
    "relative_position_bias": _position_bias,
    "attention_bias": _attention_bias,
    "shift_mask": _shift_mask,
}
