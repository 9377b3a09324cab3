"""From a spec's value to an argument's: expressions are evaluated, kinds check the result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from archspec.ops.arguments import Kind
from archspec.syntax.expressions import (
    SIDES,
    Apply,
    Expr,
    ExpressionError,
    Literal,
    Name,
    Symbol,
    Value,
    evaluate,
    names,
    unknown,
)
from archspec.syntax.parse import parse


def compute(raw: object, kind: Kind, scope: Mapping[str, Value]) -> tuple[Any, Symbol | None]:
    """The value that `kind` makes of `raw`, and how it was written where an expression or number was.

    Raises ArgumentError or ExpressionError.
    """
    if not kind.takes_expressions:
        if isinstance(raw, str) and raw.startswith("$"):
            return kind.parse(_lookup(raw[1:], scope)), None
        return kind.parse(raw), None
    if isinstance(raw, (list, tuple)):
        symbols = [_symbol(each) for each in raw]
        values = [_value(r, s, scope) for r, s in zip(raw, symbols, strict=True)]
        written = tuple(symbol for symbol in symbols if symbol is not None)
        return kind.parse(values), written if len(written) == len(symbols) else None
    symbol = _symbol(raw)
    value = _value(raw, symbol, scope)
    if isinstance(value, tuple) and symbol is not None:
        high, wide = SIDES
        return kind.parse(value), (Apply(high, (symbol,)), Apply(wide, (symbol,)))
    return kind.parse(value), symbol


def faults(raw: object, kind: Kind, known: Collection[str] | None) -> list[ExpressionError]:
    """What is wrong with a value whatever its names stand for: its grammar, and names that are not known, if any are not."""
    try:
        written = _written(raw, kind)
    except ExpressionError as error:
        return [error]
    if known is None:
        return []
    return [unknown(name) for name in sorted(name for expr in written for name in names(expr) if name not in known)]


def is_constant(raw: object, kind: Kind) -> bool:
    """Whether a value that can be read is the same in every scope."""
    return not any(names(expr) for expr in _written(raw, kind))


def names_in(raw: object, kind: Kind) -> set[str]:
    """The names that a value depends on. Raises ExpressionError where it cannot be read."""
    return {name for expr in _written(raw, kind) for name in names(expr)}


def _written(raw: object, kind: Kind) -> list[Expr]:
    """The expressions that a value consists of."""
    if not kind.takes_expressions:
        return [Name(raw[1:])] if isinstance(raw, str) and raw.startswith("$") else []
    parts = raw if isinstance(raw, (list, tuple)) else [raw]
    return [symbol for part in parts if (symbol := _symbol(part)) is not None]


def _symbol(raw: object) -> Expr | None:
    if isinstance(raw, str):
        return parse(raw)
    return Literal(raw) if isinstance(raw, (bool, int, float)) else None


def _value(raw: object, symbol: Expr | None, scope: Mapping[str, Value]) -> object:
    return raw if symbol is None else evaluate(symbol, scope)


def _lookup(name: str, scope: Mapping[str, Value]) -> Value:
    if name not in scope:
        raise unknown(name)
    return scope[name]


def mentioned(raw: object) -> set[str]:
    """The names in a value as it is written; none in what is no expression."""
    parts = raw if isinstance(raw, (list, tuple)) else [raw]
    found = set[str]()
    for part in parts:
        try:
            found |= names(parse(part)) if isinstance(part, str) else set()
        except ExpressionError:
            continue
    return found
