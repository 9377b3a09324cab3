"""Places in a text: offsets, lines and columns of an editor in UTF-16, and the spans of the reader."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from archspec.diagnostics import Span

_LINES = re.compile("\r\n|\n|\r")  # the ends of lines by the language server protocol
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # and those by YAML


Width = Callable[[str], int]
"""How many columns of an editor a character takes."""


def utf16(character: str) -> int:
    """The code units of UTF-16, in which editors count unless they say otherwise."""
    return 1 + (character > "\uffff")


@dataclass(frozen=True, slots=True)
class Position:
    """A line and a column, both from 0: how editors count."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Range:
    """From a position up to another."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Text in the place of a stretch of offsets."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Text:
    """A text with the places of its lines."""

    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINES.finditer(self.text))]

    @cached_property
    def _yaml_starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAKS.finditer(self.text))]

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self._starts)

    def line(self, number: int) -> str:
        """A line without its end."""
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < self.lines else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def offset_of_line(self, number: int) -> int:
        """Where a line begins."""
        return self._starts[number]

    def mark_offset(self, line: int, column: int) -> int:
        """The offset of a mark of the parser."""
        return self._yaml_offset(line, column)

    def line_of(self, offset: int) -> int:
        """The line of an offset."""
        return bisect_right(self._starts, offset) - 1

    def offset(self, position: Position, width: Width = utf16) -> int:
        """The offset of a position; of one past the end of a line or of the text, that end."""
        if position.line >= self.lines:
            return len(self.text)
        line, units = self.line(position.line), 0
        for index, character in enumerate(line):
            if units >= position.column:
                return self._starts[position.line] + index
            units += width(character)
        return self._starts[position.line] + len(line)

    def position(self, offset: int, width: Width = utf16) -> Position:
        """The position of an offset."""
        offset = max(0, min(offset, len(self.text)))
        line = self.line_of(offset)
        before = self.text[self._starts[line] : offset]
        return Position(line, sum(map(width, before)))

    def span_offsets(self, span: Span) -> tuple[int, int]:
        """Where a span of the reader begins and ends."""
        return self._yaml_offset(span.line, span.column), self._yaml_offset(span.end_line, span.end_column)

    def range(self, span: Span) -> Range:
        """A span of the reader as an editor counts."""
        start, end = self.span_offsets(span)
        return Range(self.position(start), self.position(end))

    def edited(self, edits: list[TextEdit]) -> str:
        """The text after edits that do not overlap."""
        text = self.text
        for edit in sorted(edits, key=lambda e: (e.start, e.end), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text

    def _yaml_offset(self, line: int, column: int) -> int:
        if line >= len(self._yaml_starts):
            return len(self.text)
        end = self._yaml_starts[line + 1] if line + 1 < len(self._yaml_starts) else len(self.text)
        return min(self._yaml_starts[line] + column, end)
