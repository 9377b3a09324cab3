"""What archspec's operations are in the graphs of `torch.export`: a function for each target, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class RefusedError(Exception):
    """An operation that archspec has no words for; the message says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A parameter of the model, by the path of its module and its name there."""

    path: str
    sizes: tuple[int, ...]
    view: tuple[int, ...] | None = None  # in other axes of the same numbers

    @property
    def owner(self) -> str:
        """The path of its module."""
        return self.path.rpartition(".")[0]


Made = tuple[str, dict[str, Any], Sequence[str]]
"""The kind of an operation, its arguments and the values that it takes."""


def plain(value: Any) -> Any:
    """A pair of equal numbers as one number."""
    if isinstance(value, (list, tuple)):
        numbers = [int(each) for each in value]
        return numbers[0] if len(set(numbers)) == 1 else numbers
    return value


def pair(value: Any) -> tuple[int, int]:
    """One number, or one for each direction, as two."""
    both = list(value) if isinstance(value, (list, tuple)) else [value]
    return int(both[0]), int(both[-1])


def unusual(**values: tuple[Any, Any]) -> dict[str, Any]:
    """The arguments that are not their defaults, each given with its default."""
    return {name: value for name, (value, default) in values.items() if value != default}


def conv(x: str, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
         groups: int = 1) -> Made:  # fmt: skip
    """A convolution of two dimensions."""
    out, _, *kernel = weight.sizes
    if isinstance(padding, str):
        around = [d * (k - 1) * (padding == "same") for k, d in zip(kernel, pair(dilation), strict=False)]
        if any(pixels % 2 for pixels in around):
            raise RefusedError(f"padding given as {padding!r}, which differs from side to side; pad before it")
        padding = [pixels // 2 for pixels in around]
    if len(kernel) != 2:
        raise RefusedError(f"a convolution of {len(kernel)} dimensions; archspec has those of two")
    usual = [d * (k - 1) // 2 if k % 2 else None for k, d in zip(kernel, pair(dilation), strict=True)]
    args: dict[str, Any] = {"out": out, "kernel": plain(kernel)}
    args |= unusual(stride=(plain(pair(stride)), 1))
    if list(pair(padding)) != usual:
        args["padding"] = plain(pair(padding))
    args |= unusual(dilation=(plain(pair(dilation)), 1), groups=(groups, 1), bias=(bias is not None, False))
    return "conv", args, [x]


def conv_transpose(x: str, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
                   output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Made:  # fmt: skip
    """A transposed convolution."""
    _, out, *kernel = weight.sizes
    args = {"out": out * groups, "kernel": plain(kernel)}
    more = {
        "stride": (stride, 1),
        "padding": (padding, 0),
        "output_padding": (output_padding, 0),
        "dilation": (dilation, 1),
    }
    args |= unusual(**{name: (plain(pair(value)), usual) for name, (value, usual) in more.items()})
    return "conv_transpose", args | unusual(groups=(groups, 1), bias=(bias is not None, False)), [x]


def linear(x: str, weight: Tensor, bias: Tensor | None = None) -> Made:
    """A linear layer."""
    return "linear", {"out": weight.sizes[0], **unusual(bias=(bias is not None, True))}, [x]


def batch_norm(x: str, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float,
               cudnn: bool = False) -> Made:  # fmt: skip
    """Batch normalization with running statistics."""
    if not training:
        raise RefusedError("a batch normalization that keeps its running statistics fixed while the model trains")
    if mean is None or var is None:
        raise RefusedError("a batch normalization without running statistics")
    return "batch_norm", unusual(eps=(eps, 1e-5), momentum=(momentum, 0.1), affine=(weight is not None, True)), [x]


def layer_norm(
    x: str, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, _: Any = None
) -> Made:
    """Layer normalization over the last axis."""
    if len(shape) != 1:
        raise RefusedError(f"a layer normalization over {len(shape)} axes")
    if (weight is None) is not (bias is None):
        raise RefusedError("a layer normalization with a weight and no bias")
    return "layer_norm", unusual(eps=(eps, 1e-6), affine=(weight is not None, True)), [x]


def group_norm(x: str, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, _: Any = None) -> Made:
    """Group normalization."""
    return "group_norm", {"groups": groups, **unusual(eps=(eps, 1e-5), affine=(weight is not None, True))}, [x]


def dropout(x: str, rate: float, training: bool) -> Made:
    """Dropout of single values."""
    return "dropout", {"rate": float(rate) if training else 0.0}, [x]


def max_pool(
    x: str, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> Made:
    """Maximum pooling."""
    if pair(dilation) != (1, 1):
        raise RefusedError("a maximum pooling with dilation")
    args = {"kernel": plain(pair(kernel)), **unusual(stride=(plain(pair(stride or kernel)), 1))}
    return "max_pool", args | unusual(padding=(plain(pair(padding)), 0), ceil=(ceil, False)), [x]


def avg_pool(x: str, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, counted: bool = True,
             divisor: int | None = None) -> Made:  # fmt: skip
    """Average pooling."""
    if divisor is not None:
        raise RefusedError("an average pooling with a divisor of its own")
    args = {"kernel": plain(pair(kernel)), **unusual(stride=(plain(pair(stride or kernel)), 1))}
    args |= unusual(padding=(plain(pair(padding)), 0), ceil=(ceil, False))
    return "avg_pool", args | ({"count_padding": True} if counted and pair(padding) != (0, 0) else {}), [x]


def adaptive_avg_pool(x: str, size: Any) -> Made:
    """The mean over all pixels, or over the cells of a grid."""
    if pair(size) == (1, 1):
        return "global_avg_pool", {"keep": True}, [x]
    return "adaptive_avg_pool", {"size": plain(pair(size))}, [x]


def adaptive_max_pool(x: str, size: Any) -> Made:
    """The maximum over the cells of a grid."""
    return "adaptive_max_pool", {"size": plain(pair(size))}, [x]


def gelu(x: str, approximate: str = "none") -> Made:
    """GELU, exact."""
    if approximate != "none":
        raise RefusedError(f"GELU approximated by {approximate}; archspec has the exact one")
    return "gelu", {}, [x]


def hardtanh(x: str, low: float = -1, high: float = 1) -> Made:
    """A clipped value; from 0 to 6 it is ReLU6."""
    if (low, high) == (0, 6):
        return "relu6", {}, [x]
    return "clip", {"min": float(low), "max": float(high)}, [x]


def leaky_relu(x: str, slope: float = 0.01) -> Made:
    """Leaky ReLU."""
    return "leaky_relu", unusual(slope=(slope, 0.01)), [x]


def elu(x: str, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Made:
    """ELU."""
    if (scale, input_scale) != (1, 1):
        raise RefusedError("SELU, which archspec has no operation for")
    return "elu", unusual(alpha=(float(alpha), 1.0)), [x]


def clamp(x: str, low: float | None = None, high: float | None = None) -> Made:
    """A clipped value."""
    bounds = {"min": None if low is None else float(low), "max": None if high is None else float(high)}
    return "clip", {name: bound for name, bound in bounds.items() if bound is not None}, [x]


def softplus(x: str, beta: float = 1, threshold: float = 20) -> Made:
    """Softplus."""
    if beta != 1 or threshold != 20:
        raise RefusedError("a softplus of another slope or threshold")
    return "softplus", {}, [x]


def power(x: str, exponent: Any) -> Made:
    """A power."""
    if not isinstance(exponent, (int, float)):
        raise RefusedError("a power whose exponent is computed")
    return "pow", {"exponent": float(exponent)}, [x]


def pads(x: str, sides: Sequence[int], mode: str = "constant", value: float | None = None) -> Made | str:
    """Pixels around an image, or channels of zeros."""
    if not any(sides):
        return x
    if len(sides) == 6 and not any(sides[:4]) and mode == "constant" and not value:
        return "pad_channels", unusual(before=(sides[4], 0), after=(sides[5], 0)), [x]
    if len(sides) != 4 or mode not in ("constant", "reflect", "replicate"):
        raise RefusedError(f"padding of {len(sides) // 2} axes by `{mode}`")
    left, right, top, bottom = sides
    args = unusual(top=(top, 0), bottom=(bottom, 0), left=(left, 0), right=(right, 0), mode=(mode, "constant"))
    return "pad", args | unusual(value=(float(value or 0), 0.0)), [x]


def pointwise(kind: str) -> Callable[..., Made]:
    """An activation without arguments."""
    return lambda x: (kind, {}, [x])


TABLE: dict[str, Callable[..., Made | str]] = {
    "conv2d": conv, "conv_transpose2d": conv_transpose, "linear": linear, "batch_norm": batch_norm, "layer_norm": layer_norm,
    "group_norm": group_norm, "dropout": dropout, "max_pool2d": max_pool, "avg_pool2d": avg_pool, "pad": pads,
    "adaptive_avg_pool2d": adaptive_avg_pool, "adaptive_max_pool2d": adaptive_max_pool, "gelu": gelu, "hardtanh": hardtanh,
    "leaky_relu": leaky_relu, "elu": elu,
    **{kind: pointwise(kind) for kind in ("relu", "relu6", "silu", "sigmoid", "tanh", "mish")},
    "hardsigmoid": pointwise("hard_sigmoid"), "hardswish": pointwise("hard_swish"), "sqrt": pointwise("sqrt"),
    "exp": pointwise("exp"), "clamp": clamp, "softplus": softplus, "pow": power,
}  # fmt: skip
"""Operations that take one value of the net, then tensors and numbers; names without `_` for what is done in place."""

SAME = frozenset({"contiguous", "clone", "alias", "lift_fresh_copy", "to", "_to_copy"})
"""What gives its first value as it is."""
