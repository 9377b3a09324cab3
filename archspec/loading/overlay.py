"""One document laid over another: mappings key by key, everything else as a whole.

A mapping that names a choice, such as `optimizer: {sgd: ...}`, is replaced when the choice differs, and `stages` may be
patched by name with a mapping. Each value keeps the place it came from.
"""

from __future__ import annotations

from archspec.diagnostics import Diagnostics, Span
from archspec.diagnostics.spelling import did_you_mean
from archspec.syntax.nodes import Node

CHOICES = {
    ("norm",),
    ("act",),
    ("shortcut",),
    ("train", "optimizer"),
    ("train", "loss"),
    ("train", "lr"),
    ("init", "conv"),
    ("init", "linear"),
}


def overlay(base: Node, top: Node, problems: Diagnostics, path: tuple[str, ...] = ()) -> Node:
    """What `base` becomes under `top`; neither is changed."""
    if path == ("stages",) and isinstance(base.value, list) and isinstance(top.value, dict):
        return _patch_stages(base, base.value, top, problems)
    if not isinstance(base.value, dict) or not isinstance(top.value, dict):
        return top
    if path in CHOICES and set(base.value) != set(top.value):
        return top
    values = dict(base.value)
    for key, node in top.value.items():
        values[key] = overlay(values[key], node, problems, (*path, key)) if key in values else node
    return Node(values, top.span, base.keys | top.keys, origin=top.origin)


def _patch_stages(base: Node, stages: list[Node], top: Node, problems: Diagnostics) -> Node:
    patched = list(stages)
    names = [name.value if (name := stage.get("name")) else None for stage in stages]
    for key, patch in top.items():
        if key not in names:
            help_ = did_you_mean(key, [str(n) for n in names if n is not None])
            problems.add("AS101", f"there is no stage `{key}` to change", top.key_span(key), help_)
            continue
        index = names.index(key)
        patched[index] = overlay(stages[index], patch, problems, ("stages", key))
    return Node(patched, base.span, origin=base.origin)


def place(root: Node, path: list[str], value: Node, span: Span) -> Node:
    """A document that has only `value` at a dotted path, to lay over `root`; list items are counted from 0.

    `span` is where the path is written.
    """
    if not path:
        return value
    inner = root.get(path[0])
    if isinstance(root.value, list) and path[0].isdecimal() and int(path[0]) < len(root.value):
        items = list(root.value)
        item = items[int(path[0])]
        items[int(path[0])] = overlay(item, place(item, path[1:], value, span), Diagnostics())
        return Node(items, root.span, origin=root.origin)
    child = place(inner or Node({}, value.span), path[1:], value, span)
    return Node({path[0]: child}, value.span, {path[0]: span}, origin=value.origin)
