"""Weights that start from training images, which a trainer sees to."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.ir.network import Network
from archspec.ir.walk import operations
from archspec.loading.program import Program
from archspec.ops.base import tensor_name


def whitened(net: Network) -> dict[str, tuple[int, ...]]:
    """The weights that start as filters which whiten patches of images: their shapes by their names."""
    return {
        tensor_name(name, tensor): op.parameters(*call.input_shapes)[tensor]
        for name, call, op in operations(net.root)
        for tensor, start in call.starts
        if start.kind == "whitening"
    }


def check_whitening(net: Program, problems: Diagnostics) -> None:
    """See that filters which whiten patches of images are given images."""
    first = {call.name for call in net.root.calls if call.inputs[:1] == (net.root.inputs[0][0],)}
    for name, call, _ in operations(net.root):
        if any(start.kind == "whitening" for _, start in call.starts) and name not in first:
            message = f"`{name}` starts from training images, and is not what images come to first"
            problems.add("AS303", message, call.span, "take its `init` out, or let it be the first step of `stem`")
