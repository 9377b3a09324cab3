"""Arithmetic in specs: a grammar, a parser and an evaluator of our own. Nothing here reaches Python's `eval`.

condition  = disjunction [ "if" disjunction "else" condition ]
disjunction = conjunction { "or" conjunction }
conjunction = negation { "and" negation }
negation   = "not" negation | comparison
comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
sum        = product { ("+" | "-") product }
product    = unary { ("*" | "/" | "//" | "%") unary }
unary      = "-" unary | atom
atom       = number | string | "true" | "false" | ["$"] name | ("min" | "max") "(" condition { "," condition } ")"
           | "(" condition ")"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from archspec.diagnostics import did_you_mean, stranger

Value = int | float | bool | str

LIMIT = 10**15  # no size in a net comes near; keeps products from growing without bound
MAX_LENGTH = 500
MAX_DEPTH = 50

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>\$?[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<string>'[^'\\\n]*'|\"[^\"\\\n]*\")|(?P<op>//|==|!=|<=|>=|[-+*/%()<>,]))",
    re.ASCII,
)
_KEYWORDS = {"if", "else", "and", "or", "not", "true", "false", "min", "max"}


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
        return did_you_mean(self.name, known) or "declare it in `args`"


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


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """Parse an expression. Raises ExpressionError (AS201)."""
    if len(text) > MAX_LENGTH:
        message = f"an expression has at most {MAX_LENGTH} characters, not {len(text)}"
        raise ExpressionError("AS201", message, help="compute parts of it in `args`")
    return _Parser(text).whole()


def names(expr: Expr) -> set[str]:
    """The arguments that an expression refers to."""
    if isinstance(expr, Name):
        return {expr.name}
    return set().union(*map(names, expr.operands)) if isinstance(expr, Apply) else set()


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
    if expr.op == "not":
        return not values[0]
    if expr.op in ("==", "!="):
        return (values[0] == values[1]) == (expr.op == "==")
    return _compute(expr.op, values)


def render(expr: Expr, scope: Mapping[str, str]) -> str:
    """Write an expression as Python source, which it is a subset of, with names replaced from `scope`.

    Only tokens of the grammar and the given replacements can appear in the result.
    """
    return _render(expr, scope)[0]


def _compute(op: str, values: list[Value]) -> Value:
    numbers: list[int | float] = []
    for value in values:
        if isinstance(value, (bool, str)):
            raise ExpressionError("AS204", f"`{op}` needs numbers, not {value!r}", help=_NOT_A_NUMBER[type(value)])
        numbers.append(value)
    a, b = numbers[0], numbers[-1]
    result: int | float
    match op:
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


_NOT_A_NUMBER = {
    bool: "choose a number by it, as in `2 if flag else 1`",
    str: "compare words with `==`; a number stands without quotes",
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

    if expr.op in ("min", "max"):
        return f"{expr.op}({', '.join(_render(o, scope)[0] for o in expr.operands)})", 9
    if expr.op == "if":
        return f"{operand(1, 2)} if {operand(0, 2)} else {operand(2, 1)}", rank
    if expr.op == "not":
        return f"not {operand(0, rank)}", rank
    if expr.op == "neg":
        return f"-{operand(0, rank)}", rank
    return f"{operand(0, rank + (rank == 5))} {expr.op} {operand(1, rank + 1)}", rank


_SIGNS = "an expression has names, numbers, `+ - * / // %`, comparisons, `min`, `max` and parentheses"
_OTHER_SIGNS = {
    "=": "compare with `==`",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`, or compare with `!=`",
    "×": "multiply with `*`",
    "^": "there are no powers: write `n * n`",
    "{": "write the name alone: braces are for the `name` of a spec",
    "}": "write the name alone: braces are for the `name` of a spec",
    "$": "a reference is `$` and a name, as in `$width`",
}


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0
        self.depth = 0

    def _tokens(self) -> Iterator[tuple[str, str]]:
        end = 0
        stripped = self.text.rstrip()
        while end < len(stripped):
            match = _TOKEN.match(self.text, end)
            if match is None:
                sign = self.text[end:].lstrip()[:1]
                raise ExpressionError(
                    "AS201",
                    f"unexpected {sign!r} in `{self.text}`",
                    help=_OTHER_SIGNS.get(sign) or stranger(sign) or _SIGNS,
                )
            yield str(match.lastgroup), match[match.lastgroup or 0]
            end = match.end()

    def whole(self) -> Expr:
        expr = self.condition()
        if self.at < len(self.tokens):
            raise self.unexpected()
        return expr

    def unexpected(self) -> ExpressionError:
        at_end = self.at == len(self.tokens)
        found = "unexpected end" if at_end else f"unexpected `{self.tokens[self.at][1]}`"
        help_ = self._what_is_missing() if at_end else self._what_to_write(*self.tokens[self.at])
        return ExpressionError("AS201", f"{found} in `{self.text}`", help=help_)

    def _what_is_missing(self) -> str:
        if self.text.count("(") > self.text.count(")"):
            return "close the `(`; a comma ends a value inside `{...}` or `[...]`, where an expression with one stands in quotes"
        if not self.tokens:
            return "write a name or a number"
        return f"something is missing after `{self.tokens[-1][1]}`"

    def _what_to_write(self, kind: str, text: str) -> str:
        """What may have been meant by a token that has no place."""
        before = self.tokens[self.at - 1] if self.at else ("", "")
        if text == "*" == before[1]:
            return "there are no powers: write `n * n`"
        if kind == "op" or text in _KEYWORDS:
            return "a `)` closes nothing here" if text == ")" else f"a value is missing before `{text}`"
        return "multiply with `*`" if text in ("x", "X") else f"put an operator before `{text}`, such as `*`"

    def take(self, *texts: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind != "string" and text in texts:
                self.at += 1
                return text
        return None

    def expect(self, text: str) -> None:
        if self.take(text) is None:
            raise self.unexpected()

    def condition(self) -> Expr:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                "AS201", f"parentheses nested deeper than {MAX_DEPTH}", help="compute parts of it in `args`"
            )
        then = self.binary(0)
        if self.take("if"):
            test = self.binary(0)
            self.expect("else")
            then = Apply("if", (test, then, self.condition()))
        self.depth -= 1
        return then

    LEVELS = (
        ("or",),
        ("and",),
        ("not",),
        ("==", "!=", "<", "<=", ">", ">="),
        ("+", "-"),
        ("*", "/", "//", "%"),
    )

    def binary(self, level: int) -> Expr:
        if level == len(self.LEVELS):
            return self.unary()
        ops = self.LEVELS[level]
        if ops == ("not",):
            nots = 0
            while self.take("not"):
                nots += 1
            expr = self.binary(level + 1)
            for _ in range(nots):
                expr = Apply("not", (expr,))
            return expr
        expr = self.binary(level + 1)
        while op := self.take(*ops):
            expr = Apply(op, (expr, self.binary(level + 1)))
            if "==" in ops:
                break  # comparisons do not chain
        return expr

    def unary(self) -> Expr:
        negations = 0
        while self.take("-"):
            negations += 1
        expr = self.atom()
        for _ in range(negations):
            expr = (
                Literal(-expr.value)
                if isinstance(expr, Literal) and not isinstance(expr.value, (bool, str))
                else Apply("neg", (expr,))
            )
        return expr

    def atom(self) -> Expr:
        if self.take("("):
            inside = self.condition()
            self.expect(")")
            return inside
        if function := self.take("min", "max"):
            self.expect("(")
            operands = [self.condition()]
            while self.take(","):
                operands.append(self.condition())
            self.expect(")")
            return Apply(function, tuple(operands))
        if word := self.take("true", "false"):
            return Literal(word == "true")
        if self.at == len(self.tokens):
            raise self.unexpected()
        kind, text = self.tokens[self.at]
        if kind == "op" or text in _KEYWORDS:
            raise self.unexpected()
        self.at += 1
        if kind == "string":
            return Literal(text[1:-1])
        if kind == "number":
            return Literal(_number(text))
        return Name(text.removeprefix("$"))


def _number(text: str) -> int | float:
    value = int(text) if text.isdigit() and len(text) < 20 else float(text)
    if value > LIMIT:
        message = f"the number {text[:20]} is larger than {LIMIT:.0e}"
        raise ExpressionError("AS201", message, help="no size of a net comes near it")
    return value
