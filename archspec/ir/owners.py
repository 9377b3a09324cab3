"""Owners of parameters: steps that apply the layers of another step again have none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from archspec.ir.graph import Block, Call, Chain, parts
from archspec.ir.walk import each, operations
from archspec.ops import Op, Shape
from archspec.ops.base import tensor_name


@lru_cache(maxsize=4096)
def shares(block: Block) -> bool:
    """Whether a step in a block, or in a block inside of it, has the parameters of another."""
    return any(call.owner is not None for call in block.calls) or any(map(shares, parts(block)))


def owners(root: Block) -> dict[str, str]:
    """The operation that has the parameters, by the dotted name of each that has them of another."""
    return dict(_owned(root, "", "")) if shares(root) else {}


def _owned(block: Block, prefix: str, owner: str) -> Iterator[tuple[str, str]]:
    if prefix == owner and not shares(block):
        return
    for call in block.calls:
        if not call.present:
            continue
        name, own, target = f"{prefix}{call.name}", f"{owner}{call.owner or call.name}", call.target
        if isinstance(target, Op):
            if name != own:
                yield name, own
        elif isinstance(target, Block):
            yield from _owned(target, f"{name}.", f"{own}.")
        else:
            for index, inner in enumerate(each(target)):
                yield from _owned(inner, f"{name}.{index}.", f"{own}.{index}.")


def tensors(call: Call) -> dict[str, Shape]:
    """The tensors of a call's own layers by their names in it: what a step that shares them has to have as well."""
    target = call.target
    if isinstance(target, Op):
        return {**target.parameters(*call.input_shapes), **target.buffers(*call.input_shapes)}
    found: dict[str, Shape] = {}
    inside = [target] if isinstance(target, Block) else [run.block for run in target.runs]
    for place, block in enumerate(inside):
        prefix, borrowed = f"{place}." if isinstance(target, Chain) else "", owners(block)
        for name, inner, op in operations(block):
            if name not in borrowed:
                own = {**op.parameters(*inner.input_shapes), **op.buffers(*inner.input_shapes)}
                found |= {f"{prefix}{tensor_name(name, tensor)}": shape for tensor, shape in own.items()}
    return found
