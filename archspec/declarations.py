"""Blocks and shortcuts that a spec declares and nothing uses, and arguments that are set and nothing reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.diagnostics import Diagnostics
from archspec.network import Network
from archspec.reader import Node
from archspec.removing import removing

USING = ("stem", "head", "stages", "norm", "act", "shortcut", "args", "presets")
SECTIONS = ("blocks", "shortcuts")

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_declarations(net: Network, problems: Diagnostics) -> None:
    """Look for declarations of the spec's own file that neither the net nor a preset uses.

    Whatever stands somewhere as a word counts as used, so that what is warned of can be taken out.
    """
    root = net.resolved.document.root
    used = used_words(root)
    for section in SECTIONS:
        mapping = root.get(section)
        for name, _ in mapping.items() if mapping is not None else []:
            span = mapping.key_span(name) if mapping is not None else root.span
            if name not in used and span.source is root.span.source:
                what = section.removesuffix("s")
                message = f"the {what} `{name}` is declared, and nothing uses it"
                fix = removing(root, section, name)
                problems.add("AS313", message, span, "use it, or take it out", fix=fix)
    _check_arguments(root, problems)


def used_words(root: Node) -> set[str]:
    """The words of all that is used: the net, its presets, the declarations that these name, and those that they name."""
    words = {word for key in USING for word in _words(root.get(key))}
    left = {name: node for section in SECTIONS for name, node in _entries(root.get(section))}
    while found := [name for name in left if name in words]:
        for name in found:
            words.update(_words(left.pop(name)))
    return words


def _check_arguments(root: Node, problems: Diagnostics) -> None:
    """Look for arguments that were set from outside of the file, to no effect."""
    args = root.get("args")
    parts = [node for key, node in root.items() if key not in ("args", "presets", "doc")]
    read = {word for node in parts for text in _words(node) for word in _WORD.findall(text)}
    read |= {word for _, node in _entries(args) for text in _words(node) for word in _WORD.findall(text)}
    for name, node in _entries(args):
        if node.origin is not None and name not in read:
            message = f"the argument `{name}` is set, and nothing reads it"
            problems.add("AS313", message, node.span, "leave it out, or use it in an expression of the spec")


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return node.items() if node is not None else []


def _words(node: Node | None) -> Iterator[str]:
    """The keys and texts of a document."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            yield key
            yield from _words(inner)
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from _words(inner)
    elif isinstance(node.value, str):
        yield node.value.removeprefix("$")
