"""Values of arguments, conditions and counts, computed in a scope; what is wrong with them is recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from archspec.diagnostics import Diagnostics, Fix, Span
from archspec.diagnostics.fixes import certain, dividing, respelling, rewriting
from archspec.expansion.recorder import Recorder
from archspec.language.layers import LayerKind
from archspec.language.step import MAX_REPEAT
from archspec.language.values import compute, faults, is_constant, mentioned
from archspec.ops import ArgumentError
from archspec.ops.arguments import Kind, describe
from archspec.syntax.expressions import Expr, ExpressionError, Symbol, Value, evaluate, names, substituted, unknown
from archspec.syntax.nodes import Node
from archspec.syntax.scalars import resolve_scalar


class Evaluator(Recorder):
    """Evaluates what stands at arguments, `when` and `repeat`."""

    def __init__(self, problems: Diagnostics) -> None:
        super().__init__(problems)
        self.lists: Collection[str] = ()  # the arguments of the spec that are lists
        self.constants: Mapping[str, Expr] = {}
        """Names that are written as numbers: the places of repeated steps, the cells of a row."""

    def condition(self, when: Expr | None, scope: Mapping[str, Value], span: Span | None) -> bool | None:
        """Whether a condition holds; None where it cannot be computed."""
        if when is None or span is None:
            return True
        try:
            value = evaluate(when, scope)
        except ExpressionError as error:
            self._wrong("when", error, span, scope)
            return None
        if not isinstance(value, bool):
            self.add("AS204", f"`when` is {value!r}, not true or false", span, "compare: `stride > 1`")
            return None
        return value

    def number(self, name: str, node: Node, kind: Kind, scope: Mapping[str, Value]) -> float | None:
        """A number that stands at no argument; None where it is wrong, which is recorded."""
        result = self.compute(node.plain(), kind, scope, name, node.span)
        return None if result is None else float(result[0])

    def count(self, repeat: Expr, scope: Mapping[str, Value], span: Span) -> int | None:
        """How often a step stands; None where that cannot be computed or is no count."""
        try:
            value = evaluate(repeat, scope)
        except ExpressionError as error:
            self._wrong("repeat", error, span, scope)
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            help_ = (
                "divide with `//`, or round with `ceil(...)`" if isinstance(value, float) else "such as `repeat: 3`"
            )
            self.add("AS204", f"`repeat` is {describe(value)}, not a whole number", span, help_)
        elif value < 0:
            self.add("AS104", f"`repeat` is {value}", span, "write a number of at least 0")
        elif value > MAX_REPEAT:
            self.add(
                "AS308", f"a step is repeated {value:,} times, more than {MAX_REPEAT:,}", span, "lower `repeat`"
            )
        else:
            return int(value)
        return None

    def survey_value(self, name: str, node: Node, kind: Kind, known: Collection[str] | None) -> None:
        """Record what is wrong with a value whatever the names in it stand for; None where any may be known."""
        raw = node.plain()
        if isinstance(kind, LayerKind):
            return
        found = faults(raw, kind, known)
        for error in found:
            self._wrong(name, error, node.span, known or (), kind, raw)
        if not found and is_constant(raw, kind):
            self.compute(raw, kind, {}, name, node.span)

    def survey_expression(self, name: str, expr: Expr | None, span: Span | None, known: Collection[str]) -> None:
        """Record the names in an expression that nobody knows."""
        if expr is not None and span is not None:
            for each in sorted(names(expr) - set(known)):
                self._wrong(name, unknown(each), span, known)

    def compute(
        self, raw: object, kind: Kind, scope: Mapping[str, Value], name: str, span: Span
    ) -> tuple[Any, Symbol | None] | None:
        """A value, and how it was written where by an expression; None where it is wrong, which is recorded."""
        try:
            value, symbol = compute(raw, kind, scope)
            return value, None if symbol is None else substituted(symbol, self.constants)
        except ArgumentError as error:
            fix = fix_of(error, raw, span)
            self.add(error.code, f"`{name}`: {error}", span, error.help, fix=fix, about=mentioned(raw))
            known = error.meant is not None and not isinstance(raw, (list, tuple))
            return (kind.parse(error.meant), None) if known else None
        except ExpressionError as error:
            self._wrong(name, error, span, scope, kind, raw)
            text = kind.replacement(raw) if isinstance(raw, str) else None
            if text is not None:
                return kind.parse(resolve_scalar(text)), None
            meant = certain(error.name, scope) if error.name is not None else None
            if meant is not None and error.name is not None:
                return self.compute(raw, kind, {**scope, error.name: scope[meant]}, name, span)
        return None

    def _wrong(
        self, name: str, error: ExpressionError, span: Span, known: Collection[str], kind: Kind | None = None,
        raw: object = None,
    ) -> None:  # fmt: skip
        instead = kind.instead_of(error.name, known) if kind and error.name else None
        if error.name in self.lists:
            instead = f"`{error.name}` is a list, for which `${error.name}` stands"
        text = kind.replacement(raw) if kind and isinstance(raw, str) else None
        if text is not None:
            self.add(
                error.code, f"`{name}`: {error}", span, instead or f"write `{text}`", fix=rewriting(span, text)
            )
            return
        fix = respelling(span, error.name, known) if error.name and instead is None else None
        self.add(
            error.code, f"`{name}`: {error}", span, instead or error.remedy(known), fix=fix, about=mentioned(raw)
        )


def fix_of(error: ArgumentError, raw: object, span: Span) -> Fix | None:
    """The fix of a value that was computed and is of another type: it is written, or its division is."""
    if error.meant is None or isinstance(raw, (list, tuple)):
        return None
    return dividing(span) if isinstance(raw, str) else rewriting(span, str(error.meant))
