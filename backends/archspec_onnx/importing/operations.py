"""What nodes of ONNX are in archspec's operations: a function for each kind of node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.ops import Image
from archspec.ops.shapes import Features

Array = np.ndarray[Any, Any]


class RefusedError(Exception):
    """A node that archspec has no words for; the message says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is read: its attributes, the values and their shapes, and the constants by their place among the inputs."""

    attributes: Mapping[str, Any]
    values: Sequence[str]
    shapes: Sequence[Features]
    constants: Mapping[int, Array]

    def get(self, name: str, default: Any) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def number(self, place: int) -> float:
        """A constant of one number."""
        constant = self.constants[place]
        if constant.size != 1:
            raise RefusedError("a constant of several numbers")
        return float(constant.reshape(-1)[0])


@dataclass(frozen=True, slots=True)
class Made:
    """An operation, its arguments, and its tensors by name."""

    kind: str
    args: dict[str, Any]
    tensors: dict[str, Array]


def plain(kind: str, **args: Any) -> Made:
    """An operation without tensors."""
    return Made(kind, args, {})


def _one(value: Sequence[int]) -> Any:
    numbers = [int(each) for each in value]
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _unusual(**values: tuple[Any, Any]) -> dict[str, Any]:
    return {name: value for name, (value, default) in values.items() if value != default}


def _padding(node: Node, kernel: Sequence[int]) -> list[int]:
    """The pixels before and after; where those after are fewer, more would change nothing."""
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise RefusedError(
            f"padding given as {node.get('auto_pad', '')}, which depends on the size; export it in pixels"
        )
    sides = list(node.get("pads", [0, 0, 0, 0]))
    if len(sides) != 4 or not isinstance(node.shapes[0], Image):
        raise RefusedError("padding of other than two directions")
    for axis in range(2):
        size, before, after = node.shapes[0][axis + 1], sides[axis], sides[axis + 2]
        stride, reach = (
            node.get("strides", [1, 1])[axis],
            node.get("dilations", [1, 1])[axis] * (kernel[axis] - 1) + 1,
        )
        if (size + before + after - reach) // stride != (size + 2 * before - reach) // stride:
            raise RefusedError(f"padding that differs from side to side: {sides}")
    return sides[:2]


def _conv(node: Node) -> Made:
    weight = node.constants.get(1)
    if weight is None or weight.ndim != 4:
        raise RefusedError("a convolution of other than two dimensions, or whose weights are computed")
    kernel, dilation = list(weight.shape[2:]), list(node.get("dilations", [1, 1]))
    padding = _padding(node, kernel)
    usual = [d * (k - 1) // 2 if k % 2 else None for k, d in zip(kernel, dilation, strict=True)]
    args = {
        "out": weight.shape[0],
        "kernel": _one(kernel),
        **_unusual(stride=(_one(node.get("strides", [1, 1])), 1)),
    }
    if padding != usual:
        args["padding"] = _one(padding)
    bias = node.constants.get(2)
    args |= _unusual(dilation=(_one(dilation), 1), groups=(node.get("group", 1), 1), bias=(bias is not None, False))
    return Made("conv", args, {"weight": weight, **({} if bias is None else {"bias": bias})})


def _batch_norm(node: Node) -> Made:
    if sorted(node.constants) != [1, 2, 3, 4] or node.get("training_mode", 0):
        raise RefusedError("a batch normalization without constant statistics")
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {name: node.constants[place] for place, name in enumerate(names, 1)}
    eps = float(f"{node.get('epsilon', 1e-5):.6g}")
    return Made("batch_norm", _unusual(eps=(eps, 1e-5)), {**tensors, "num_batches_tracked": np.zeros((), np.int64)})


def _layer_norm(node: Node) -> Made:
    shape = node.shapes[0]
    if node.get("axis", -1) % (len(shape) + 1) != len(shape) or isinstance(shape, Image) or 2 not in node.constants:
        raise RefusedError("a layer normalization over other axes than the channels', or without a bias")
    eps = float(f"{node.get('epsilon', 1e-5):.6g}")
    return Made("layer_norm", _unusual(eps=(eps, 1e-6)), {"weight": node.constants[1], "bias": node.constants[2]})


def _gemm(node: Node) -> Made:
    weight, bias = node.constants.get(1), node.constants.get(2)
    if weight is None or node.get("alpha", 1) != 1 or node.get("beta", 1) != 1 or node.get("transA", 0):
        raise RefusedError("a product of matrices that is no linear layer")
    return _linear(weight if node.get("transB", 0) else weight.T, bias)


def _linear(weight: Array, bias: Array | None) -> Made:
    tensors = {"weight": np.ascontiguousarray(weight), **({} if bias is None else {"bias": bias.reshape(-1)})}
    return Made("linear", {"out": weight.shape[0], **_unusual(bias=(bias is not None, True))}, tensors)


def _matmul(node: Node) -> Made:
    if 1 not in node.constants or node.constants[1].ndim != 2:
        raise RefusedError("a product of two values that are computed")
    return _linear(node.constants[1].T, None)


def _clip(node: Node) -> Made:
    low = node.number(1) if 1 in node.constants else node.get("min", -math.inf)
    high = node.number(2) if 2 in node.constants else node.get("max", math.inf)
    if (low, high) == (0, 6):
        return plain("relu6")
    return plain("clip", **{name: value for name, value in (("min", low), ("max", high)) if math.isfinite(value)})


def _pool(kind: str) -> Callable[[Node], Made]:
    def pool(node: Node) -> Made:
        if set(node.get("dilations", [1])) != {1}:
            raise RefusedError("a pooling with dilation")
        padding = _padding(node, node.attributes["kernel_shape"])
        args = {
            "kernel": _one(node.attributes["kernel_shape"]),
            **_unusual(stride=(_one(node.get("strides", [1, 1])), 1)),
        }
        args |= _unusual(padding=(_one(padding), 0), ceil=(bool(node.get("ceil_mode", 0)), False))
        counted = kind == "avg_pool" and any(padding) and node.get("count_include_pad", 0)
        return plain(kind, **args, **({"count_padding": True} if counted else {}))

    return pool


def _mean(node: Node) -> Made:
    axes = node.constants[1].tolist() if 1 in node.constants else node.get("axes", [])
    shape = node.shapes[0]
    keep = {"keep": True} if node.get("keepdims", 1) else {}
    over = {axis % (len(shape) + 1) - 1 for axis in axes}
    channels = shape.axis % len(shape)
    if over == {axis for axis in range(len(shape)) if axis != channels}:
        return plain("global_avg_pool" if isinstance(shape, Image) else "mean", **keep)
    raise RefusedError(f"a mean over the axes {axes}")


def _flatten(node: Node) -> Made:
    if node.get("axis", 1) != 1:
        raise RefusedError(f"values arranged anew from axis {node.get('axis', 1)} on")
    return plain("flatten")


def _reshape(node: Node) -> Made:
    sizes = node.constants[1].tolist() if 1 in node.constants else None
    count = math.prod(node.shapes[0])
    if sizes is None or len(sizes) != 2 or sizes[1] not in (-1, count) or sizes[0] not in (0, -1, 1):
        raise RefusedError(f"values {tuple(node.shapes[0])} of a sample arranged as {sizes}")
    return plain("flatten")


def _concat(node: Node) -> Made:
    shape = node.shapes[0]
    if node.attributes["axis"] % (len(shape) + 1) - 1 != shape.axis % len(shape) or node.constants:
        raise RefusedError(f"a concatenation over axis {node.attributes['axis']}, or with constants")
    return plain("concat")


def _slice(node: Node) -> Made:
    shape = node.shapes[0]
    if not {1, 2} <= node.constants.keys():
        raise RefusedError("a slice whose places are computed")
    starts, ends = node.constants[1].tolist(), node.constants[2].tolist()
    axes = node.constants[3].tolist() if 3 in node.constants else list(range(len(starts)))
    steps = node.constants[4].tolist() if 4 in node.constants else [1] * len(starts)
    places = {
        axis % (len(shape) + 1) - 1: slice(*given).indices(shape[axis % (len(shape) + 1) - 1])
        for axis, *given in zip(axes, starts, ends, steps, strict=True) if axis
    }  # fmt: skip
    changed = {axis: each for axis, each in places.items() if each != (0, shape[axis], 1)}
    if set(changed) == {shape.axis % len(shape)} and (one := next(iter(changed.values())))[2] == 1:
        return plain("slice", **_unusual(start=(one[0], 0), stop=(one[1] % shape.channels, 0)))
    if (
        isinstance(shape, Image)
        and set(changed) <= {1, 2}
        and all(each[:2] == (0, shape[axis]) for axis, each in changed.items())
    ):
        return plain("subsample", stride=_one([changed.get(axis, (0, 0, 1))[2] for axis in (1, 2)]))
    raise RefusedError(f"a slice over the axes {sorted(axis + 1 for axis in changed)}")


def _pad(node: Node) -> Made:
    sides = node.constants[1].tolist() if 1 in node.constants else node.get("pads", [])
    mode, value = node.get("mode", "constant"), node.number(2) if 2 in node.constants else 0.0
    if len(sides) != 8 or not isinstance(node.shapes[0], Image) or sides[0] or sides[4] or 3 in node.constants:
        raise RefusedError(f"padding by {sides}")
    if not any(sides[2:4] + sides[6:]) and mode == "constant" and value == 0:
        return plain("pad_channels", **_unusual(before=(sides[1], 0), after=(sides[5], 0)))
    if sides[1] or sides[5] or mode not in ("constant", "reflect"):
        raise RefusedError(f"padding of channels and pixels, or by `{mode}`")
    args = _unusual(top=(sides[2], 0), bottom=(sides[6], 0), left=(sides[3], 0), right=(sides[7], 0))
    return plain("pad", **args, **_unusual(mode=(mode, "constant"), value=(value, 0.0)))


def _arithmetic(kind: str) -> Callable[[Node], Made]:
    def arithmetic(node: Node) -> Made:
        if not node.constants:
            return plain(kind)
        (place,) = node.constants
        if kind not in ("mul", "div") or (kind == "div" and place == 0):
            raise RefusedError("arithmetic with a constant that archspec has no step for")
        factor = node.number(place)
        return plain("scale", value=factor if kind == "mul" else 1 / factor)

    return arithmetic


def _hard_sigmoid(node: Node) -> Made:
    if not (math.isclose(node.get("alpha", 0.2), 1 / 6, rel_tol=1e-6) and node.get("beta", 0.5) == 0.5):
        raise RefusedError("a hard sigmoid of another slope than 1/6")
    return plain("hard_sigmoid")


def _gelu(node: Node) -> Made:
    if node.get("approximate", "none") != "none":
        raise RefusedError("GELU approximated; archspec has the exact one")
    return plain("gelu")


def _softmax(node: Node) -> Made:
    shape = node.shapes[0]
    if node.get("axis", -1) % (len(shape) + 1) != len(shape) or isinstance(shape, Image):
        raise RefusedError("a softmax over another axis than the channels'")
    return plain("softmax")


def _named(kind: str) -> Callable[[Node], Made]:
    return lambda node: plain(kind)


OPERATIONS: dict[str, Callable[[Node], Made]] = {
    "Conv": _conv, "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "Gemm": _gemm, "MatMul": _matmul,
    "Clip": _clip, "MaxPool": _pool("max_pool"), "AveragePool": _pool("avg_pool"), "ReduceMean": _mean,
    "GlobalAveragePool": lambda node: plain("global_avg_pool", keep=True), "Flatten": _flatten, "Reshape": _reshape,
    "Concat": _concat, "Slice": _slice, "Pad": _pad,
    "Add": _arithmetic("add"), "Sum": _arithmetic("add"), "Sub": _arithmetic("sub"), "Mul": _arithmetic("mul"),
    "Div": _arithmetic("div"), "HardSigmoid": _hard_sigmoid, "Gelu": _gelu, "Softmax": _softmax,
    "LeakyRelu": lambda node: plain("leaky_relu", slope=float(f"{node.get('alpha', 0.01):.6g}")),
    "Elu": lambda node: plain("elu", alpha=float(f"{node.get('alpha', 1.0):.6g}")),
    **{name: _named(kind) for name, kind in {
        "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hard_swish", "Mish": "mish", "Softplus": "softplus",
        "Sqrt": "sqrt", "Exp": "exp"}.items()},
}  # fmt: skip
"""By the kind of node."""

SAME = frozenset({"Identity", "Dropout"})
"""What gives its first value as it is."""
