"""What training holds of an image at once: exact counts, on which estimates of memory rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from archspec.analysis.fine_tuning import frozen_names
from archspec.analysis.trace import Applied, Trace, Value, trace
from archspec.ir.network import Network
from archspec.ir.owners import owners
from archspec.ops.base import tensor_name


def kept_for_gradient(net: Network) -> int:
    """Elements for one image that training keeps from the forward pass for the backward pass, the image included.

    Each is counted once, however many operations need it; what overwrites its input keeps no second copy.
    """
    traced = trace(net)
    if frozen := frozen_names(net):
        traced.applied = [*_with_gradient(net, traced, frozen)]
    return sum(traced.sizes[value] for value in kept(traced))


def _with_gradient(net: Network, traced: Trace, frozen: Collection[str]) -> Iterator[Applied]:
    """The operations that a gradient goes through: those of what is trained, and all that depend on them."""
    trained = {
        row.name for row in net.modules() if any(tensor_name(row.name, p) not in frozen for p in row.parameters)
    }
    owned, moving = owners(net.root), set[Value]()
    for applied in traced.applied:
        if owned.get(applied.name, applied.name) in trained or not moving.isdisjoint(applied.inputs):
            moving.add(applied.output)
            yield applied


def kept(traced: Trace) -> set[Value]:
    """The values that are kept for the backward pass; masks, which are no values of the forward pass, become some."""
    found: set[Value] = set()
    for applied in traced.applied:
        match applied.op.keeps:
            case "inputs":
                found.update(applied.inputs)
            case "output":
                found.add(applied.output)
            case "mask":
                traced.sizes.append(traced.sizes[applied.output])
                found.add(len(traced.sizes) - 1)
    return found
