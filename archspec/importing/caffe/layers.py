"""What Caffe's layers are in archspec's operations: a function for each type, with the sizes that Caffe itself computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archspec.importing.caffe.text_format import Message

Size = tuple[int, ...]
"""The sizes of a blob, of one sample: of an image (C, H, W), of a vector (C,)."""


class RefusedError(Exception):
    """A layer that archspec has no words for; the message says why."""


@dataclass(slots=True)
class Layer:
    """A layer as the file has it, with the sizes of what it takes."""

    message: Message
    sizes: Sequence[Size] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.message.text("name")

    @property
    def type(self) -> str:
        """Its type, in the words of the format since 2014."""
        given = self.message.text("type")
        return OLD_TYPES.get(given, given)


@dataclass(frozen=True, slots=True)
class Made:
    """An operation with its arguments, the sizes of what it gives, and the sizes of its learned tensors by name."""

    kind: str
    args: dict[str, Any]
    size: Size
    tensors: dict[str, Size] = field(default_factory=dict)


def _pair(given: Message, name: str, default: int, *, short: str | None = None) -> tuple[int, int]:
    """A number for each direction: `kernel_size`, or `kernel_h` and `kernel_w`."""
    short = short or name
    by_side = given.integers(f"{short}_h"), given.integers(f"{short}_w")
    if any(by_side):
        return (by_side[0] or [default])[-1], (by_side[1] or [default])[-1]
    both = given.integers(name) or [default]
    return both[0], both[-1]


def _plain(value: tuple[int, int]) -> Any:
    return value[0] if value[0] == value[1] else list(value)


def _image(layer: Layer) -> tuple[int, int, int]:
    if len(layer.sizes[0]) != 3:
        raise RefusedError("applied to a vector, where an image is expected")
    channels, height, width = layer.sizes[0]
    return channels, height, width


def convolution(layer: Layer) -> Made:
    """A convolution; its sizes round down."""
    given, (channels, *space) = layer.message.message("convolution_param"), _image(layer)
    if (
        given.integer("axis", 1) != 1
        or given.flag("force_nd_im2col", False)
        or len(given.integers("kernel_size")) > 2
    ):
        raise RefusedError("a convolution of other than two dimensions")
    out, groups = given.integer("num_output", 0), given.integer("group", 1)
    kernel, stride = _pair(given, "kernel_size", 0, short="kernel"), _pair(given, "stride", 1)
    padding, dilation = _pair(given, "pad", 0), _pair(given, "dilation", 1)
    if min(out, groups, *kernel, *stride, *dilation) < 1 or channels % groups or out % groups:
        raise RefusedError("it has no num_output, no kernel_size, or groups that do not divide its channels")
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [(s + 2 * p - r) // t + 1 for s, p, r, t in zip(space, padding, reach, stride, strict=True)]
    args: dict[str, Any] = {"out": out, "kernel": _plain(kernel)}
    if stride != (1, 1):
        args["stride"] = _plain(stride)
    if list(padding) != [r // 2 if r % 2 else None for r in reach]:
        args["padding"] = _plain(padding)
    args |= {k: v for k, v in (("dilation", _plain(dilation)), ("groups", groups)) if v != 1}
    tensors: dict[str, Size] = {"weight": (out, channels // groups, *kernel)}
    if given.flag("bias_term", True):
        args["bias"], tensors["bias"] = True, (out,)
    return Made("conv", args, (out, *size), tensors)


def pooling(layer: Layer) -> Made:
    """A pooling; its sizes round up, but no window begins beyond the image and its padding."""
    given, (channels, *space) = layer.message.message("pooling_param"), _image(layer)
    kind = {"MAX": "max_pool", "AVE": "avg_pool", 0: "max_pool", 1: "avg_pool"}.get(given.word("pool", "MAX"))
    if kind is None:
        raise RefusedError("a pooling that is neither MAX nor AVE")
    kernel, stride = _pair(given, "kernel_size", 0, short="kernel"), _pair(given, "stride", 1)
    padding = _pair(given, "pad", 0)
    if given.flag("global_pooling", False) or (list(kernel) == space and padding == (0, 0)):
        if kind == "max_pool":
            return Made("adaptive_max_pool", {"size": 1}, (channels, 1, 1))
        return Made("global_avg_pool", {"keep": True}, (channels, 1, 1))
    if min(*kernel, *stride) < 1:
        raise RefusedError("it has no kernel_size")
    size, down = [], []
    floors = given.word("round_mode", "CEIL") in ("FLOOR", 1)
    for s, k, t, p in zip(space, kernel, stride, padding, strict=True):
        down.append((s + 2 * p - k) // t + 1)
        up = down[-1] if floors else -((k - s - 2 * p) // t) + 1
        size.append(up - 1 if p and (up - 1) * t >= s + p else up)
    args: dict[str, Any] = {"kernel": _plain(kernel)}
    args |= {
        k: v for k, v in (("stride", _plain(stride)), ("padding", _plain(padding))) if v != {"stride": 1}.get(k, 0)
    }
    if size != down:
        args["ceil"] = True
    if kind == "avg_pool" and padding != (0, 0):
        args["count_padding"] = True
    return Made(kind, args, (channels, *size))


def inner_product(layer: Layer) -> Made:
    """A linear layer, of all that an image holds."""
    given = layer.message.message("inner_product_param")
    out, taken = given.integer("num_output", 0), math.prod(layer.sizes[0])
    if out < 1 or given.integer("axis", 1) != 1 or given.flag("transpose", False):
        raise RefusedError("a product over another axis, transposed, or without num_output")
    tensors: dict[str, Size] = {"weight": (out, taken)}
    if given.flag("bias_term", True):
        return Made("linear", {"out": out}, (out,), tensors | {"bias": (out,)})
    return Made("linear", {"out": out, "bias": False}, (out,), tensors)


def batch_norm(layer: Layer) -> Made:
    """The normalization alone; what scales it is a layer of its own."""
    given, size = layer.message.message("batch_norm_param"), layer.sizes[0]
    args: dict[str, Any] = {"eps": given.number("eps", 1e-5)} if given.number("eps", 1e-5) != 1e-5 else {}
    if given.all("moving_average_fraction"):
        args["momentum"] = float(f"{1 - given.number('moving_average_fraction', 0.999):.6g}")
    return Made("batch_norm", {**args, "affine": False}, size, {"running_mean": size[:1], "running_var": size[:1]})


def scale(layer: Layer) -> Made:
    """A factor for each channel, and with `bias_term` a summand."""
    given, size = layer.message.message("scale_param"), layer.sizes[0]
    if given.integer("axis", 1) != 1 or given.integer("num_axes", 1) != 1:
        raise RefusedError("a scale over other axes than the channels'")
    tensors: dict[str, Size] = {"weight": size[:1]}
    return Made(
        "scale", {"learned": True}, size, tensors | ({"bias": size[:1]} if given.flag("bias_term", False) else {})
    )


def relu(layer: Layer) -> Made:
    """ReLU, leaky where it has a slope."""
    slope = layer.message.message("relu_param").number("negative_slope", 0)
    return Made("leaky_relu", {"slope": slope}, layer.sizes[0]) if slope else Made("relu", {}, layer.sizes[0])


def eltwise(layer: Layer) -> Made:
    """A sum or a product of blobs."""
    given = layer.message.message("eltwise_param")
    kind = {"SUM": "add", "PROD": "mul", 1: "add", 0: "mul"}.get(given.word("operation", "SUM"))
    if kind is None or any(value != 1 for value in given.all("coeff")):
        raise RefusedError("a maximum of blobs, or a sum with coefficients")
    if len({*layer.sizes}) != 1:
        raise RefusedError(f"blobs of the sizes {' and '.join('x'.join(map(str, size)) for size in layer.sizes)}")
    return Made(kind, {}, layer.sizes[0])


def concat(layer: Layer) -> Made:
    """Blobs one after the other, by channels."""
    given = layer.message.message("concat_param")
    if given.integer("axis", given.integer("concat_dim", 1)) != 1:
        raise RefusedError("a concatenation over another axis than the channels'")
    if len({size[1:] for size in layer.sizes}) != 1:
        raise RefusedError(f"blobs of the sizes {' and '.join('x'.join(map(str, size)) for size in layer.sizes)}")
    return Made("concat", {}, (sum(size[0] for size in layer.sizes), *layer.sizes[0][1:]))


def dropout(layer: Layer) -> Made:
    """Dropout."""
    rate = float(layer.message.message("dropout_param").number("dropout_ratio", 0.5))
    return Made("dropout", {"rate": rate}, layer.sizes[0])


def softmax(layer: Layer) -> Made:
    """Softmax over the channels of a vector."""
    if layer.message.message("softmax_param").integer("axis", 1) != 1 or math.prod(layer.sizes[0][1:]) != 1:
        raise RefusedError("a softmax of pixels, or over another axis than the channels'")
    return Made("softmax", {}, layer.sizes[0])


def _flatten(layer: Layer) -> Made:
    given = layer.message.message("flatten_param")
    if given.integer("axis", 1) != 1 or given.integer("end_axis", -1) != -1:
        raise RefusedError("a part of the axes that is flattened")
    return Made("flatten", {}, (math.prod(layer.sizes[0]),))


def _named(kind: str) -> Callable[[Layer], Made]:
    return lambda layer: Made(kind, {}, layer.sizes[0])


LAYERS: dict[str, Callable[[Layer], Made]] = {
    "Convolution": convolution, "Pooling": pooling, "InnerProduct": inner_product, "BatchNorm": batch_norm, "Scale": scale,
    "ReLU": relu, "Eltwise": eltwise, "Concat": concat, "Dropout": dropout, "Softmax": softmax, "Flatten": _flatten,
    "Sigmoid": _named("sigmoid"), "TanH": _named("tanh"),
}  # fmt: skip
"""By the type of layer."""

JOINING = frozenset({"Eltwise", "Concat"})
"""What takes several blobs; all else takes one."""

SIDES = "pad pad_h pad_w kernel_size kernel_h kernel_w stride stride_h stride_w engine"

FIELDS: dict[str, tuple[str, str]] = {
    "Convolution": (
        "convolution_param",
        f"{SIDES} num_output bias_term group dilation axis force_nd_im2col weight_filler bias_filler",
    ),
    "Pooling": ("pooling_param", f"{SIDES} pool global_pooling round_mode"),
    "InnerProduct": ("inner_product_param", "num_output bias_term weight_filler bias_filler axis transpose engine"),
    "BatchNorm": ("batch_norm_param", "use_global_stats moving_average_fraction eps engine"),
    "Scale": ("scale_param", "axis num_axes filler bias_term bias_filler"),
    "ReLU": ("relu_param", "negative_slope engine"),
    "Eltwise": ("eltwise_param", "operation coeff stable_prod_grad"),
    "Concat": ("concat_param", "axis concat_dim"),
    "Dropout": ("dropout_param", "dropout_ratio scale_train engine"),
    "Softmax": ("softmax_param", "axis engine"),
    "Flatten": ("flatten_param", "axis end_axis"),
    "Sigmoid": ("sigmoid_param", "engine"),
    "TanH": ("tanh_param", "engine"),
}
"""By the type of layer, the message of its settings, and those of them that are read or change no number."""

OLD_TYPES = {
    "CONVOLUTION": "Convolution", "POOLING": "Pooling", "INNER_PRODUCT": "InnerProduct", "RELU": "ReLU", "ELTWISE": "Eltwise",
    "CONCAT": "Concat", "DROPOUT": "Dropout", "SOFTMAX": "Softmax", "FLATTEN": "Flatten", "SIGMOID": "Sigmoid", "TANH": "TanH",
    "LRN": "LRN", "DATA": "Data", "ACCURACY": "Accuracy", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split",
}  # fmt: skip
"""The types that files before 2014 have, in `layers`."""
