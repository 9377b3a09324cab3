"""Python source text: numbers, expressions and calls, wrapped as a formatter would wrap them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archspec.syntax.expressions import Literal, Symbol, render

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Invocation:
    """`head(arguments)`; without a head it is a tuple."""

    head: str
    arguments: tuple[Expression, ...]

    def __str__(self) -> str:
        """All on one line."""
        comma = "," if not self.head and len(self.arguments) == 1 else ""
        return f"{self.head}({', '.join(map(str, self.arguments))}{comma})"


@dataclass(frozen=True, slots=True)
class Infix:
    """Operands with one operator between them."""

    operator: str
    operands: tuple[str, ...]

    def __str__(self) -> str:
        """All on one line."""
        return f" {self.operator} ".join(self.operands)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two values."""

    value: Expression
    condition: str
    otherwise: str

    def __str__(self) -> str:
        """All on one line."""
        return f"{self.value} if {self.condition} else {self.otherwise}"


Expression = str | Invocation | Infix | Choice
"""An expression that can be laid out; a text is left as it is."""


def number(symbol: Symbol) -> str:
    """A number or pair as source; a pair of equals as one number."""
    if isinstance(symbol, tuple):
        parts = [render(each, {}) for each in symbol]
        if len(parts) == 2 and parts[0].endswith("[0]") and parts[1] == f"{parts[0][:-3]}[1]":
            return parts[0][:-3]
        return parts[0] if len(set(parts)) == 1 else f"({', '.join(parts)})"
    return render(symbol, {})


def pair(symbol: Symbol) -> str:
    """A pair as source, where one number would not do."""
    text = number(symbol)
    if isinstance(symbol, tuple):
        return f"({text}, {text})" if number(symbol[0]) == number(symbol[1]) else text
    return text if isinstance(symbol, Literal) and isinstance(symbol.value, tuple) else f"({text}, {text})"


def sides(symbol: Symbol, text: str) -> tuple[str, str]:
    """Both directions of a number or pair, of which `text` is the source, perhaps a variable's name."""
    if not isinstance(symbol, tuple) or number(symbol[0]) == number(symbol[1]):
        return text, text
    return (number(symbol[0]), number(symbol[1])) if text.startswith("(") else (f"{text}[0]", f"{text}[1]")


def is_literal(symbol: Symbol, value: object) -> bool:
    """Whether a number is known to be `value`, in both directions where it is a pair."""
    if isinstance(symbol, tuple):
        return all(is_literal(s, value) for s in symbol)
    return isinstance(symbol, Literal) and symbol.value == value


def between(numbers: Mapping[str, Symbol], attribute: Callable[[str], str]) -> str:
    """The slice from `start` to `stop`, whose texts `attribute` gives; it runs to the end where `stop` is 0."""
    first = "" if is_literal(numbers["start"], 0) else attribute("start")
    last = "" if is_literal(numbers["stop"], 0) else attribute("stop")
    return (
        f"{first}:{last}"
        if first.isalnum() + last.isalnum() == bool(first) + bool(last)
        else f"{first} : {last}".strip()
    )


def call(head: str, arguments: Sequence[Expression], indent: int, tail: str = "") -> str:
    """`head(arguments)tail`, on one line where it fits, else each argument on its own; the first line is not indented."""
    joined = ", ".join(map(str, arguments))
    line = f"{head}({joined}){tail}"
    if indent + len(line) <= WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    starred = any(str(a).startswith("*") for a in arguments)
    if len(pad) + len(joined) <= WIDTH and "\n" not in joined and not starred:
        return f"{head}(\n{pad}{joined}\n{' ' * indent}){tail}"
    inner = "".join(f"{pad}{lay_out('', argument, indent + 4, ',')}\n" for argument in arguments)
    return f"{head}(\n{inner}{' ' * indent}){tail}"


def bracketed(items: Sequence[str], indent: int, brackets: str = "[]") -> str:
    """A list of items, each on its own line unless all fit on one; the first line is not indented."""
    opening, closing = brackets[0], brackets[1]
    line = f"{opening}{', '.join(items)}{closing}"
    if indent + len(line) <= WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return f"{opening}\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + closing


def mapping(entries: Sequence[tuple[str, str]], indent: int, head: str = "") -> str:
    """A dictionary of texts by names behind `head`, on one line where it fits, else each entry on its own."""
    pairs = [f'"{name}": {value}' for name, value in entries]
    line = f"{head}{{{', '.join(pairs)}}}"
    if indent + len(line) <= WIDTH:
        return line
    pad = " " * (indent + 4)
    return f"{head}{{\n" + "".join(f"{pad}{each},\n" for each in pairs) + " " * indent + "}"


def nested(head: str, calls: Sequence[str], argument: str, indent: int, tail: str = "") -> str:
    """`a(b(argument))tail` for the calls a and b: from the first that fits on one line, else each call on lines of its own."""
    for depth in range(len(calls) + 1):
        rest = f"{''.join(f'{name}(' for name in calls[depth:])}{argument}{')' * (len(calls) - depth)}"
        fits = (
            indent + 4 * depth + len(rest) + (0 if depth else len(head) + len(tail)) <= WIDTH and "\n" not in rest
        )
        if fits or depth == len(calls):
            break
    opening = "".join(f"{name}(\n{' ' * (indent + 4 * place)}" for place, name in enumerate(calls[:depth], 1))
    closing = "".join(f"\n{' ' * (indent + 4 * place)})" for place in reversed(range(depth)))
    return f"{head}{opening}{rest}{closing}{tail}"


def lay_out(head: str, expression: Expression, indent: int, tail: str = "") -> str:
    """An expression behind `head` and before `tail`, on as many lines as it needs."""
    if isinstance(expression, Invocation):
        return call(f"{head}{expression.head}", expression.arguments, indent, tail)
    line = f"{head}{expression}{tail}"
    if isinstance(expression, str) or indent + len(line) <= WIDTH:
        return line
    pad = " " * (indent + 4)
    if isinstance(expression, Choice):
        if len(pad) + len(str(expression)) <= WIDTH:
            return f"{head}(\n{pad}{expression}\n{pad[4:]}){tail}"
        value = lay_out("", expression.value, indent + 4)
        choice = f"{value}\n{pad}if {expression.condition}\n{pad}else {expression.otherwise}"
        return f"{head}(\n{pad}{choice}\n{pad[4:]}){tail}"
    rest = "".join(f"\n{pad}{expression.operator} {operand}" for operand in expression.operands[1:])
    return f"{head}(\n{pad}{expression.operands[0]}{rest}\n{' ' * indent}){tail}"
