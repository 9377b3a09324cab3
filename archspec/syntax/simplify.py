"""Expressions made as short as a person would write them, without changing what they come to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from archspec.syntax.expressions import Apply, Expr, ExpressionError, Literal, Name, Symbol, Value, evaluate
from archspec.syntax.polynomials import ARITHMETIC, is_whole, polynomial, written


def simplify(expr: Expr, constants: Mapping[str, Value], reals: Collection[str] = ()) -> Expr:
    """Replace names that are constant, compute what is known, and drop what does nothing.

    Names other than `reals` stand for whole numbers, as sizes are. What the spec wrote stays as it is unless there is
    something shorter.
    """
    if isinstance(expr, Name):
        return Literal(constants[expr.name]) if expr.name in constants else expr
    if isinstance(expr, Literal):
        return expr
    operands = tuple(simplify(o, constants, reals) for o in expr.operands)
    if all(isinstance(o, Literal) for o in operands):
        try:
            return Literal(evaluate(Apply(expr.op, operands), {}))
        except ExpressionError:
            return Apply(expr.op, operands)  # it fails where it stands, and not here
    made = _shorter(expr.op, operands)
    if isinstance(made, Apply) and made.op in ARITHMETIC and is_whole(made, reals):
        terms = polynomial(made)
        if terms is not None:
            places = {factor: place for place, factor in reversed(list(enumerate(_parts(made))))}
            other = written(terms, lambda factor: (places.get(factor, len(places)), ""))
            return other if size(other) < size(made) else made
    return made


def normal(expr: Expr, reals: Collection[str] = ()) -> Expr:
    """A form that expressions have in common which come to the same by arithmetic, whatever their names stand for."""
    if isinstance(expr, Apply):
        expr = Apply(expr.op, tuple(normal(o, reals) for o in expr.operands))
        if expr.op in ARITHMETIC and is_whole(expr, reals):
            terms = polynomial(expr)
            return expr if terms is None else written(terms)
    return expr


def simplified(symbol: Symbol, constants: Mapping[str, Value], reals: Collection[str] = ()) -> Symbol:
    """A number or pair, as short as a person would write it."""
    if isinstance(symbol, tuple):
        return tuple(simplify(each, constants, reals) for each in symbol)
    return simplify(symbol, constants, reals)


def size(expr: Expr) -> int:
    """How many names, numbers and operators an expression has."""
    return 1 + sum(map(size, expr.operands)) if isinstance(expr, Apply) else 1


def _parts(expr: Expr) -> Iterator[Expr]:
    """An expression with all that is inside of it, from left to right."""
    yield expr
    if isinstance(expr, Apply):
        for operand in expr.operands:
            yield from _parts(operand)


def _shorter(op: str, operands: tuple[Expr, ...]) -> Expr:
    first, last = operands[0], operands[-1]
    match op:
        case "if" if isinstance(first, Literal):
            return operands[1] if first.value else operands[2]
        case "if" if operands[1] == operands[2]:
            return operands[1]
        case "or" | "and":
            absorbing = op == "or"
            for one, other in ((first, last), (last, first)):
                if isinstance(one, Literal):
                    return Literal(absorbing) if bool(one.value) == absorbing else other
        case "*" if _is(first, 1):
            return last
        case "*" if _is(last, 1):
            return first
        case "+" if _is(first, 0):
            return last
        case "+" | "-" if _is(last, 0):
            return first
    return Apply(op, operands)


def _is(expr: Expr, value: int) -> bool:
    return isinstance(expr, Literal) and type(expr.value) is int and expr.value == value
