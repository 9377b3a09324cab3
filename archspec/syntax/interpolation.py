"""The name of a net with the values of its arguments in it: `cifar-resnet-{6*n+2}`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from archspec.diagnostics import Diagnostics, Span
from archspec.syntax.expressions import ExpressionError, Value, evaluate
from archspec.syntax.nodes import Node
from archspec.syntax.parse import parse

_PART = re.compile(r"\{([^{}]*)\}")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?", re.ASCII)
STAND_IN = "x"
"""What stands for a value that a mistake leaves unknown."""


@dataclass(frozen=True, slots=True)
class Interpolation:
    """A text and the names that it may refer to; `unusable` ones have no value, which is a mistake of its own."""

    written: Node
    scope: Mapping[str, Value]
    unusable: Collection[str]
    problems: Diagnostics

    @property
    def node(self) -> Node:
        """The text with the values in it. Mistakes are recorded."""
        text = str(self.written.value)
        fault = _fault(text)
        if fault is not None:
            self.problems.add("AS201", fault[0], self.written.span, fault[1])
        text = STAND_IN if fault is not None else _PART.sub(self._value, text)
        return Node(text, self.written.span, origin=self.written.origin)

    def _value(self, match: re.Match[str]) -> str:
        try:
            return str(evaluate(parse(match[1]), self.scope))
        except ExpressionError as error:
            if error.name not in self.unusable:
                self.problems.add(error.code, str(error), self._place(match), error.remedy(self.scope))
            return STAND_IN

    def _place(self, match: re.Match[str]) -> Span:
        """Where a part stands; the whole text where that is not written as it is read."""
        span, text = self.written.span, match.string
        line = span.source.line(span.line)[span.column :]
        for quote in ("", '"', "'"):
            if line.startswith(quote + text + quote):
                start = span.column + len(quote)
                return Span(span.source, span.line, start + match.start(), span.line, start + match.end())
        return span


def _fault(text: str) -> tuple[str, str] | None:
    """Why the braces of a text are not those of interpolation, and what to write."""
    if "{{" in text or "}}" in text:
        single = text.replace("{{", "{").replace("}}", "}")
        return f"doubled braces in `{text}`", f"one brace on each side puts in a value: `{single}`"
    if match := _REFERENCE.search(text):
        return f"`{match[0]}` stands for a whole value and not for a part of a name", f"write `{{{match[1]}}}`"
    left = _PART.sub("", text)
    if "{" in left:
        return f"a `{{` of `{text}` is not closed", "put in a value with both braces, as in `net-{n}`"
    if "}" in left:
        return f"a `}}` of `{text}` closes nothing", "put in a value with both braces, as in `net-{n}`"
    return None
