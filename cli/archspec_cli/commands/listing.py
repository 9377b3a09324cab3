"""`archspec list`."""

from __future__ import annotations


def list_specs() -> None:
    """List the specs that come with archspec, their presets and their cost.

    Example: archspec list
    """
    import archspec
    from archspec import zoo

    for name in zoo.names():
        net = archspec.load(name)
        cost = net.cost
        print(f"{name:<16} {cost.params:>12,} parameters {cost.macs:>15,} multiply-adds  {cost.depth:>3} layers")
        presets = net.resolved.root.get("presets")
        if presets is not None:
            print(f"{'':<16} presets: {', '.join(key for key, _ in presets.items())}")
