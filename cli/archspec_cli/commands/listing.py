"""`archspec list`."""

from __future__ import annotations


def list_specs() -> None:
    """List what comes with archspec: specs with their presets and cost, blocks, shortcuts. `show` prints each.

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
    parts = zoo.library()
    for sort in ("blocks", "shortcuts"):
        print(f"\n{sort}: {', '.join(name for name, path in parts.items() if path.parent.name == sort)}")
