"""The rows of a summary: blocks opened to a depth, equal blocks shown once with their count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.analysis.fine_tuning import frozen_count
from archspec.ir import Block, Chain
from archspec.ir.cost import Cost, block_cost, chain_cost, op_cost
from archspec.ir.network import Network
from archspec.ops import Op, Shape, show
from archspec.syntax.expressions import Value


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


class SummaryText(str):
    """The table as text, which Python's prompt and notebooks show as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary_text(net: Network, depth: int = 3) -> SummaryText:
    """The rows of a net in columns, and what they come to; blocks opened `depth` levels deep."""
    head = ("module", "operation", "output", "parameters", "multiply-adds")
    rows = [
        ("  " * row.depth + row.name, row.what, show(row.shape), f"{row.params:,}", f"{row.macs:,}")
        for row in table_rows(net, depth)
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join([cell.ljust(width) if place < 2 else cell.rjust(width)
                   for place, (cell, width) in enumerate(zip(row, widths, strict=True))])
        for row in (head, *rows)
    ]  # fmt: skip
    cost = net.cost
    total = f"{cost.params:,} parameters, {cost.macs:,} multiply-adds for one image"
    frozen = frozen_count(net)
    told = [f"{frozen:,} of these parameters are frozen in training"] if frozen else []
    return SummaryText("\n".join([f"{net.name}: {show(net.input_shape)} images", "", *lines, "", total, *told]))


def _block(block: Block, level: int, depth: int, shared: bool = False) -> Iterator[TableRow]:
    """The rows of a block, the parameters of which belong to another where it is `shared`."""
    for call in block.calls:
        if not call.present:
            continue
        target = call.target
        again = shared or call.owner is not None
        of = f", layers of {call.owner}" if call.owner is not None else ""
        if isinstance(target, Op):
            cost = op_cost(target, call.input_shapes)
            yield _row(level, call.name, target.summary() + of, call.shape, cost, again)
        elif isinstance(target, Block):
            yield _row(level, call.name, _instance(target) + of, call.shape, block_cost(target), again)
            if level + 1 < depth:
                yield from _block(target, level + 1, depth, again)
        else:
            count = f"{len(target)} {'block' if len(target) == 1 else 'blocks'}"
            yield _row(level, call.name, count, call.shape, chain_cost(target), again)
            if level + 1 < depth:
                yield from _chain(target, level + 1, depth, again)


def _chain(chain: Chain, level: int, depth: int, shared: bool) -> Iterator[TableRow]:
    index = 0
    for run in chain.runs:
        last = index + run.count - 1
        name = f"{index}" if run.count == 1 else f"{index}-{last}"
        times = "" if run.count == 1 else f"{run.count} x "
        cost = block_cost(run.block) * run.count
        yield _row(level, name, times + _instance(run.block), run.block.shape, cost, shared)
        if level + 1 < depth:
            yield from _block(run.block, level + 1, depth, shared)
        index += run.count


def _row(level: int, name: str, what: str, shape: Shape, cost: Cost, shared: bool) -> TableRow:
    return TableRow(level, name, what, shape, 0 if shared else cost.params, cost.macs)


def options(block: Block) -> dict[str, Value]:
    """The arguments of a block that are not the defaults."""
    given = {k: v for k, v in block.args.items() if k in block.definition.arguments or k == "stride"}
    return {k: v for k, v in given.items() if block.definition.defaults.get(k) != v}


def _instance(block: Block) -> str:
    told = [f"{k}={v}" for k, v in options(block).items()]
    return f"{block.definition.name} {', '.join(told)}".strip()
