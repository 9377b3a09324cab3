"""`archspec show`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import Include, Preset, Set, load
from archspec_cli.console import fail, tell, tell_text


def show(
    spec: Annotated[
        str,
        typer.Argument(
            help="A spec file, a zoo name such as resnet50, NAME:PRESET, or a recipe, block or shortcut such as basic.",
            show_default=False,
        ),
    ],
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With everything resolved, and where each value came from.")
    ] = False,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
) -> None:
    """Print a spec as it is, or resolved: extended, preset, overridden, with the origin of every value.

    Recipes, blocks and shortcuts that come with archspec are printed by name, to be read, copied and changed.

    Examples: archspec show resnet34 · archspec show cifar_resnet:plain56 --resolved · archspec show bottleneck
    """
    if not resolved and (sets or preset or include):
        fail("--set, --preset and --include say how a spec is resolved", "add --resolved")
    if not resolved and not os.path.exists(spec) and (part := _part(spec)):
        tell_text(part.read_text(encoding="utf-8"))
        return
    if not os.path.exists(spec) and _part(spec):
        fail(f"{spec} is a part of specs, and only a spec is resolved", f"archspec show {spec}")
    net = load(spec, sets, preset, include)
    if not resolved:
        tell_text(net.resolved.root.span.source.text)
        return
    from archspec.analysis.resolved_spec import resolved_lines

    lines = resolved_lines(net)
    width = min(88, max(len(line) for line, _ in lines))
    for line, origin in lines:
        tell(f"{line:<{width}}  # {origin}" if origin else line)


def _part(name: str) -> Path | None:
    """The file of a block, shortcut or recipe; of a name that a net has as well, `recipes/NAME` is the recipe."""
    from archspec.loading import zoo

    return None if zoo.find(name) else zoo.library().get(name) or zoo.recipe(name.removeprefix("recipes/"))
