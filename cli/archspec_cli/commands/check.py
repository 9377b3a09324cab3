"""`archspec check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec_cli.common import Include, Preset, Set, overrides
from archspec_cli.console import fail, say, tell, tell_diagnostics, tell_text
from archspec_cli.own_spec import spec_of_folder
from archspec_cli.spec_folders import specs_below

if TYPE_CHECKING:
    from archspec import Diagnostic


class Format(StrEnum):
    """How errors are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def check(
    specs: Annotated[
        list[str],
        typer.Argument(
            help="Spec files, folders of them, zoo names, or - for the standard input; the folder's own spec where it holds one.",
            show_default=False,
            default_factory=lambda: [spec_of_folder()],
        ),
    ],
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    format: Annotated[Format, typer.Option(help="How errors are written.")] = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Apply the certain remedies to the files that are given, and say what is left."),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what --fix would change as a unified diff, and write nothing.")
    ] = False,
) -> None:
    """Find every error of specs, before any framework is loaded.

    Exits with 0 if there are no errors, or only warnings, 1 if there are errors (with --diff also where
    there is something to fix), 2 for misuse.

    Examples: archspec check my.yaml · archspec check specs/ --format github · archspec check my.yaml --fix ·
    archspec check - < my.yaml
    """
    from archspec.compile import check as check_spec

    if diff and format is not Format.text:
        fail("--diff prints a diff, and --format says how errors are printed", "leave one of them out")
    if "-" in specs and (fix or diff):
        fail(
            "the standard input is no file that could be mended",
            f"leave {'--diff' if diff else '--fix'} out, or give the file",
        )
    expanded = [_expand(spec) for spec in specs]
    wanted, others = [path for paths, _ in expanded for path in paths], sum(count for _, count in expanded)
    found: list[Diagnostic] = []
    fixed = 0
    for spec in wanted:

        def check_it(spec: str = spec) -> tuple[Diagnostic, ...]:
            return check_spec(spec, set=overrides(sets), preset=preset, include=include or ())

        file = _file_of(spec) if fix or diff else None
        if file is None:
            found += check_it()
        else:
            left, count = _fix(file, check_it, diff, quiet=format is not Format.text)
            found += left
            fixed += count
    found = _once(found)
    if diff:
        if found:
            from archspec.diagnostics.text import counted

            tell_diagnostics(found, to_stderr=True)
            say("")
            say(counted(found))
        raise typer.Exit(1 if fixed or any(d.is_error or strict for d in found) else 0)
    _tell(found, format, len(wanted), others, fixed)
    raise typer.Exit(1 if any(d.is_error or strict for d in found) else 0)


def _once(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Each mistake once, also where several specs extend the one that has it."""
    return list({(d.code, d.message, str(d.span)): d for d in reversed(found)}.values())[::-1]


def _tell(found: Sequence[Diagnostic], format: Format, specs: int, others: int, fixed: int) -> None:
    """Print what was found in the form that is asked for."""
    if format is Format.text:
        before = f"{fixed} fixed; " if fixed else ""
        if found:
            from archspec.diagnostics.text import counted

            tell_diagnostics(found)
            tell("", f"{before}{counted(found)}")
        else:
            tell(f"{before}{specs} {'spec' if specs == 1 else 'specs'} without errors")
        if others:
            tell(f"{others} other .yaml {'file' if others == 1 else 'files'} without `archspec: 1` left out")
    else:
        from archspec.diagnostics.render import render

        if text := render(found, format.value):
            tell_text(text + "\n")


def _file_of(spec: str) -> str | None:
    """The file that a spec is in; None for what comes with archspec, or is no file that can be fixed."""
    stem, colon, _ = spec.partition(":")
    return (
        next((name for name in (spec, stem) if os.path.isfile(name)), None)
        if colon or os.path.isfile(spec)
        else None
    )


def _fix(
    file: str, check_it: Callable[[], Sequence[Diagnostic]], diff: bool, quiet: bool
) -> tuple[tuple[Diagnostic, ...], int]:
    """Fix a file, or show the change; gives what is left to say, and how much was fixed."""
    from archspec.syntax.fix import UnwritableError, fix

    result = fix(Path(file), file, check_it)
    if result.declined:
        say(f"{file} is left as it is: its fixes would not leave fewer errors")
    if diff:
        tell_text(result.diff(file))
        return result.left, len(result.applied)
    if result.applied:
        try:
            result.write()
        except UnwritableError as error:
            fail(str(error), error.help)
        for line in (f"fixed {d.span}: {d.fix.title}" for d in result.applied if d.fix):
            (say if quiet else tell)(line)
    return result.left, len(result.applied)


def _expand(spec: str) -> tuple[list[str], int]:
    """The specs of a folder, or the spec itself, and how many other files of YAML are there."""
    if not spec:
        fail("the name of a spec is empty", "give a file, a folder, or a zoo name; see `archspec list`")
    if spec == "-":
        return [_standard_input()], 0
    return specs_below(spec) if os.path.isdir(spec) else ([spec], 0)


def _standard_input() -> str:
    """The text of a spec that is piped in, which has several lines for `check` if it has one."""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig") + "\n"
    except UnicodeDecodeError as error:
        fail(f"byte {error.start} of the standard input is not UTF-8", "save the text as UTF-8")
