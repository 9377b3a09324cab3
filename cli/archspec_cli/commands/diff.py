"""`archspec diff`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from archspec_cli.common import Include, Set, load


def diff(
    first: Annotated[str, typer.Argument(help="A spec file, a zoo name, or NAME:PRESET.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Another.", show_default=False)],
    sets: Set = None,
    include: Include = None,
) -> None:
    """Print what differs between two nets, in structure, in cost and in training. `--set` applies to both.

    Exits with 0 where nothing differs, 1 where something does.

    Example: archspec diff resnet50 resnet50:paper
    """
    from archspec.diff import diff as compare

    a, b = load(first, sets, None, include), load(second, sets, None, include)
    difference = compare(a, b)
    if difference.empty:
        print("no difference")
        return
    print(f"- {first}\n+ {second}")
    for line in difference.lines:
        print(line)
    for name, before, after in difference.costs:
        print(f"{name}: {before:,} -> {after:,} ({after - before:+,})")
    for name, *values in difference.recipe:
        old, new = (json.dumps(value) if value is not None else "none" for value in values)
        print(f"{name}: {old} -> {new}")
    raise typer.Exit(1)
