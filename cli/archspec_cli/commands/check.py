"""`archspec check`."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Include, Preset, Set, overrides
from archspec_cli.console import fail, tell, tell_diagnostics, tell_text


class Format(StrEnum):
    """How mistakes are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def check(
    specs: Annotated[
        list[str], typer.Argument(help="Spec files, folders of them, or zoo names.", show_default=False)
    ],
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
    format: Annotated[Format, typer.Option(help="How mistakes are written.")] = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
) -> None:
    """Find every mistake of specs, before any framework is loaded.

    Exits with 0 where there are no mistakes, or nothing but warnings, 1 where there are mistakes, 2 for misuse.

    Examples: archspec check my.yaml · archspec check specs/ --format github
    """
    from archspec.api import check as check_spec
    from archspec.report.structured import to_json
    from archspec.report.text import counted

    expanded = [_expand(spec) for spec in specs]
    wanted, others = [path for paths, _ in expanded for path in paths], sum(count for _, count in expanded)
    found = [
        d for spec in wanted for d in check_spec(spec, set=overrides(sets), preset=preset, include=include or ())
    ]
    if format is Format.text:
        if found:
            tell_diagnostics(found)
            tell("", counted(found))
        else:
            tell(f"{len(wanted)} {'spec' if len(wanted) == 1 else 'specs'} without mistakes")
        if others:
            tell(f"{others} other .yaml {'file' if others == 1 else 'files'} without `archspec: 1` left out")
    elif format is Format.json:
        tell_text(to_json(found) + "\n")
    else:
        from archspec.report import FORMATS

        text = FORMATS[format](found)
        if text:
            tell_text(text + "\n")
    raise typer.Exit(1 if any(d.is_error or strict for d in found) else 0)


def _expand(spec: str) -> tuple[list[str], int]:
    """The specs of a folder, or the spec itself, and how many other files of YAML are there.

    Recipes and blocks are parts of specs, and are checked where one names them.
    """
    if not spec:
        fail("the name of a spec is empty", "give a file, a folder, or a zoo name; see `archspec list`")
    if not os.path.isdir(spec):
        return [spec], 0
    folder = Path(spec)
    os.listdir(folder)  # which says so where it may not be read: a search would find nothing
    files = sorted(p for suffix in ("yaml", "yml") for p in folder.rglob(f"*.{suffix}") if _is_seen(p, folder))
    found = [str(path) for path in files if _is_spec(path)]
    if not found:
        fail(f"{spec} holds no specs: no .yaml file that says `archspec: 1`", "give a folder of specs, or a spec")
    return found, len(files) - len(found)


def _is_seen(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return not path.is_dir() and "recipes" not in parts[:-1] and not any(part.startswith(".") for part in parts)


def _is_spec(path: Path) -> bool:
    """Whether a file says that it is one; of one that cannot be read it will be said."""
    try:
        return re.search(rb"^[\"']?archspec[\"']?\s*:", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return True
