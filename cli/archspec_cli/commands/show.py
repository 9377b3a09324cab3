"""`archspec show`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec_cli.common import Include, Preset, Set, Spec, load


def show(
    spec: Spec,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With everything resolved, and where each value came from.")
    ] = False,
    sets: Set = None,
    preset: Preset = None,
    include: Include = None,
) -> None:
    """Print a spec as it is, or resolved: extended, preset, overridden, with the origin of every value.

    Examples: archspec show resnet34 · archspec show cifar_resnet:plain56 --resolved
    """
    net = load(spec, sets, preset, include)
    if not resolved:
        print(net.resolved.root.span.source.text, end="")
        return
    from archspec.resolved_text import resolved_lines

    lines = resolved_lines(net)
    width = min(88, max(len(line) for line, _ in lines))
    for line, origin in lines:
        print(f"{line:<{width}}  # {origin}" if origin else line)
