"""`archspec diff`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec_cli.common import Include, Set, load_any, spec_names
from archspec_cli.console import fail, tell, tell_json, tell_text
from archspec_cli.spec_folders import is_spec_folder, specs_below

if TYPE_CHECKING:
    from archspec.analysis.diff import Difference


class Format(StrEnum):
    """How differences are written."""

    text = "text"
    json = "json"
    markdown = "markdown"


def diff(
    first: Annotated[
        str,
        typer.Argument(
            help="A spec file, a zoo name, NAME:PRESET, the folder of a run, or a folder of specs.",
            show_default=False,
            autocompletion=spec_names,
        ),
    ],
    second: Annotated[str, typer.Argument(help="Another.", show_default=False, autocompletion=spec_names)],
    sets: Set = None,
    include: Include = None,
    format: Annotated[
        Format, typer.Option("--format", help="For people, as JSON, or as Markdown for a pull request.")
    ] = Format.text,
) -> None:
    """Print what differs between two nets, in structure, in cost and in training. `--set` applies to both.

    Of two folders, specs of the same path in them are compared. Exits with 0 where nothing differs, 1 where something does.

    Examples: archspec diff resnet50 resnet50:paper · archspec diff main/specs specs --format markdown
    """
    folders = [one for one in (first, second) if is_spec_folder(one)]
    if len(folders) == 1:
        other = second if first in folders else first
        if not _is_there(other):
            fail(f"there is no {other} to compare the specs of {folders[0]} with", "give another folder of specs")
        fail(f"{folders[0]} is a folder of specs, and the other is a net", "give two folders, or two specs")
    if folders:
        _folders(first, second, sets, include, format)
        return
    difference = _of(first, second, sets, include)
    if format is Format.json:
        tell_json(_json(difference))
    elif format is Format.markdown:
        from archspec.analysis.markdown import section

        tell_text(section(f"{first} → {second}", difference))
    elif difference.empty:
        tell("no difference")
    else:
        tell(f"- {first}", f"+ {second}")
        _tell(difference)
    raise typer.Exit(0 if difference.empty else 1)


def _folders(
    first: str, second: str, sets: Sequence[str] | None, include: Sequence[Path] | None, format: Format
) -> None:
    """Compare the specs of two folders; what nothing differs in is not told of."""
    old, new = (
        {Path(path).relative_to(folder).as_posix(): path for path in specs_below(folder)[0]}
        for folder in (first, second)
    )
    changed = {name: _of(old[name], new[name], sets, include) for name in old if name in new}
    changed = {name: difference for name, difference in changed.items() if not difference.empty}
    added, removed = [name for name in new if name not in old], [name for name in old if name not in new]
    if format is Format.json:
        tell_json({"changed": {n: _json(d) for n, d in changed.items()}, "added": added, "removed": removed})
    elif format is Format.markdown:
        from archspec.analysis.markdown import page

        costs = {name: load_any(new[name], sets, None, include).cost for name in added}
        tell_text(page(changed, costs, removed))
    elif not (changed or added or removed):
        tell("no difference")
    else:
        for name, difference in changed.items():
            tell(f"- {old[name]}", f"+ {new[name]}")
            _tell(difference)
            tell("")
        tell(*(f"+ {new[name]}, a spec that is new" for name in added))
        tell(*(f"- {old[name]}, a spec that is gone" for name in removed))
    raise typer.Exit(1 if changed or added or removed else 0)


def _is_there(spec: str) -> bool:
    """Whether there is a file or a folder of a name, or a net of the zoo."""
    from archspec.loading import zoo

    stem = spec.partition(":")[0]
    return any(os.path.exists(name) for name in (spec, stem)) or bool(zoo.find(stem) or zoo.member(stem))


def _of(first: str, second: str, sets: Sequence[str] | None, include: Sequence[Path] | None) -> Difference:
    from archspec.analysis.diff import diff as compare

    a, b = (load_any(spec, sets, None, include) for spec in (first, second))
    return compare(a, b)


def _json(difference: Difference) -> dict[str, Any]:
    costs, recipe = (
        {name: [old, new] for name, old, new in values} for values in (difference.costs, difference.recipe)
    )
    return {"structure": difference.lines, "cost": costs, "train": recipe}


def _tell(difference: Difference) -> None:
    from archspec_runtime.recipe.values import flow

    tell(*difference.lines)
    for name, before, after in difference.costs:
        tell(f"{name}: {before:,} -> {after:,} ({after - before:+,})")
    for name, *values in difference.recipe:
        old, new = map(flow, values)
        tell(f"{name}: {old} -> {new}")
