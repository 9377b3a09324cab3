"""Diagnostics for people: the place, the line with a caret, the help, and the places that belong to it.

error[AS101]: unknown key `strid`
  --> my.yaml:9:25
   |
 9 |   - {name: layer2, strid: 2}
   |                    ^^^^^
   = help: did you mean `stride`?
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from archspec.diagnostics.diagnostic import Diagnostic, Span
from archspec.diagnostics.printable import printable

RED, YELLOW, BLUE, GREEN, BOLD, PLAIN = "\x1b[31;1m", "\x1b[33;1m", "\x1b[34;1m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
WIDEST = 160  # characters of a line that are shown


def to_text(diagnostics: Sequence[Diagnostic], colour: bool = False) -> str:
    """All diagnostics, one after the other."""
    return "\n\n".join(_one(d, colour) for d in diagnostics)


def counted(diagnostics: Sequence[Diagnostic]) -> str:
    """How many mistakes and warnings there are, and in how many files: `2 mistakes, 1 warning in 1 file`."""
    errors = sum(d.is_error for d in diagnostics)
    numbers = [("error", errors), ("warning", len(diagnostics) - errors)]
    said = ", ".join(_number(count, noun) for noun, count in numbers if count)
    return f"{said} in {_number(len({d.span.source.name for d in diagnostics if d.span}), 'file')}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _one(diagnostic: Diagnostic, colour: bool) -> str:
    def paint(code: str, text: str) -> str:
        return f"{code}{text}{PLAIN}" if colour else text

    mark = RED if diagnostic.is_error else YELLOW
    what = paint(mark, f"{diagnostic.severity}[{diagnostic.code}]")
    lines = [f"{what}{paint(BOLD, f': {_printable(diagnostic.message)}')}"]
    if diagnostic.span is not None:
        lines += [
            paint(BLUE, "  --> ") + str(diagnostic.span),
            *_excerpt(diagnostic.span, paint(mark, "^"), colour),
        ]
    if diagnostic.help:
        lines.append(f"   {paint(BLUE, '=')} {paint(GREEN, 'help')}: {_printable(diagnostic.help)}")
    for related in diagnostic.related:
        lines.append(f"   {paint(BLUE, '=')} {_printable(related.message)}: {related.span}")
    return "\n".join(lines)


def _excerpt(span: Span, caret: str, colour: bool) -> list[str]:
    text = span.source.line(span.line)
    whole = span.source.virtual and span.column == 0 and span.end_column in (0, len(text))  # its name says it all
    if whole or not text.strip():
        return []
    last = span.end_column if span.end_line == span.line else len(text)
    start = max(0, span.column - WIDEST // 2) if len(text) > WIDEST else 0
    before, marked = text[start : span.column], text[span.column : min(last, start + WIDEST)]
    shown = _printable(text[start : start + WIDEST])
    number = str(span.line + 1)
    pad = " " * max(3, len(number))
    bar = f"{BLUE}|{PLAIN}" if colour else "|"
    return [
        f"{pad} {bar}",
        f"{number:>{len(pad)}} {bar} {shown}",
        f"{pad} {bar} {' ' * _width(before)}{caret * max(1, _width(marked))}",
    ]


def _width(text: str) -> int:
    """How many columns of a terminal a text takes as it is printed: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in _printable(text)
    )


def _printable(text: str) -> str:
    """Text without control characters, which could drive a terminal, and of a tab's width that is known."""
    return printable(text.replace("\t", " "))
