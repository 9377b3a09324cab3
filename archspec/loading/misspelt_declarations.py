"""Arguments of a spec that are misspelt where they are declared: the spec itself calls them by another name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from archspec.diagnostics import Diagnostic, Diagnostics
from archspec.diagnostics.fixes import certain, rewriting
from archspec.diagnostics.spelling import suggestion
from archspec.syntax.nodes import Node

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_UNKNOWN = ("AS109", "AS202")


def misspelt(root: Node, found: Iterable[Diagnostic]) -> Iterator[tuple[str, str]]:
    """The arguments that nothing reads as they are declared, each with the name that is unknown in several places."""
    args = root.get("args")
    declared = [name for name, _ in args.items()] if args is not None else []
    read = {word for key, node in root.items() for word in _words(node, of_args=key == "args")}
    for name in declared:
        other = None if name in read else certain(name, read - {*declared})
        if other is not None and len(unknown(other, found)) > 1:
            yield name, other


def unknown(name: str, found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The mistakes that say of a name that nothing is called so."""
    return [d for d in found if d.code in _UNKNOWN and f"`{name}`" in d.message]


def respelt(root: Node, names: Mapping[str, str], problems: Diagnostics) -> Node:
    """A spec whose misspelt arguments have the names that it uses; each is recorded, at its declaration."""
    args = root.get("args")
    if args is None or not names:
        return root
    for name, other in names.items():
        span = args.key_span(name)
        message = f"`args` declares `{name}`, which nothing reads, and `{other}` is read and not declared"
        problems.add("AS202", message, span, suggestion(name, other), fix=rewriting(span, other))
    keys = {names.get(name, name): span for name, span in args.keys.items()}
    mended = Node({names.get(name, name): node for name, node in args.items()}, args.span, keys, args.size)
    return Node({**dict(root.items()), "args": mended}, root.span, root.keys, root.size, root.origin)


def _words(node: Node, *, of_args: bool = False) -> Iterator[str]:
    """The words of the texts and keys below a node; of `args` those of the values alone."""
    if isinstance(node.value, dict):
        for key, inner in node.value.items():
            if not of_args:
                yield key
            yield from _words(inner)
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from _words(inner)
    elif isinstance(node.value, str):
        yield from _WORD.findall(node.value)
