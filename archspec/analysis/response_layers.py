"""Which layers Figure 7 of He et al. (2015) is about: batch normalizations that follow a 3x3 convolution."""

from __future__ import annotations

from archspec.ir import Call
from archspec.ir.network import Network
from archspec.ir.walk import walk
from archspec.ops import Op


def responding_layers(net: Network) -> list[str]:
    """The dotted names of the batch normalizations whose input is that of a 3x3 convolution, in order of execution."""
    names: list[str] = []

    def apply(name: str, call: Call, op: Op, given: tuple[Op | None, ...]) -> Op | None:
        """What gave a value is its operation; None for an input of the net."""
        if given and op.is_response(given[0]):
            names.append(name)
        return op

    walk(net.root, [None], apply)
    return names
