"""`archspec list`."""

from __future__ import annotations

from typing import Any

from archspec_cli.common import As, Format
from archspec_cli.console import tell, tell_json


def list_specs(format: As = Format.text) -> None:
    """List what comes with archspec: specs with their presets and cost, recipes, blocks, shortcuts. `show` prints each.

    Example: archspec list
    """
    specs, parts = _specs(), _parts()
    if format is Format.json:
        tell_json({"specs": specs, **parts})
        return
    for spec in specs:
        tell(
            f"{spec['name']:<16} {spec['params']:>12,} parameters {spec['macs']:>15,} multiply-adds  {spec['depth']:>3} layers"
        )
        if spec["presets"]:
            tell(f"{'':<16} presets: {', '.join(spec['presets'])}")
    for sort, names in parts.items():
        tell("", f"{sort}: {', '.join(names)}")


def _specs() -> list[dict[str, Any]]:
    import archspec
    from archspec.loading import zoo

    found = []
    for name in zoo.names():
        net = archspec.load(name)
        presets = net.resolved.root.get("presets")
        cost = {"params": net.cost.params, "macs": net.cost.macs, "depth": net.cost.depth}
        found.append(
            {"name": name, **cost, "presets": [key for key, _ in presets.items()] if presets is not None else []}
        )
    return found


def _parts() -> dict[str, list[str]]:
    from archspec.loading import zoo

    parts = zoo.library().items()
    blocks, shortcuts = (
        [name for name, path in parts if path.parent.name == sort] for sort in ("blocks", "shortcuts")
    )
    return {"recipes": zoo.recipes(), "blocks": blocks, "shortcuts": shortcuts}
