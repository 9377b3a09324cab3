"""Members and expressions of a class in other names: those of its parameters, or of what these stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from archspec.emission.block_classes import Member
from archspec.syntax.expressions import Expr, Literal, Name, Symbol, names, substitute
from archspec.syntax.simplify import simplify


def uses_of_names(expr: Expr) -> Iterator[str]:
    """Every use of a name."""
    if isinstance(expr, Name):
        yield expr.name
    elif not isinstance(expr, Literal):
        for operand in expr.operands:
            yield from uses_of_names(operand)


def renamed(member: Member, known: Mapping[str, Symbol], shorter: bool = False) -> Member:
    """A member with names replaced; what becomes `shorter` thereby is written so."""

    def there(expr: Expr) -> Expr:
        made = substitute(expr, known)
        return simplify(made, {}) if shorter and made != expr else made

    numbers: dict[str, Symbol] = {
        name: tuple(map(there, symbol))
        if isinstance(symbol, tuple)
        else known[symbol.name]
        if isinstance(symbol, Name) and symbol.name in known
        else there(symbol)
        for name, symbol in member.numbers.items()
    }
    when = there(member.when) if member.when is not None else None
    written = {name: substitute(expr, known) for name, expr in member.written.items()}
    loop = there(member.loop) if member.loop is not None else None
    return replace(
        member, in_channels=there(member.in_channels), numbers=numbers, when=when, written=written, loop=loop
    )


def in_names(symbol: Symbol | None, follows: Mapping[str, Expr], known: Mapping[str, Symbol]) -> Expr | None:
    """An expression in the names of a class; None where it needs others."""
    if symbol is None or isinstance(symbol, tuple):
        return None
    for name, expr in follows.items():
        symbol = simplify(substitute(symbol, {name: expr}), {})
    return substitute(symbol, known) if names(symbol) <= known.keys() else None
