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
