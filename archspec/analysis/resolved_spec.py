"""A resolved spec as text: everything that was given, in its final form, with where each value came from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import isfinite

import yaml

from archspec.analysis.checks.declarations import SECTIONS, read_words, used_words
from archspec.diagnostics.printable import printable
from archspec.loading.program import Program
from archspec.syntax.nodes import Node
from archspec.syntax.scalars import Scalar

DONE = (
    "extends",
    "presets",
)  # resolved into what stands; arguments stay, with their values, where expressions in them do


def resolved_yaml(net: Program) -> str:
    """The spec as one YAML document that loads to the same net."""
    return "\n".join(line for line, _ in _document(net)) + "\n"


def resolved_lines(net: Program) -> list[tuple[str, str]]:
    """Each line of the resolved spec with the origin of its value, such as `specs/resnet18.yaml:7` or `--set`."""
    return list(_document(net))


def _document(net: Program) -> Iterator[tuple[str, str]]:
    root = net.resolved.root
    used = used_words(Node({k: v for k, v in root.items() if k not in DONE}, root.span))
    parts = dict(_parts(net, used))
    while (args := parts.get("args")) is not None:  # of arguments that only each other read, none stays
        read = read_words(Node(parts, root.span))
        kept = {name: node for name, node in args.items() if name in read}
        if len(kept) == len(args.items()):
            break
        parts["args"] = Node(kept, args.span, args.keys, origin=args.origin)
    for key, part in parts.items():
        if key != "args" or part.value:
            yield from _lines(key, part, 0, net)


def _parts(net: Program, used: Collection[str]) -> Iterator[tuple[str, Node]]:
    """The sections of the spec in their final form."""
    root = net.resolved.root
    for key in net.spec.__class__.model_fields:
        node = root.get(key)
        if node is None or node.value is None or key in DONE:
            continue
        final = _plain(node, getattr(net.spec, key)) if key in ("input", "classes", "expect") else node
        if key in SECTIONS:  # those that presets alone use go with them
            kept = {name: node for name, node in final.items() if name in used}
            if not kept:
                continue
            final = Node(kept, final.span, final.keys, origin=final.origin)
        if key == "train" and isinstance(node.value, dict):
            final = Node(
                {k: v for k, v in node.value.items() if k != "recipe"}, node.span, node.keys, origin=node.origin
            )
        if key == "stages" and isinstance(node.value, list):
            final = Node([_stage(n, s.repeat) for n, s in zip(node.value, net.spec.stages, strict=True)], node.span)
        yield key, final


def _stage(node: Node, repeat: int) -> Node:
    if not isinstance(node.value, dict) or "repeat" not in node.value:
        return node
    given = node.value["repeat"]
    return Node({**node.value, "repeat": Node(repeat, given.span, origin=given.origin)}, node.span, node.keys)


def _plain(node: Node, value: object) -> Node:
    if isinstance(node.value, dict):
        return Node({k: _plain(v, getattr(value, k, v.value)) for k, v in node.value.items()}, node.span, node.keys)
    if isinstance(value, (int, float, str)):
        return Node(value, node.span, origin=node.origin)
    return node


def _lines(key: str, node: Node, depth: int, net: Program) -> Iterator[tuple[str, str]]:
    """`key: value` on a line, or opened where it is a section, is long, or has values that came from several places."""
    several = len(set(_origins(node))) > 1
    opened = several or depth == 0 or (isinstance(node.value, dict) and not _short(node))
    if node.value and isinstance(node.value, (dict, list)) and opened:
        yield f"{'  ' * depth}{key}:", ""
        yield from _entries(node, depth + 1, net)
    else:
        yield f"{'  ' * depth}{key}: {_flow(node, net)}", _origin(node)


def _entries(node: Node, depth: int, net: Program) -> Iterator[tuple[str, str]]:
    """What a mapping or a list holds, an entry after the other."""
    if isinstance(node.value, dict):
        for name, inner in node.value.items():
            yield from _lines(_scalar(name, net), inner, depth, net)
    for item in node.value if isinstance(node.value, list) else []:
        if isinstance(item.value, (dict, list)) and len(set(_origins(item))) > 1:
            (first, origin), *others = _entries(item, depth + 1, net)
            yield f"{'  ' * depth}- {first.lstrip()}", origin
            yield from others
        else:
            yield f"{'  ' * depth}- {_flow(item, net)}", _origin(item)


def _origins(node: Node) -> Iterator[str]:
    """Where each of the values came from that a node holds."""
    if node.value and isinstance(node.value, (dict, list)):
        for inner in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from _origins(inner)
    else:
        yield _origin(node)


def _short(node: Node) -> bool:
    return len(node.items()) < 3 and not any(isinstance(v.value, (dict, list)) and v.value for _, v in node.items())


def _flow(node: Node, net: Program) -> str:
    """A value in flow style on one line; a spec's argument is written as the number it has."""
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{_scalar(k, net)}: {_flow(v, net)}" for k, v in node.value.items()) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(_flow(v, net) for v in node.value) + "]"
    return _scalar(node.value, net)


def _scalar(value: Scalar, net: Program) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value) if isfinite(value) else {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}[repr(value)]
    text = yaml.dump(value, default_style=None, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
    risky = any(c in text for c in "{}[],#") or text != value or not value.isprintable()
    return text if not risky else yaml.dump(value, default_style='"', width=10**6).strip()


def _origin(node: Node) -> str:
    """Where a value was written, and through which preset, override or argument it came."""
    source = node.span.source
    place = source.name if source.virtual else f"{source.name}:{node.span.line + 1}"
    origin = f"{place} ({node.origin})" if node.origin and node.origin != "--set" else node.origin or place
    return printable(origin)  # it is written as a comment
