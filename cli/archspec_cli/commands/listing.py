"""`archspec list`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from archspec.loading.program import Program
from archspec_cli.common import As, Format, Include, load, report, spec_names
from archspec_cli.console import fail, tell, tell_json


def list_specs(
    spec: Annotated[
        str | None,
        typer.Argument(help="A spec, whose arguments and presets are listed instead.", show_default=False,
                       autocompletion=spec_names),
    ] = None,
    include: Include = None,
    format: As = Format.text,
) -> None:  # fmt: skip
    """List what comes with archspec: specs with their presets and cost, recipes, blocks, shortcuts. `show` prints each.

    With SPEC, list its arguments with their values, and its presets with their cost.

    Examples: archspec list · archspec list resnet50
    """
    if spec is not None:
        _list_one(spec, include, format)
        return
    if include:
        fail("--include has no effect without a SPEC", "name a spec, or leave it out")
    specs, parts = _specs(), _parts()
    if format is Format.json:
        tell_json({"specs": specs, **parts})
        return
    for one in specs:
        tell(_line(one, 16))
        if one["presets"]:
            tell(f"{'':<16} presets: {', '.join(one['presets'])}")
    for sort, names in parts.items():
        tell("", f"{sort}: {', '.join(names)}")


def _list_one(spec: str, include: Include, format: Format) -> None:
    net = load(spec, None, None, include)
    args, presets = (net.resolved.document.root.get(key) for key in ("args", "presets"))
    arguments = {} if args is None else {name: node.plain() for name, node in args.items()}
    costs = []
    for name in [] if presets is None else [name for name, _ in presets.items()]:
        cost = _net(spec.partition(":")[0], name, include).cost
        costs.append({"name": name, "params": cost.params, "macs": cost.macs, "depth": cost.depth})
    if format is Format.json:
        tell_json({"name": net.name, "arguments": arguments, "presets": costs})
        return
    tell(f"{net.name}: {net.doc}" if net.doc else net.name)
    if arguments:
        tell("", "arguments, to be set with --set NAME=VALUE")
        tell(*(f"  {key:<14} {_shown(value)}" for key, value in arguments.items()))
    if costs:
        tell("", f"presets, as in {spec.partition(':')[0]}:{costs[0]['name']}")
        tell(*(f"  {_line(cost, 14)}" for cost in costs))
    if not arguments and not costs:
        tell("it has no arguments and no presets; --set changes its keys, such as --set classes=10")


def _line(cost: Mapping[str, Any], width: int) -> str:
    """The name of a net and what it costs."""
    counts = f"{cost['params']:>12,} parameters {cost['macs']:>15,} multiply-adds  {cost['depth']:>3} layers"
    return f"{cost['name']:<{width}} {counts}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _specs() -> list[dict[str, Any]]:
    from archspec.loading import zoo

    found = []
    for name in zoo.names():
        net = _net(name)
        presets = net.resolved.root.get("presets")
        cost = {"params": net.cost.params, "macs": net.cost.macs, "depth": net.cost.depth}
        found.append(
            {"name": name, **cost, "presets": [key for key, _ in presets.items()] if presets is not None else []}
        )
    return found


def _net(spec: str, preset: str | None = None, include: Include = None) -> Program:
    """The net of a spec or of a preset, without a look at the other presets; exits with 1 where it has mistakes."""
    from archspec.compile import look

    net, problems = look(spec, preset=preset, include=include or (), presets=False)
    mistakes = [problem for problem in problems if problem.is_error]
    if net is None or mistakes:
        report(mistakes)
        raise typer.Exit(1)
    return net


def _parts() -> dict[str, list[str]]:
    from archspec.loading import zoo

    parts = zoo.library().items()
    blocks, shortcuts = (
        [name for name, path in parts if path.parent.name == sort] for sort in ("blocks", "shortcuts")
    )
    return {"recipes": zoo.recipes(), "blocks": blocks, "shortcuts": shortcuts}
