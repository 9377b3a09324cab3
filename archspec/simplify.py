"""Expressions made as short as a person would write them, without changing what they come to."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.expressions import Apply, Expr, ExpressionError, Literal, Name, Value, evaluate


def simplify(expr: Expr, constants: Mapping[str, Value]) -> Expr:
    """Replace names that are constant, compute what is known, and drop what does nothing.

    Names that stay stand for whole numbers, as sizes are.
    """
    if isinstance(expr, Name):
        return Literal(constants[expr.name]) if expr.name in constants else expr
    if isinstance(expr, Literal):
        return expr
    operands = tuple(simplify(o, constants) for o in expr.operands)
    if all(isinstance(o, Literal) for o in operands):
        try:
            return Literal(evaluate(Apply(expr.op, operands), {}))
        except ExpressionError:
            return Apply(expr.op, operands)  # it fails where it stands, and not here
    return _shorter(expr.op, operands)


def _shorter(op: str, operands: tuple[Expr, ...]) -> Expr:
    first, last = operands[0], operands[-1]
    match op:
        case "if" if isinstance(operands[0], Literal):
            return operands[1] if operands[0].value else operands[2]
        case "or" | "and":
            absorbing = op == "or"
            for one, other in ((first, last), (last, first)):
                if isinstance(one, Literal):
                    return Literal(absorbing) if bool(one.value) == absorbing else other
        case "*" if _is(first, 1):
            return last
        case "*" | "//" if _is(last, 1):
            return first
        case "+" if _is(first, 0):
            return last
        case "+" | "-" if _is(last, 0):
            return first
        case "-" if first == last:
            return Literal(0)
        case "//" if (
            isinstance(first, Apply) and first.op == "*" and first.operands[1] == last and not _is(last, 0)
        ):
            return first.operands[0]  # a * k // k
    return Apply(op, operands)


def _is(expr: Expr, value: int) -> bool:
    return isinstance(expr, Literal) and type(expr.value) is int and expr.value == value
