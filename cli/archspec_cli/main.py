"""The `archspec` command."""

from __future__ import annotations

import errno
import os
import sys
from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy
from archspec.diagnostics.printable import printable
from archspec_cli.console import say, tell
from archspec_cli.repeated import Command

COMMANDS = {
    "new": "new:new",
    "check": "check:check",
    "show": "show:show",
    "summary": "summary:summary",
    "draw": "draw:draw",
    "build": "build:build",
    "train": "train:train",
    "eval": "evaluate:evaluate",
    "predict": "predict:predict",
    "sweep": "sweep:sweep",
    "responses": "responses:responses",
    "report": "report:report",
    "compare": "compare:compare",
    "metrics": "metrics:metrics",
    "convert": "convert:convert",
    "import": "importing:import_",
    "port": "port:port",
    "data": "data:app",
    "diff": "diff:diff",
    "explain": "explain:explain",
    "schema": "schema:schema",
    "list": "listing:list_specs",
    "play": "play:play",
    "lsp": "lsp:lsp",
    "doctor": "doctor:doctor",
}
"""In the order of `--help`: the module of each command below `archspec_cli.commands`, and its function or its own commands."""

FORMS = {
    "unable to parse string as an integer": "it takes one whole number, such as 3",
    "unable to parse string as a number": "it takes one number, such as 0.5",
}
"""How the values of options are written, by what Pydantic says of those that are not."""


class _Commands(UserDict[str, Any]):
    """Commands that are imported when they are asked for, so that none waits for the others."""

    def __getitem__(self, name: str) -> Any:
        return _command(name, super().__getitem__(name))


@cache
def _command(name: str, place: str) -> Any:
    """A command, made once in a process that runs several: its options take longer to make than many a spec to check."""
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"archspec_cli.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name, cls=Command)(function)
    return typer.main.get_command(found)


class _Group(TyperGroup):
    """The commands below `archspec`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": _Commands(COMMANDS)})

    def make_context(self, *given: Any, **more: Any) -> Any:
        """As Click does, with errors that are printable: they repeat what stands on the command line."""
        with _printable_errors():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        """As Click does, with errors that are printable."""
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if (key := _key_of(getattr(error, "option_name", None))) is not None:
            option = error.option_name  # type: ignore[attr-defined]
            longer = next((o for o in getattr(error, "possibilities", None) or () if o.startswith(option)), None)
            instead = f"{longer}, or --set {key}=VALUE" if longer else f"--set {key}=VALUE"
            error.message = f"there is no option {option}: write {instead}"  # type: ignore[attr-defined]
            error.possibilities = None  # type: ignore[attr-defined]
        message = getattr(error, "message", None)
        if isinstance(message, str) and (form := next((f for said, f in FORMS.items() if said in message), None)):
            error.message = form  # type: ignore[attr-defined]
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):  # Click's
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise


def _key_of(option: str | None) -> str | None:
    """The key of a spec that an option which there is not would set."""
    if option is None or not option.startswith("--"):
        return None
    from archspec.loading.overrides import recipe_key

    word = option.removeprefix("--").replace("-", "_")
    return "classes" if word in ("classes", "num_classes") else recipe_key(word)


app = typer.Typer(
    name="archspec",
    cls=_Group,
    help="Describe a vision network in YAML; check it, read it as code, train it.",
    epilog="Start with: archspec list  ·  archspec summary resnet50  ·  archspec build resnet50 --out resnet50",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from archspec.version import __version__

        tell(f"archspec {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Describe a vision network in YAML; check it, read it as code, train it."""


LOOP = "Symlink loop from "
"""How a RuntimeError begins that Python up to 3.12 raises for a path of links which lead to themselves."""


class _Stream(TextIOWrapper):
    """A standard stream that ends the process with 141 where its reader is gone, as `head` is after some lines.

    An exception would be taken for an error by Click and Rich, which end with 1. A name that the locale has no letters for is
    no fault: it is escaped.
    """

    @classmethod
    def of(cls, stream: Any) -> Any:
        """A stream in the place of another; one that is closed, or that somebody has replaced, stays."""
        if type(stream) is not TextIOWrapper:
            return stream
        stream.flush()
        return cls(
            stream.buffer,
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._leave()

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> NoReturn:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        sys.exit(141)


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130, a closed pipe without a word, and a path or a disk with one line."""
    sys.stdout, sys.stderr = _Stream.of(sys.stdout), _Stream.of(sys.stderr)
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where what goes wrong can still be said
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _silence()
        sys.exit(141)
    except (MemoryError, ImportError, SystemError, RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            say("error: out of memory")
            say(f"  help: {remedy()}")
            sys.exit(1)
        if isinstance(error, ModuleNotFoundError) and (told := _what_is_lacking(error)) is not None:
            say(f"error: {told[0]}")
            say(f"  help: {told[1]}")
            sys.exit(1)
        if str(error).startswith(LOOP):
            error = OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(error).removeprefix(LOOP).strip(" '"))
        if not isinstance(error, OSError):
            raise
        message, help_ = _what_failed(error)
        say(f"error: {message}")
        say(f"  help: {help_}")
        sys.exit(2)


def _what_is_lacking(error: ModuleNotFoundError) -> tuple[str, str] | None:
    """Which package of an extra is not installed, and how it is; None for what no extra brings."""
    from archspec.backends.extras import extras_with, install_command

    package = (error.name or "").partition(".")[0]
    bringing = extras_with(package)
    if not bringing:
        return None
    usual = "torch" if "torch" in bringing else bringing[0]
    chosen = next((extra for extra in bringing if extra in sys.argv), usual)
    others = [f"`{extra}`" for extra in bringing if extra != chosen]
    also = f"; the extras {' and '.join(others)} bring it too" if others else ""
    return f"this needs {package}, which is not installed", f"{install_command(chosen)}{also}"


def _what_failed(error: OSError) -> tuple[str, str]:
    """What the system refused, and what to do about it. Raises what has nothing to do with files again."""
    if error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}", "check the path, and what you may do there"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        raise error
    _silence()
    return f"cannot write the output: {error.strerror}", "free some space, or send it elsewhere"


def _silence() -> None:
    """Drop what the standard output still holds, which Python would write at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
