"""Repetition of steps: the names that each stands under, and what expressions in it may refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from archspec.expansion.binding import Binder
from archspec.language.step import Step
from archspec.syntax.expressions import Apply, Expr, ExpressionError, Literal, Value, evaluate, names, substitute
from archspec.syntax.identifiers import step_name_fault
from archspec.syntax.nodes import Node
from archspec.syntax.parse import parse

_PART = re.compile(r"\{([^{}]*)\}")
PLACES = ("i", "row", "index", "blocks")
"""Names that repeated steps and rows know: the place in a repetition, the row, and the place among all blocks of a table."""


def places_of(step: Step) -> tuple[str, ...]:
    """The names that expressions of a step know beside those around it."""
    repeated = () if step.repeat is None else ("i",)
    return repeated if step.cells is None else ("i", *PLACES[1:], *step.cells.nodes)


def repetitions(
    step: Step, scope: Mapping[str, Value], binder: Binder
) -> Iterator[tuple[Step, Mapping[str, Value]]] | None:
    """The steps that one stands for, with the scope of each; None where it cannot be told how many they are.

    As in a stage, the first takes the stride and the values that are named, and the others follow it.
    """
    count = 1
    if step.repeat is not None and step.repeat_span is not None:
        cells = _cells(step, scope)
        if _is_word(step, step.repeat, {**scope, **cells}, scope, binder):
            return None
        found = binder.count(step.repeat, {**scope, **cells}, step.repeat_span)
        if found is None:
            return None
        count = found
    return _each(step, scope, count, binder)


def _is_word(
    step: Step, repeat: Expr, known: Mapping[str, Value], scope: Mapping[str, Value], binder: Binder
) -> bool:
    """Whether a count is computed of a cell that is a word, which is recorded where the cell is."""
    cells = step.cells.nodes if step.cells is not None else {}
    for name in sorted(names(repeat) - known.keys()):
        if (node := cells.get(name)) is not None and isinstance(node.value, str):
            try:
                evaluate(parse(node.value), scope)
            except ExpressionError as error:
                binder.add(error.code, f"`{name}`: {error}", node.span, error.remedy(scope))
                return True
    return False


def _each(
    step: Step, scope: Mapping[str, Value], count: int, binder: Binder
) -> Iterator[tuple[Step, Mapping[str, Value]]]:
    others = following(step) if count > 1 else step
    within = step.cells is not None and step.cells.known
    before, blocks = (scope["index"], scope["blocks"]) if within else _place(step, scope)
    assert isinstance(before, int)
    for i in range(count):
        here = step if i == 0 else others
        places: dict[str, Value] = {} if step.repeat is None else {"i": i}
        if step.cells is not None:
            places |= {"i": i, "index": before + i, "blocks": blocks}
        yield here, {**scope, **_cells(here, scope), **places}


@lru_cache(maxsize=4096)
def following(step: Step) -> Step:
    """A repeated step as it stands behind the first: without its stride and its named values."""
    cells = step.cells and replace(step.cells, nodes=_unit_stride(step.cells.nodes))
    return replace(step, args=_unit_stride(step.args), cells=cells, sources=None, source_spans=())


@lru_cache(maxsize=4096)
def unnamed(step: Step) -> Step:
    """A step as it stands in the chain that has its name, its condition and its input."""
    return replace(step, name=None, name_span=None, when=None, when_span=None, sources=None, source_spans=())


@lru_cache(maxsize=4096)
def inlined(step: Step, when: Expr | None) -> tuple[Step, ...]:
    """The steps that one holds for the list around, each under its condition beside their own.

    Conditions are as they read inside, where `i` is that of the innermost repetition.
    """
    steps = step.chain or ()
    if when is None:
        return steps
    both = (when if inner.when is None else Apply("and", (when, inner.when)) for inner in steps)
    return tuple(
        replace(s, when=w, when_span=s.when_span or step.when_span) for s, w in zip(steps, both, strict=True)
    )


def _unit_stride(nodes: Mapping[str, Node]) -> dict[str, Node]:
    return {k: Node(1, node.span) if k == "stride" else node for k, node in nodes.items()}


def _cells(step: Step, scope: Mapping[str, Value]) -> dict[str, Value]:
    """The cells of a row that are numbers, and where the row stands."""
    if step.cells is None:
        return {}
    if step.cells.known:
        return {}
    found: dict[str, Value] = {"row": step.cells.place}
    for name, node in step.cells.nodes.items():
        if isinstance(node.value, str):
            try:
                found[name] = evaluate(parse(node.value), scope)
            except ExpressionError:
                continue  # a word, which only an argument can take
        elif isinstance(node.value, (int, float)):
            found[name] = node.value
    return found


def _place(step: Step, scope: Mapping[str, Value]) -> tuple[int, int]:
    """How many blocks of a table stand before a row, and how many in all."""
    counts = [_count(row, scope) for row in step.table]
    before = sum(counts[: step.cells.place]) if step.cells is not None else 0
    return before, sum(counts)


def _count(row: Step, scope: Mapping[str, Value]) -> int:
    if row.repeat is None:
        return 1
    try:
        value = evaluate(row.repeat, {**scope, **_cells(row, scope)})
    except ExpressionError:
        return 0
    return int(value) if isinstance(value, (int, float)) else 0


def constants(step: Step, scope: Mapping[str, Value], outer: Mapping[str, Expr]) -> dict[str, Expr]:
    """What the names of a step's own are written as in source: numbers, and cells as the table has them."""
    cells = step.cells.nodes if step.cells is not None else {}
    found: dict[str, Expr] = {}
    for name in places_of(step):
        if name in scope:
            cell = cells[name].value if name in cells else None
            found[name] = substitute(_written(cell, scope[name]), outer)
    return found


def _written(cell: object, value: Value) -> Expr:
    """A cell as an expression; what is none stands for its value, since it was told of where it was read."""
    if not isinstance(cell, str):
        return Literal(value)
    try:
        return parse(cell)
    except ExpressionError:
        return Literal(value)


def named(step: Step, scope: Mapping[str, Value], binder: Binder) -> str | None:
    """The name of one repetition, with the values of expressions in it; None where it has none, or a wrong one."""
    if step.name is None or step.name_span is None or not step.is_pattern:
        return step.name
    try:
        name = _PART.sub(lambda part: _text(part[1], scope), step.name)
    except ExpressionError as error:
        binder.add(error.code, f"`{step.name}`: {error}", step.name_span, error.remedy(scope))
        return None
    fault = step_name_fault(name)
    if fault and ("{" in name or "}" in name):
        fault = "an expression in a name stands between braces: `conv{i + 1}`"
    if fault:
        binder.add("AS106", f"`{name}` cannot name a module", step.name_span, fault)
        return None
    return name


def _text(expression: str, scope: Mapping[str, Value]) -> str:
    value = evaluate(parse(expression), scope)
    if isinstance(value, (bool, float)):
        message = f"`{expression}` is {str(value).lower()}, and names have whole numbers and words in them"
        raise ExpressionError("AS204", message, help="such as `layer{i + 1}`")
    return str(value)
