"""Functions of PyTorch as operations of archspec, where their values decide which: sums, joins, means and attention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from archspec.ops import Features, Image, Tokens, typed
from archspec_torch.importing.arrangements import Arranged, merged_patches
from archspec_torch.importing.attending import Scores, attention, of_scores, product, scaled
from archspec_torch.importing.built import Built
from archspec_torch.importing.computed_weights import Computed, Multiple, Standardized, standardized, std_conv
from archspec_torch.importing.lookups import Lookup, looked_up
from archspec_torch.importing.mixtures import Shares, Stacked, shares, summed, weighted
from archspec_torch.importing.operations import TABLE, RefusedError, Tensor, max_pool, pair, plain

MODES = {"batch_norm": 5, "dropout": 2}
"""Where operations say whether the model trains."""


@dataclass(frozen=True, slots=True)
class Bordered:
    """An image within pixels that are less than all others: so many left, right, above and below."""

    of: str
    sides: tuple[int, ...]


UPSAMPLED: dict[str, dict[str, Any]] = {"upsample_nearest2d": {}, "upsample_bilinear2d": {"mode": "bilinear"}}
"""Functions that enlarge images, with the arguments of `upsample` that say how."""


def computed(built: Built, node: Any, name: str, args: list[Any], kwargs: dict[str, Any], *, training: bool) -> Any:
    """What a function gives: an operation with its arguments and inputs, or a value as it is."""
    if name in ("add", "sub", "mul", "div"):
        return _arithmetic(built, node, name, args, kwargs)
    if name in ("cat", "concat", "concatenate"):
        return _joined(built, node, args)
    if name == "scaled_dot_product_attention":
        return attention(built, node, args, kwargs)
    if name in ("matmul", "bmm"):
        return product(built, node, *args[:2])
    if name == "addcmul" and kwargs.get("value", 1) == 1:
        return _sum_of_product(built, node, *args[:3])
    if isinstance(args[0], Scores):
        return of_scores(built, node, name, args)
    if name == "stack" and len(args[0]) == 2:
        return Stacked(tuple(args[0]), args[1] if len(args) > 1 else 0)
    if name == "sum" and len(args) == 2:
        return summed(built, node, args[0], args[1])
    if name == "softmax" and (found := shares(args[0], args[1])) is not None:
        return found
    if name == "softmax":
        x = built.value(node, args[0])
        shape = built.shapes[x]
        if args[1] not in (-1, len(shape)) or isinstance(shape, Image):
            raise RefusedError("a softmax over another axis than the channels'")
        return "softmax", {}, [x]
    if name in ("mean", "amax"):
        return _over(built, node, name, args)
    if name == "index" and isinstance(args[0], (Tensor, Lookup)):
        return looked_up(built, node, args[0], args[1:])
    if name in UPSAMPLED:
        return _upsampled(built, node, name, args)
    if name == "batch_norm" and isinstance(args[0], Tensor):
        return standardized(*args)
    if name == "conv2d" and isinstance(args[1], Standardized):
        return std_conv(built.value(node, args[0]), *args[1:])
    if name == "pad" and args[2:4] == ["constant", -math.inf]:
        return Bordered(built.value(node, args[0]), tuple(args[1]))
    if name == "max_pool2d" and isinstance(args[0], Bordered):
        return _bordered_pool(*args)
    if name not in TABLE:
        raise RefusedError("archspec has no such operation")
    if not training and name in MODES and len(args) > MODES[name]:
        args[MODES[name]] = True  # in evaluation all of them do nothing, or take what they have learned
    if not isinstance(args[0], (str, Arranged)) or any(isinstance(one, Computed) for one in args):
        raise RefusedError("applied to values that no step of a spec gives")
    return TABLE[name](built.value(node, args[0]), *args[1:], **kwargs)


def _bordered_pool(x: Bordered, kernel: Any, stride: Any = (), padding: Any = 0, *more: Any) -> Any:
    """A maximum pooling whose padding is a function before it, as TensorFlow's."""
    sides, inner = set(x.sides), {*pair(padding)}
    if (
        inner == {0} and x.sides[0::2] == (0, 0) and not any(more)
    ):  # what is behind the last pixels is none of a maximum
        return max_pool(x.of, kernel, stride, 0, 1, True)
    if inner == {0} and len(sides) == 1:
        return max_pool(x.of, kernel, stride, sides.pop(), *more)
    raise RefusedError("a maximum pooling whose padding differs from side to side")


def _arithmetic(built: Built, node: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    one, other = args[:2]
    if kwargs.get("alpha", 1) != 1 or len(args) > 2:
        raise RefusedError("an addition with a factor")
    if isinstance(one, Scores) and name == "add":
        return of_scores(built, node, name, args)
    if name == "mul" and (isinstance(one, Shares) or isinstance(other, Shares)):
        return weighted(one, other)
    if name in ("mul", "div") and isinstance(other, (int, float)):
        factor = float(other) if name == "mul" else 1 / other
        if isinstance(one, (Arranged, Scores)):
            return scaled(one, factor)
        if isinstance(one, str):
            return "scale", {"value": factor}, [one]
        if isinstance(one, Tensor):
            return Multiple(one, factor)
    if not all(isinstance(each, (str, Tensor, Arranged)) for each in (one, other)):
        raise RefusedError("arithmetic with a constant that archspec has no step for")
    x, tensor = (other, one) if isinstance(one, Tensor) else (one, other)
    if name in ("add", "mul") and isinstance(tensor, Tensor) and isinstance(x, (str, Arranged)):
        x = built.value(node, x)
        if (made := _with_tensor(built, node, name, x, tensor)) is not None:
            return made
        if tensor.view is not None:
            raise RefusedError("a parameter in other axes than its own")
    return name, {}, [one, other]


def _sum_of_product(built: Built, node: Any, summand: Any, one: Any, other: Any) -> Any:
    """A summand and a product of two, as one function of PyTorch."""
    made = _arithmetic(built, node, "mul", [one, other], {})
    if isinstance(made, tuple):
        values = [built.value(node, value) for value in made[2]]
        made = built.add(node, "mul", {}, values, node.meta["nn_module_stack"], name=f"{node.name}_mul")
    return _arithmetic(built, node, "add", [summand, made], {})


def _with_tensor(built: Built, node: Any, name: str, x: str, tensor: Tensor) -> str | None:
    """A number for each channel, where the language has no tensor of that shape beside such values."""
    shape = built.shapes[x]
    own = typed(tensor.sizes[1:] if tensor.sizes[:1] == (1,) and len(tensor.sizes) > len(shape) else tensor.sizes)
    says = (
        tensor.view is None
        and type(own) is type(shape)
        and (own == shape or (name == "mul" and len(own) == len(shape)))
    )
    return None if says else built.per_channel(node, "scale" if name == "mul" else "shift", x, tensor)


def _joined(built: Built, node: Any, args: list[Any]) -> Any:
    values, axis = args[0], args[1] if len(args) > 1 else 0
    if len(values) == 1:
        return values[0]
    if (grid := merged_patches(values, axis)) is not None:
        return "merge_patches", {}, [grid]
    if not any(isinstance(one, (str, Arranged)) for one in values):
        raise RefusedError("parameters that are joined")
    values = [one if isinstance(one, Tensor) else built.value(node, one) for one in values]
    shape = built.shapes[next(one for one in values if isinstance(one, str))]
    axis = axis % (len(shape) + 1) - 1
    if axis == shape.axis % len(shape):
        return "concat", {}, values
    if isinstance(shape, Tokens) and len(shape) == 2 and axis == 0:
        return "concat", {"over": "places"}, values
    raise RefusedError(f"a concatenation over axis {axis + 1}")


def _upsampled(built: Built, node: Any, name: str, args: list[Any]) -> Any:
    """An image that is so many times as large, or as large as another."""
    x = built.value(node, args[0])
    shape, size = built.shapes[x], tuple(node.meta["val"].shape[2:])
    if not isinstance(shape, Image):
        raise RefusedError("tokens that are resized")
    given = UPSAMPLED[name] | ({"align_corners": True} if name == "upsample_bilinear2d" and args[2] else {})
    if all(large % small == 0 for large, small in zip(size, shape[1:], strict=True)):
        return "upsample", {"scale": plain([n // m for n, m in zip(size, shape[1:], strict=True)]), **given}, [x]
    same = (
        op.result for op, _ in reversed(built.operations) if isinstance(op.shape, Image) and op.shape[1:] == size
    )
    if (like := next(same, None)) is None:
        raise RefusedError(f"{tuple(shape[1:])} pixels resized to {size}, which is the size of nothing else")
    return "upsample", given, [x, like]


def _over(built: Built, node: Any, name: str, args: list[Any]) -> Any:
    x, axes = built.value(node, args[0]), args[1] if len(args) > 1 else None
    shape: Features = built.shapes[x]
    if x in built.in_windows or axes is None or not axes:
        raise RefusedError("a mean over more than a sample")
    over = {axis % (len(shape) + 1) - 1 for axis in axes}
    keep = {"keep": True} if len(args) > 2 and args[2] else {}
    channels = shape.axis % len(shape)
    if over == {i for i in range(len(shape)) if i != channels}:
        pool = isinstance(shape, Image) and name == "mean"
        return "global_avg_pool" if pool else name, keep, [x]
    if over == {channels} and keep:
        return name, {"over": "channels", **keep}, [x]
    raise RefusedError(f"a {name} over axes {sorted(axis + 1 for axis in over)}")
