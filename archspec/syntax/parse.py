"""Reading the arithmetic of specs: a grammar and a parser of our own. Nothing here reaches Python's `eval`.

condition  = disjunction [ "if" disjunction "else" condition ]
disjunction = conjunction { "or" conjunction }
conjunction = negation { "and" negation }
negation   = "not" negation | comparison
comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
sum        = product { ("+" | "-") product }
product    = unary { ("*" | "/" | "//" | "%") unary }
unary      = "-" unary | atom
atom       = number | string | "true" | "false" | ["$"] name | function "(" condition { "," condition } ")"
           | "(" condition ")"
function   = "min" | "max" | "round" | "floor" | "ceil" | "sqrt" | "divisible"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from archspec.diagnostics.spelling import did_you_mean, stranger
from archspec.syntax.expressions import FUNCTIONS, LIMIT, Apply, Expr, ExpressionError, Literal, Name

MAX_LENGTH = 500
MAX_DEPTH = 50
MAX_OPERATORS = 100

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>\$?[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<string>'[^'\\\n]*'|\"[^\"\\\n]*\")|(?P<op>//|==|!=|<=|>=|[-+*/%()<>,]))",
    re.ASCII,
)
_OPERATORS = {*"+-*/%<>", "//", "==", "!=", "<=", ">=", "if", "and", "or", "not"}
_KEYWORDS = {"if", "else", "and", "or", "not", "true", "false", "min", "max"}


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """Parse an expression. Raises ExpressionError (AS201)."""
    if len(text) > MAX_LENGTH:
        message = f"an expression has at most {MAX_LENGTH} characters, not {len(text)}"
        raise ExpressionError("AS201", message, help="compute parts of it in `args`")
    return _Parser(text).whole()


_SIGNS = "an expression has names, numbers, `+ - * / // %`, comparisons, functions such as `min` and parentheses"
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
        if sum(kind != "string" and text in _OPERATORS for kind, text in self.tokens) > MAX_OPERATORS:
            message = f"an expression has at most {MAX_OPERATORS} operators"
            raise ExpressionError("AS201", message, help="compute parts of it in `args`")
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
        if percent := re.fullmatch(r"\s*(\d+\.?\d*)\s*%\s*", self.text):
            return f"write {float(percent[1]) / 100:g} for {percent[1]}%"
        return f"something is missing after `{self.tokens[-1][1]}`"

    def _what_to_write(self, kind: str, text: str) -> str:
        """What may have been meant by a token that has no place."""
        before = self.tokens[self.at - 1] if self.at else ("", "")
        if text == "*" == before[1]:
            return "there are no powers: write `n * n`"
        if text == "(" and before[0] == "name" and before[1] not in _KEYWORDS:
            known = ", ".join(f"`{name}`" for name in FUNCTIONS)
            return did_you_mean(before[1], FUNCTIONS) or f"there are the functions {known}; multiply with `*`"
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
                if isinstance(expr, Literal) and not isinstance(expr.value, (bool, str, tuple))
                else Apply("neg", (expr,))
            )
        return expr

    def atom(self) -> Expr:
        if self.take("("):
            inside = self.condition()
            self.expect(")")
            return inside
        if (function := self._function()) is not None:
            return function
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

    def _function(self) -> Apply | None:
        """A function's call; None where none comes next. But for `min` and `max`, its name may also be an argument's."""
        following = self.tokens[self.at + 1 : self.at + 2]
        function = self.take("min", "max") or (self.take(*FUNCTIONS) if following == [("op", "(")] else None)
        if function is None:
            return None
        self.expect("(")
        operands = [self.condition()]
        while self.take(","):
            operands.append(self.condition())
        self.expect(")")
        fewest, most = FUNCTIONS[function]
        if not fewest <= len(operands) <= most:
            example = f"`{function}({', '.join(['width / 3', '8'][:most])})`"
            message = (
                f"`{function}` takes {'one operand' if most == 1 else f'{most} operands'}, not {len(operands)}"
            )
            raise ExpressionError("AS201", message, help=f"such as {example}")
        return Apply(function, tuple(operands))


def _number(text: str) -> int | float:
    value = int(text) if text.isdigit() and len(text) < 20 else float(text)
    if value > LIMIT:
        message = f"the number {text[:20]} is larger than {LIMIT:.0e}"
        raise ExpressionError("AS201", message, help="no size of a net comes near it")
    return value
