"""Arithmetic in specs: what an expression is, what it gives, and how Python writes it. `parse` reads one from text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archspec.diagnostics.spelling import did_you_mean

Value = int | float | bool | str | tuple[int, int]

LIMIT = 10**15  # no size in a net comes near; keeps products from growing without bound


class ExpressionError(ValueError):
    """An expression is wrong; `code` is that of the diagnostic, `name` the unknown name where that is the fault."""

    def __init__(self, code: str, message: str, name: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.help = help

    def remedy(self, known: Iterable[str]) -> str | None:
        """What to do about it where these names are known."""
        if self.name is None:
            return self.help
        if self.name == "classes" and "classes" not in (known := [*known]):
            return "add `classes: 1000`, or however many there are, to the spec"
        if self.name in _PLACES:
            return _PLACES[self.name]
        return did_you_mean(self.name, known) or "declare it in `args`"


_PLACES = {
    "i": "`i` counts the repetitions of a step that has `repeat`, from 0",
    "row": "`row` counts the rows of a table, from 0, and is known in its `rows`",
}
"""Names that are known in some places alone."""


def unknown(name: str) -> ExpressionError:
    """That nothing is called so."""
    return ExpressionError("AS202", f"unknown name `{name}`", name)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a truth value or a quoted word."""

    value: Value


@dataclass(frozen=True, slots=True)
class Name:
    """A reference to an argument."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function applied to operands; `if` has (condition, then, otherwise)."""

    op: str
    operands: tuple[Expr, ...]


Expr = Literal | Name | Apply

FUNCTIONS = {
    "min": (1, 99),
    "max": (1, 99),
    "divisible": (2, 2),
    **dict.fromkeys(("round", "floor", "ceil", "sqrt"), (1, 1)),
}
"""The functions of expressions: the fewest and the most operands of each."""

SIDES = ("[0]", "[1]")
"""The operators that take one direction of a pair; specs hand pairs on as they are."""

_IN_PYTHON = {"floor": "math.floor", "ceil": "math.ceil", "sqrt": "math.sqrt"}

Symbol = Expr | tuple[Expr, ...]
"""How the spec wrote an argument: one expression, or one for each direction."""


def names(expr: Expr) -> set[str]:
    """The arguments that an expression refers to."""
    if isinstance(expr, Name):
        return {expr.name}
    return set().union(*map(names, expr.operands)) if isinstance(expr, Apply) else set()


def substitute(expr: Expr, symbols: Mapping[str, Symbol]) -> Expr:
    """An expression in the names of the caller."""
    if isinstance(expr, Name):
        symbol = symbols.get(expr.name, expr)
        return expr if isinstance(symbol, tuple) else symbol
    if isinstance(expr, Apply):
        (first, *_) = expr.operands
        if expr.op in SIDES and isinstance(first, Name) and isinstance(pair := symbols.get(first.name), tuple):
            return pair[SIDES.index(expr.op)]
        return Apply(expr.op, tuple(substitute(o, symbols) for o in expr.operands))
    return expr


def evaluate(expr: Expr, scope: Mapping[str, Value]) -> Value:
    """Compute an expression. Raises ExpressionError (AS202 unknown name, AS203 impossible, AS204 wrong operand)."""
    if isinstance(expr, Literal):
        return expr.value
    if isinstance(expr, Name):
        if expr.name not in scope:
            raise unknown(expr.name)
        return scope[expr.name]
    if expr.op == "if":
        test, then, otherwise = expr.operands
        return evaluate(then if evaluate(test, scope) else otherwise, scope)
    if expr.op in ("and", "or"):
        left = evaluate(expr.operands[0], scope)
        return evaluate(expr.operands[1], scope) if bool(left) == (expr.op == "and") else left
    values = [evaluate(o, scope) for o in expr.operands]
    if expr.op in SIDES:
        return values[0][SIDES.index(expr.op)] if isinstance(values[0], tuple) else values[0]
    if expr.op == "not":
        return not values[0]
    if expr.op in ("==", "!="):
        return (values[0] == values[1]) == (expr.op == "==")
    return _compute(expr.op, values)


def substituted(symbol: Symbol, known: Mapping[str, Symbol]) -> Symbol:
    """A number or pair with names replaced, a name alone also by a pair."""
    if not known:
        return symbol
    if isinstance(symbol, tuple):
        return tuple(substitute(each, known) for each in symbol)
    return known.get(symbol.name, symbol) if isinstance(symbol, Name) else substitute(symbol, known)


def render(expr: Expr, scope: Mapping[str, str]) -> str:
    """Write an expression as Python source, which it is a subset of, with names replaced from `scope`.

    Only tokens of the grammar and the given replacements can appear in the result.
    """
    return _render(expr, scope)[0]


def _compute(op: str, values: list[Value]) -> Value:
    numbers: list[int | float] = []
    for value in values:
        if isinstance(value, (bool, str, tuple)):
            help_ = _NOT_A_NUMBER.get(type(value), _NOT_A_NUMBER[str])
            raise ExpressionError("AS204", f"`{op}` needs numbers, not {value!r}", help=help_)
        numbers.append(value)
    a, b = numbers[0], numbers[-1]
    result: int | float
    match op:
        case "round" | "floor" | "ceil":
            result = round(a) if op == "round" else math.floor(a) if op == "floor" else math.ceil(a)
        case "sqrt":
            if a < 0:
                help_ = "take the root of what is never below 0, as in `sqrt(max(0, width))`"
                raise ExpressionError("AS203", f"the root of {a}, which is below 0", help=help_)
            result = math.sqrt(a)
        case "divisible":
            result = divisible(a, b)
        case "min":
            result = min(numbers)
        case "max":
            result = max(numbers)
        case "neg":
            result = -a
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case "/" | "//" | "%":
            if b == 0:
                help_ = "divide by what is never 0, as in `width // max(1, parts)`"
                raise ExpressionError("AS203", f"division by zero in `{a} {op} {b}`", help=help_)
            result = a / b if op == "/" else a // b if op == "//" else a % b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case _:
            return a >= b
    if not abs(result) <= LIMIT:  # also catches nan
        help_ = "no size of a net comes near it: look for a factor too many"
        raise ExpressionError("AS203", f"the result of `{op}` is larger than {LIMIT:.0e}", help=help_)
    return result


def divisible(number: float, divisor: float) -> int:
    """The multiple of a divisor that is nearest, but not less than 0.9 of the number and not 0: widths of MobileNets."""
    if type(divisor) is not int or divisor < 1:
        message = f"`divisible` needs a whole number above 0 to divide by, not {divisor}"
        raise ExpressionError("AS203", message, help="such as `divisible(width * 0.75, 8)`")
    near = max(divisor, int(number + divisor / 2) // divisor * divisor)
    return near if near >= 0.9 * number else near + divisor


def is_python(expr: Expr) -> bool:
    """Whether Python can say an expression."""
    return not isinstance(expr, Apply) or (expr.op != "divisible" and all(map(is_python, expr.operands)))


_NOT_A_NUMBER = {
    bool: "choose a number by it, as in `2 if flag else 1`",
    str: "compare words with `==`; a number stands without quotes",
    tuple: "hand the pair on as it is, or declare a number for each direction",
}


_PRECEDENCE = {
    "if": 1,
    "or": 2,
    "and": 3,
    "not": 4,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "//": 7,
    "%": 7,
    "neg": 8,
}


def _render(expr: Expr, scope: Mapping[str, str]) -> tuple[str, int]:
    if isinstance(expr, Literal):
        return repr(expr.value), 9
    if isinstance(expr, Name):
        text = scope.get(expr.name, expr.name)
        return text, 9 if re.fullmatch(r"[\w.]+", text) else 0
    rank = _PRECEDENCE.get(expr.op, 5)

    def operand(index: int, at_least: int) -> str:
        text, own = _render(expr.operands[index], scope)
        return text if own >= at_least else f"({text})"

    if expr.op in SIDES:
        return f"{_render(expr.operands[0], scope)[0]}{expr.op}", 9
    if expr.op in FUNCTIONS:
        return f"{_IN_PYTHON.get(expr.op, expr.op)}({', '.join(_render(o, scope)[0] for o in expr.operands)})", 9
    if expr.op == "if":
        return f"{operand(1, 2)} if {operand(0, 2)} else {operand(2, 1)}", rank
    if expr.op == "not":
        return f"not {operand(0, rank)}", rank
    if expr.op == "neg":
        return f"-{operand(0, rank)}", rank
    return f"{operand(0, rank + (rank == 5))} {expr.op} {operand(1, rank + 1)}", rank
