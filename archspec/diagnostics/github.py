"""Diagnostics as the workflow commands that GitHub shows beside the changed lines."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.diagnostics.diagnostic import Diagnostic
from archspec.diagnostics.printable import printable


def to_github(diagnostics: Sequence[Diagnostic]) -> str:
    """One `::error` or `::warning` line for each."""
    return "\n".join(map(_one, diagnostics))


def _one(diagnostic: Diagnostic) -> str:
    text = f"{diagnostic.message} ({diagnostic.help})" if diagnostic.help else diagnostic.message
    properties = {"title": f"{diagnostic.code}: {diagnostic.title}"}
    if (span := diagnostic.span) is not None:
        properties = {
            "file": span.source.name,
            "line": str(span.line + 1),
            "col": str(span.column + 1),
            **properties,
        }
    listed = ",".join(f"{k}={_escape(v, ':,')}" for k, v in properties.items())
    return f"::{diagnostic.severity} {listed}::{_escape(text)}"


def _escape(text: str, more: str = "") -> str:
    text = printable(text)  # the runner shows it in a log, which is a terminal
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
