"""What training holds of an image at once: exact counts, on which estimates of memory rest."""

from __future__ import annotations

from archspec.analysis.trace import Trace, Value, trace
from archspec.ir.network import Network


def kept_for_gradient(net: Network) -> int:
    """Elements for one image that training keeps from the forward pass for the backward pass, the image included.

    Each is counted once, however many operations need it; what overwrites its input keeps no second copy.
    """
    traced = trace(net)
    return sum(traced.sizes[value] for value in kept(traced))


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


def held_in_evaluation(net: Network) -> int:
    """Elements for one image that a forward pass holds at its fullest where nothing is kept for a gradient."""
    traced = trace(net)
    last = {value: index for index, applied in enumerate(traced.applied) for value in applied.inputs}
    held, most = {0}, traced.sizes[0]
    for index, applied in enumerate(traced.applied):
        held.add(applied.output)
        most = max(most, sum(traced.sizes[value] for value in held))
        held = {value for value in held if last.get(value, -1) > index}
    return most
