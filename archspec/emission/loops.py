"""The blocks of a chain as loops: equal ones, and ones whose numbers follow from their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from archspec.emission.block_classes import BlockClass, ClassOf
from archspec.ir import Block, Chain, Run
from archspec.syntax.expressions import (
    Apply,
    Expr,
    ExpressionError,
    Literal,
    Name,
    Symbol,
    Value,
    evaluate,
    names,
    substitute,
)
from archspec.syntax.simplify import simplify

PLACE = "i"
"""The variable of loops: the place of a block in the net where numbers follow from it, else in the loop."""

SHORTEST = 3
"""Blocks that are worth a loop."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive runs that are written together: one, or single blocks with their places in a loop."""

    runs: Sequence[Run]
    numbers: Mapping[str, Symbol]
    place: range | None = None


def stretches(chain: Chain, of: ClassOf) -> Iterator[Stretch]:
    """The runs of a chain in as few loops as their numbers allow."""
    runs, position, place = chain.runs, 0, chain.first
    while position < len(runs):
        found = _loop(chain, position, place, of) or Stretch(
            runs[position : position + 1], _values(runs[position], of)
        )
        yield found
        position += len(found.runs)
        place += sum(run.count for run in found.runs)


def _values(run: Run, of: ClassOf) -> Mapping[str, Symbol]:
    return of[run.block].values(run.block)


def _loop(chain: Chain, position: int, place: int, of: ClassOf) -> Stretch | None:
    """The longest loop that begins with a run; None where it is too short for one."""
    blocks = [run.block for run in chain.runs[position : position + 2] if run.count == 1]
    if len(blocks) < 2 or of[blocks[0]] is not of[blocks[1]]:
        return None
    cls = of[blocks[0]]
    exprs = {
        p.name: _follows(cls, p.argument, [cls.value(b, p) for b in blocks], chain, place) for p in cls.parameters
    }
    if not any(PLACE in names(e) for e in exprs.values() if e is not None) or None in exprs.values():
        return None
    numbers: dict[str, Expr] = {name: e for name, e in exprs.items() if e is not None}
    length = 0
    for run in chain.runs[position:]:
        if run.count != 1 or of[run.block] is not cls or not _fits(cls, run.block, numbers, place + length):
            break
        length += 1
    if length < SHORTEST:
        return None
    start = place
    if not any(p.argument in chain.symbols and PLACE in names(numbers[p.name]) for p in cls.parameters):
        numbers = {
            name: _moved(e, place) for name, e in numbers.items()
        }  # nothing counts from the first block of the net
        start = 0
    return Stretch(chain.runs[position : position + length], numbers, range(start, start + length))


def _follows(cls: BlockClass, argument: str, values: list[Value], chain: Chain, place: int) -> Expr | None:
    """How a number follows from the place of a block, as the spec wrote it or as one that grows evenly."""
    first, second = values
    written = chain.symbols.get(argument)
    if written is not None and not isinstance(written, tuple) and "index" in names(written):
        expr = substitute(written, {"index": Name(PLACE)})
        if all(_at(expr, place + i) == value for i, value in enumerate(values)):
            return expr
    if first == second and type(first) is type(second):
        return Literal(first)
    if type(first) is int and type(second) is int and second > first:
        grown = Apply("*", (Literal(second - first), Apply("-", (Name(PLACE), Literal(place)))))
        return simplify(Apply("+", (Literal(first), grown)), {})
    return None


def _fits(cls: BlockClass, block: Block, numbers: Mapping[str, Expr], place: int) -> bool:
    return all(_at(numbers[p.name], place) == cls.value(block, p) for p in cls.parameters)


def _at(expr: Expr, place: int) -> Value | None:
    if isinstance(expr, Literal):
        return expr.value
    try:
        return evaluate(expr, {PLACE: place})
    except ExpressionError:
        return None


def _moved(expr: Expr, place: int) -> Expr:
    """An expression in the place in the loop instead of that in the net."""
    return simplify(substitute(expr, {PLACE: Apply("+", (Name(PLACE), Literal(place)))}), {})
