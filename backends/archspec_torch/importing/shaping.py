"""What computes nothing: functions of PyTorch that give the numbers of a value in other axes, or some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archspec_torch.importing.arrangements import Arranged, permuted, picked, reshaped, taken
from archspec_torch.importing.operations import RefusedError, Tensor

Sizes = tuple[int, ...]


def _reshape(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    return reshaped(x, sizes)


def _permute(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    return permuted(x, [axis % len(x.axes) for axis in args[0]])


def _transpose(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    order = list(range(len(x.axes)))
    one, other = args[0] % len(order), args[1] % len(order)
    order[one], order[other] = other, one
    return permuted(x, order)


def _select(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    return picked(x, args[0] % len(x.axes), args[1])


def _slice(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    given: list[Any] = [*args, *[0, None, None, 1][len(args) :]]
    axis = given[0] % len(x.axes)
    start, stop, step = slice(*given[1:]).indices(x.sizes[axis])
    return taken(x, axis, start, stop, step)


def _expand(x: Arranged, args: list[Any], sizes: Any) -> Arranged:
    if tuple(sizes) != x.sizes:
        raise RefusedError("values that are repeated")
    return x


def _unbind(x: Arranged, args: list[Any], sizes: Any) -> list[Arranged]:
    axis = (args[0] if args else 0) % len(x.axes)
    return [picked(x, axis, index) for index in range(x.sizes[axis])]


def _split(x: Arranged, args: list[Any], sizes: Any) -> list[Arranged]:
    axis, at, found = (args[1] if len(args) > 1 else 0) % len(x.axes), 0, []
    for one in sizes:
        found.append(taken(x, axis, at, at + one[axis]))
        at += one[axis]
    return found


SHAPED: dict[str, Callable[[Arranged, list[Any], Any], Any]] = {
    **dict.fromkeys(("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze", "unflatten",
                    "reshape_as", "view_as"), _reshape),
    "permute": _permute, "transpose": _transpose, "select": _select, "slice": _slice, "expand": _expand, "expand_as": _expand,
    "unbind": _unbind, "chunk": _split, "split": _split, "split_with_sizes": _split,
}  # fmt: skip
"""By the name of the function: of a value, the arguments after it, and the sizes of what it gives."""


def of_tensor(x: Tensor, name: str, sizes: Sizes) -> Tensor:
    """A parameter in axes of which all but one have size 1, or repeated for each sample."""
    if name == "expand" or tuple(sizes) == x.sizes:
        return x
    if SHAPED[name] is _reshape:
        return Tensor(x.path, x.sizes, tuple(sizes))
    raise RefusedError("a parameter, arranged anew")
