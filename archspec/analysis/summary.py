"""The rows of a summary: blocks opened to a depth, equal blocks shown once with their count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.ir import Block, Call, Chain
from archspec.ir.cost import Cost, block_cost, chain_cost, op_cost
from archspec.ir.network import Network
from archspec.ops import Op, Shape


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line: a module, or several equal ones (`layer1.1-2`); counts are of all of them together."""

    depth: int
    name: str
    what: str
    shape: Shape
    params: int
    macs: int


def table_rows(net: Network, depth: int) -> Iterator[TableRow]:
    """The rows of a net, blocks opened `depth` levels deep."""
    return _block(net.root, 0, depth)


def _block(block: Block, level: int, depth: int) -> Iterator[TableRow]:
    for call in block.calls:
        if not call.present:
            continue
        target = call.target
        if isinstance(target, Op):
            yield _row(level, call.name, target.summary(), call.shape, op_cost(target, call.input_shapes))
        elif isinstance(target, Block):
            yield _row(level, call.name, _instance(target), call.shape, block_cost(target))
            if level + 1 < depth:
                yield from _block(target, level + 1, depth)
        else:
            yield _row(
                level,
                call.name,
                f"{len(target)} {'block' if len(target) == 1 else 'blocks'}",
                call.shape,
                chain_cost(target),
            )
            if level + 1 < depth:
                yield from _chain(target, call, level + 1, depth)


def _chain(chain: Chain, call: Call, level: int, depth: int) -> Iterator[TableRow]:
    index = 0
    for run in chain.runs:
        last = index + run.count - 1
        name = f"{index}" if run.count == 1 else f"{index}-{last}"
        times = "" if run.count == 1 else f"{run.count} x "
        yield _row(level, name, times + _instance(run.block), run.block.shape, block_cost(run.block) * run.count)
        if level + 1 < depth:
            yield from _block(run.block, level + 1, depth)
        index += run.count


def _row(level: int, name: str, what: str, shape: Shape, cost: Cost) -> TableRow:
    return TableRow(level, name, what, shape, cost.params, cost.macs)


def _instance(block: Block) -> str:
    given = {k: v for k, v in block.args.items() if k in block.definition.arguments or k == "stride"}
    options = [f"{k}={v}" for k, v in given.items() if block.definition.defaults.get(k) != v]
    return f"{block.definition.name} {', '.join(options)}".strip()
