"""What a run prints, a line at a time: text of others in it drives no terminal, and begins no line of its own."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """Text on one line: line breaks, control characters, and signs that turn the direction of writing are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_lines(text: str) -> str:
    """Text of several lines, each printable; tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def tell(*lines: str) -> None:
    """Print lines that were asked for, on the standard output."""
    for line in lines:
        print(printable(line))


def tell_text(text: str) -> None:
    """Print a text as it is into a file or a pipe, in a terminal without what drives it; what cannot be encoded is escaped."""
    letters = sys.stdout.encoding or "utf-8"
    shown = printable_lines(text) if sys.stdout.isatty() else text
    print(shown.encode(letters, "backslashreplace").decode(letters), end="", flush=True)


def say(text: str) -> None:
    """Print a line about how things go, on the standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def warn(text: str, *rows: str) -> None:
    """Print a warning, and what belongs to it, on lines below it."""
    say(f"warning: {text}")
    for row in rows:
        say(f"  {row}")


def complain(error: Exception) -> None:
    """Print an error, with what helps; its own lines are printable."""
    print(f"error: {error}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people write them: 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
