"""What commands print, a line at a time: text of others in it drives no terminal, and begins no line of its own."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from archspec.diagnostics.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archspec import Diagnostic


def tell(*lines: str) -> None:
    """Print lines that were asked for, on the standard output."""
    for line in lines:
        print(printable(line))


def tell_json(value: object, indent: int | None = 2) -> None:
    """Print a value as JSON."""
    import json  # which most commands do without

    print(json.dumps(value, indent=indent))


def tell_text(text: str) -> None:
    """Print a text of many lines as it is into a file or a pipe, and in a terminal without what drives it."""
    from archspec.diagnostics.printable import printable_lines

    print(printable_lines(text) if sys.stdout.isatty() else text, end="")


def say(line: str) -> None:
    """Print a line about how things go, on the standard error."""
    print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def prints_aside() -> Iterator[None]:
    """Have what code of others prints go to the standard error, also what its libraries write past Python.

    What a command itself tells on the standard output is read by programs.
    """
    sys.stdout.flush()
    try:
        held = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a process may have neither
        yield
        return
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.__stdout__)):
            stream.flush()
        os.dup2(held, 1)
        os.close(held)


def fail(message: str, help_: str | None = None, code: int = 2) -> NoReturn:
    """End with one message on stderr."""
    say(f"error: {message}")
    if help_:
        say(f"  help: {help_}")
    raise typer.Exit(code)


def fail_with(error: Exception) -> NoReturn:
    """End with the message of an error, which may have lines of its own, its help and its exit code."""
    from archspec.diagnostics.printable import printable_lines

    print(f"error: {printable_lines(str(error))}", file=sys.stderr, flush=True)
    if help_ := getattr(error, "help", None):
        say(f"  help: {help_}")
    raise typer.Exit(getattr(error, "exit_code", 1))


def tell_diagnostics(diagnostics: Sequence[Diagnostic], *, to_stderr: bool = False) -> None:
    """Print diagnostics for people, in colours where there is a terminal."""
    from archspec.diagnostics.text import to_text

    stream = sys.stderr if to_stderr else sys.stdout
    print(to_text(diagnostics, colour=colours(stream)), file=stream)


def colours(stream: object) -> bool:
    """Whether a stream shows colours: a terminal, and NO_COLOR is not set (no-color.org)."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and not os.environ.get("NO_COLOR")
