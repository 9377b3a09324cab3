"""Values that are the same for every sample: parameters and tables, and what is computed of them alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from archspec.ir.graph import Block, Chain
from archspec.ops import Op


def gives_constant(target: Op | Block | Chain, sources: Sequence[str], constants: Collection[str]) -> bool:
    """Whether a call gives the same for every sample, where of its `sources` the `constants` are."""
    if isinstance(target, Op) and target.makes_constant:
        return True
    if not constants or not sources:  # as in most blocks
        return False
    return all(source in constants for source in sources) and keeps_constants(target)


def keeps_constants(target: Op | Block | Chain) -> bool:
    """Whether a call makes a constant of a constant: an operation that says so, or steps of such operations alone."""
    if isinstance(target, Op):
        return target.keeps_constants
    if isinstance(target, Chain):
        return False
    alone = len(target.inputs) == 1 and not target.taps
    return alone and all(keeps_constants(call.target) for call in target.calls if call.present)
