"""Text of others as it may be printed, or written into what is read as text: nothing in it drives a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text on one line: line breaks, control characters, and signs that turn the direction of writing are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_lines(text: str) -> str:
    """Text of several lines, each printable; tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
