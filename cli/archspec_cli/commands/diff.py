"""`archspec diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec_cli.common import As, Format, Include, Set, load_any, spec_names
from archspec_cli.console import tell, tell_json


def diff(
    first: Annotated[
        str,
        typer.Argument(
            help="A spec file, a zoo name, NAME:PRESET, or the folder of a run.",
            show_default=False,
            autocompletion=spec_names,
        ),
    ],
    second: Annotated[str, typer.Argument(help="Another.", show_default=False, autocompletion=spec_names)],
    sets: Set = None,
    include: Include = None,
    format: As = Format.text,
) -> None:
    """Print what differs between two nets, in structure, in cost and in training. `--set` applies to both.

    Exits with 0 where nothing differs, 1 where something does.

    Example: archspec diff resnet50 resnet50:paper
    """
    from archspec.analysis.diff import diff as compare
    from archspec_runtime.recipe.values import flow

    a, b = (load_any(spec, sets, None, include) for spec in (first, second))
    difference = compare(a, b)
    if format is Format.json:
        costs, recipe = (
            {name: [old, new] for name, old, new in values} for values in (difference.costs, difference.recipe)
        )
        tell_json({"structure": difference.lines, "cost": costs, "train": recipe})
        raise typer.Exit(0 if difference.empty else 1)
    if difference.empty:
        tell("no difference")
        return
    tell(f"- {first}", f"+ {second}")
    tell(*difference.lines)
    for name, before, after in difference.costs:
        tell(f"{name}: {before:,} -> {after:,} ({after - before:+,})")
    for name, *values in difference.recipe:
        old, new = map(flow, values)
        tell(f"{name}: {old} -> {new}")
    raise typer.Exit(1)
