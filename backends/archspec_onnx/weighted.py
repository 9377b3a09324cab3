"""Operations with weights as ONNX nodes: convolutions, linear layers, normalizations, learned factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archspec.ops import (
    BatchNorm,
    ChannelConv,
    Conv,
    ConvTranspose,
    GlobalResponseNorm,
    GroupNorm,
    Image,
    InstanceNorm,
    LayerNorm,
    Linear,
    Op,
    Parameter,
    Prelu,
    RmsNorm,
    Scale,
    Shift,
    StdConv,
    Vector,
)
from archspec_onnx.graph import Graph, Place


def _conv(op: Conv, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    high, wide = op.padding
    return graph.node(at, "Conv", inputs, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation,
                      group=op.groups, pads=[high, wide, high, wide])  # fmt: skip


def _linear(op: Linear, graph: Graph, at: Place) -> str:
    inputs = [at.inputs[0], at.weight("weight"), *([at.weight("bias")] if op.bias else [])]
    if op.unbiased != (0, 0):
        start, stop = op.unbiased
        there = np.ones(op.out, np.float32)
        there[start:stop] = 0
        inputs[2] = graph.node(at, "Mul", [inputs[2], graph.constant(at, "there", there)], part="bias")
    if isinstance(at.shapes[0], Vector) and at.inputs[0] not in graph.alike:
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
        part = graph.constant(at, "part", np.float32(op.gamma * fan_in**-0.5))
        gain = graph.node(at, "Mul", [at.weight("gain"), part], part="gain")
        weight = graph.node(at, "Mul", [weight, gain], part="scaled")
    elif op.gamma != 1:
        gamma = graph.constant(at, "gamma", np.float32(op.gamma))
        weight = graph.node(at, "Mul", [weight, gamma], part="scaled")
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


def _global_response_norm(op: GlobalResponseNorm, graph: Graph, at: Place) -> str:
    x, shape = at.inputs[0], at.shapes[0]
    axis = shape.axis % len(shape) + 1
    pixels = graph.constant(at, "pixels", np.array([i for i in range(1, len(shape) + 1) if i != axis]))
    length = graph.node(at, "ReduceL2", [x, pixels], part="length")
    mean = graph.node(at, "ReduceMean", [length, graph.constant(at, "axes", np.array([axis]))], part="mean")
    above = graph.node(at, "Add", [mean, graph.constant(at, "eps", np.float32(op.eps))], part="above")
    share = graph.node(at, "Div", [length, above], part="share")
    factor, summand = at.weight("weight"), at.weight("bias")
    if axis == 1:
        last = graph.constant(at, "last", np.array([1, 2]))
        factor = graph.node(at, "Unsqueeze", [factor, last], part="factor")
        summand = graph.node(at, "Unsqueeze", [summand, last], part="summand")
    scaled = graph.node(at, "Mul", [x, graph.node(at, "Mul", [share, factor], part="factors")], part="scaled")
    return graph.node(at, "Sum", [x, scaled, summand])


def _instance_norm(op: InstanceNorm, graph: Graph, at: Place) -> str:
    return graph.node(at, "InstanceNormalization", [at.inputs[0], *_affine(op, graph, at)], epsilon=op.eps)


def _parameter(op: Parameter, graph: Graph, at: Place) -> str:
    graph.alike[at.weight("")] = len(op.shape)
    return at.weight("")


def _apply_linear(op: Op, graph: Graph, at: Place) -> str:
    if isinstance(at.shapes[0], Vector):
        return graph.node(at, "Gemm", at.inputs, transB=1)
    return _product(graph, at, [*at.inputs])


def _scale(op: Scale, graph: Graph, at: Place) -> str:
    if not op.learned:
        return graph.node(at, "Mul", [at.inputs[0], graph.constant(at, "value", np.float32(op.value))])
    return graph.node(at, "Mul", [at.inputs[0], _of_channels(graph, at, at.weight("weight"), "factor")])


def _shift(op: Shift, graph: Graph, at: Place) -> str:
    return graph.node(at, "Add", [at.inputs[0], _of_channels(graph, at, at.weight("bias"), "summand")])


def _of_channels(graph: Graph, at: Place, weight: str, part: str) -> str:
    """A number for each channel, with axes for the pixels of an image."""
    if not isinstance(at.shapes[0], Image):
        return weight
    return graph.node(at, "Unsqueeze", [weight, graph.constant(at, "axes", np.array([1, 2]))], part=part)


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


def _prelu(op: Prelu, graph: Graph, at: Place) -> str:
    return graph.node(at, "PRelu", [at.inputs[0], _of_channels(graph, at, at.weight("weight"), "slope")])


WEIGHTED: dict[str, Callable[..., str]] = {
    "conv": _conv,
    "linear": _linear,
    "scale": _scale,
    "shift": _shift,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "prelu": _prelu,
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": _channel_conv,
    "apply_linear": _apply_linear,
    "parameter": _parameter,
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "global_response_norm": _global_response_norm,
}
