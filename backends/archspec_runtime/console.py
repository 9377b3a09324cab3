"""What a run prints, a line at a time: text of others in it drives no terminal, and begins no line of its own."""

from __future__ import annotations

import sys

from archspec_runtime.errors import RunError
from archspec_runtime.printable import printable


def tell(*lines: str) -> None:
    """Print lines that were asked for, on the standard output."""
    for line in lines:
        print(printable(line))


def say(text: str) -> None:
    """Print a line about how things go, on the standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def warn(text: str, *rows: str) -> None:
    """Print a warning, and what belongs to it, on lines below it."""
    say(f"warning: {text}")
    for row in rows:
        say(f"  {row}")


def complain(error: RunError) -> None:
    """Print an error, with what helps; its own lines are printable."""
    print(f"error: {error}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people write them: 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
