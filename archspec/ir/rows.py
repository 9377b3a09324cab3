"""The operations of a network as rows: each with its dotted name, its shapes and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Span
from archspec.ir.cost import op_cost
from archspec.ir.graph import Block
from archspec.ir.liveness import training_only
from archspec.ir.owners import owners
from archspec.ir.walk import operations
from archspec.ops import Features, Op, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One operation of the net, as `Network.modules` lists it."""

    name: str
    op: str
    output_shape: Features
    params: int
    buffers: int
    macs: int
    attributes: Mapping[str, Any]
    input_shapes: tuple[Features, ...]
    target: Op
    parameters: Mapping[str, Shape]
    span: Span
    shared: str | None = None  # the operation whose parameters it has, where they are not its own
    train_only: bool = False  # whether it is part of a head that is there only in training


def rows(block: Block) -> Iterator[Row]:
    """Every operation of a block in order of execution, with dotted names."""
    for_training = training_only(block)
    owned = owners(block)
    for name, call, op in operations(block):
        cost, owner = op_cost(op, call.input_shapes), owned.get(name)
        yield Row(
            name=name,
            op=op.kind,
            output_shape=call.shape,
            params=0 if owner else cost.params,
            buffers=0 if owner else cost.buffers,
            macs=cost.macs,
            attributes=op.attributes,
            input_shapes=call.input_shapes,
            target=op,
            parameters={} if owner else op.parameters(*call.input_shapes),
            span=call.span,
            shared=owner,
            train_only=any(name == outer or name.startswith(f"{outer}.") for outer in for_training),
        )
