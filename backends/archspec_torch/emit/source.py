"""Python source text: literals, expressions and calls, wrapped as a formatter would wrap them."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.expressions import Expr, Literal, render
from archspec.ir import Symbol

WIDTH = 100

RENAMED = {"classes": "num_classes"}
"""Arguments of the spec that have another customary name in PyTorch."""


def number(symbol: Symbol, scope: Mapping[str, str] | None = None) -> str:
    """A number or pair as source; a pair of equals as one number, which PyTorch takes for both."""
    names = {**RENAMED, **(scope or {})}
    if isinstance(symbol, tuple):
        first, second = render(symbol[0], names), render(symbol[1], names)
        return first if first == second else f"({first}, {second})"
    return render(symbol, names)


def is_literal(symbol: Symbol, value: object) -> bool:
    """Whether a number is known to be `value`, in both directions where it is a pair."""
    if isinstance(symbol, tuple):
        return all(is_literal(s, value) for s in symbol)
    return isinstance(symbol, Literal) and symbol.value == value


def call(head: str, arguments: list[str], indent: int, tail: str = "") -> str:
    """`head(arguments)tail`, on one line where it fits, else each argument on its own; the first line is not indented."""
    line = f"{head}({', '.join(arguments)}){tail}"
    if indent + len(line) <= WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    joined = ", ".join(arguments)
    if len(pad) + len(joined) <= WIDTH and "\n" not in joined and not any(a.startswith("*") for a in arguments):
        return f"{head}(\n{pad}{joined}\n{' ' * indent}){tail}"
    inner = "".join(f"{pad}{argument},\n" for argument in arguments)
    return f"{head}(\n{inner}{' ' * indent}){tail}"


def text(value: Expr) -> str:
    """An expression as source."""
    return number(value)
