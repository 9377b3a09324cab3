"""Mixtures of two values by a softmax over both, as in selective kernels and in split attention.

a softmax(p, q)_1 + b softmax(p, q)_2 is said as b + sigmoid(p - q) (a - b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec_torch.importing.arrangements import Arranged, picked
from archspec_torch.importing.built import Built
from archspec_torch.importing.operations import RefusedError

MOST = 8
"""Parts of a value that are summed one by one."""


@dataclass(frozen=True, slots=True)
class Stacked:
    """Values one behind the other along a new axis."""

    values: tuple[Any, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Shares:
    """The softmax of a value over an axis of two places, which may be arranged further."""

    logits: Arranged
    part: Any


@dataclass(frozen=True, slots=True)
class Weighted:
    """Two values, each times its share."""

    values: Any
    shares: Shares


Mixture = (Stacked, Shares, Weighted)


def shares(x: Any, axis: int) -> Shares | None:
    """A softmax over two parts of the channels; None where it is another one."""
    if not isinstance(x, Arranged):
        return None
    found = x.axes[axis % len(x.axes)]
    alone = len(found) == 1 and found[0].axis == x.source.axis % len(x.source)
    return Shares(x, found[0]) if alone and found[0].size == 2 and found[0].step > 1 else None


def weighted(one: Any, other: Any) -> Weighted:
    """Values times their shares."""
    return Weighted(other, one) if isinstance(one, Shares) else Weighted(one, other)


def summed(built: Built, node: Any, x: Any, axes: Any) -> str:
    """A sum over the parts of a value, over values behind one another, or over such that have weights."""
    (axis,) = axes if isinstance(axes, (list, tuple)) else (axes,)

    def step(kind: str, *inputs: str) -> str:
        name = f"{node.name}_{kind}_{len(built.operations)}"  # not the node's, which its parts may have
        return built.add(node, kind, {}, inputs, node.meta["nn_module_stack"], name=name)

    if not isinstance(x, Weighted):
        return step("add", *pieces(built, node, x, axis))
    one, other = pieces(built, node, x.values, axis)
    logits = x.shares.logits
    if logits.axes[axis % len(logits.axes)] != (x.shares.part,):
        raise RefusedError("a sum over another axis than that of the softmax before it")
    of_one, of_other = (built.value(node, built.arranged(node, picked(logits, axis, i))) for i in range(2))
    share = step("sigmoid", step("sub", of_one, of_other))
    return step("add", step("mul", share, step("sub", one, other)), other)


def pieces(built: Built, node: Any, x: Any, axis: int) -> Sequence[str]:
    """The values along an axis, one by one."""
    if isinstance(x, Stacked):
        if axis != x.axis:
            raise RefusedError("a sum over another axis than that of the values behind one another")
        return [built.value(node, one) for one in x.values]
    if not isinstance(x, Arranged) or not 1 < x.sizes[axis] <= MOST:
        raise RefusedError("a sum over more than a few parts of the channels")
    found = [built.arranged(node, picked(x, axis, place)) for place in range(x.sizes[axis])]
    return [built.value(node, one) for one in found]
