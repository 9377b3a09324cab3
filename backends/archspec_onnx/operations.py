"""Each primitive operation as ONNX nodes, as it is in evaluation.

`OPERATIONS` gives for each kind a function that adds its nodes to a `Graph`; those here work number by number. What drops at
random in training is nothing here, so it has no node.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from archspec.ops import (
    Clip,
    Concat,
    Image,
    Op,
    Pow,
)
from archspec.ops.reductions import Reduction
from archspec_onnx.graph import Graph, Place
from archspec_onnx.spatial import SPATIAL
from archspec_onnx.tokens import TOKENS
from archspec_onnx.weighted import WEIGHTED


def _reduction(kind: str) -> Callable[..., str]:
    def reduced(op: Reduction, graph: Graph, at: Place) -> str:
        shape = at.shapes[0]
        channels = shape.axis % len(shape) + 1
        over = [i for i in range(1, len(shape) + 1) if (i == channels) == (op.over == "channels")]
        keep = op.keep or op.over == "channels"
        axes = graph.constant(at, "axes", np.array(over))
        return graph.node(at, kind, [at.inputs[0], axes], keepdims=int(keep))

    return reduced


def _clip(op: Clip, graph: Graph, at: Place) -> str:
    bounds = [
        graph.constant(at, name, np.float32(value)) if math.isfinite(value) else ""
        for name, value in (("min", op.min), ("max", op.max))
    ]
    return graph.node(at, "Clip", [at.inputs[0], *bounds])


def _pow(op: Pow, graph: Graph, at: Place) -> str:
    return graph.node(at, "Pow", [at.inputs[0], graph.constant(at, "exponent", np.float32(op.exponent))])


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
    **WEIGHTED,
    **SPATIAL,
    **TOKENS,
    "channels_last": _plain("Transpose", perm=[0, 2, 3, 1]),
    "channels_first": _plain("Transpose", perm=[0, 3, 1, 2]),
    "transpose": _plain("Transpose", perm=[0, 2, 1]),
    "relu": _plain("Relu"),
    "relu6": _relu6,
    "gelu": _plain("Gelu"),
    "silu": _silu,
    "sigmoid": _plain("Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish": _plain("HardSwish"),
    "tanh": _plain("Tanh"),
    "leaky_relu": lambda op, graph, at: graph.node(at, "LeakyRelu", at.inputs, alpha=op.slope),
    "elu": lambda op, graph, at: graph.node(at, "Elu", at.inputs, alpha=op.alpha),
    "mish": _plain("Mish"),
    "softplus": _plain("Softplus"),
    "softmax": _softmax,
    "sqrt": _plain("Sqrt"),
    "pow": _pow,
    "exp": _plain("Exp"),
    "clip": _clip,
    "add": _plain("Sum"),
    "sub": _plain("Sub"),
    "mul": _mul,
    "div": _plain("Div"),
    "concat": _concat,
    "mean": _reduction("ReduceMean"),
    "amax": _reduction("ReduceMax"),
    "l2_norm": _reduction("ReduceL2"),
    "dropout": _nothing,
    "drop_path": _nothing,
    "identity": _nothing,
}
