"""The spec of what can be said of a model: what cannot is a step that is a hole, with the reason."""

from __future__ import annotations

from archspec.importing.blocks import InexpressibleError, blocks
from archspec.importing.spec import FORMS, unchecked
from archspec.importing.text import to_text
from archspec.importing.traced import Traced
from archspec.importing.tree import shapes, tree
from archspec.ops import ArgumentError, ShapeError


def partial_spec(net: Traced) -> str | None:
    """The text of a spec with holes, which `check` refuses; None where the steps around them are no spec either."""
    for merged, alike in FORMS:
        try:
            found = blocks(tree(net), shapes(net), net.outputs, merged=merged, alike=alike)
            spec = unchecked(net, found)
        except (InexpressibleError, ShapeError, ArgumentError, LookupError, ValueError):
            continue  # nothing is promised of what is no whole
        at = list(spec).index("input")
        holes = {name: f"{why}" for name, why in net.holes.items()}
        spec = {**dict(list(spec.items())[:at]), "holes": holes, **dict(list(spec.items())[at:])}
        count = f"{len(holes)} hole{'s' * (len(holes) > 1)}"
        head = [
            f"# Imported in part from {net.source or net.class_name}: {count}, for what a spec has no words for.",
            "# Put steps in the place of each and take it out of `holes`; until then `archspec check` refuses this file.",
            "# Nothing here was compared with the model.",
        ]
        return "\n".join(head) + "\n" + to_text(spec)
    return None
