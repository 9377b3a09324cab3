"""Taking an entry out of a mapping, as an edit of its text: whole lines in block style, up to the next entry in flow style."""

from __future__ import annotations

from archspec.diagnostics import Edit, Fix, Span
from archspec.syntax.nodes import Node


def removing(root: Node, section: str, name: str) -> Fix | None:
    """The fix that takes an entry out of a section of a spec, and the section with its last; None where that is not simple."""
    mapping = root.get(section)
    if mapping is None or mapping.get(name) is None:
        return None
    alone = len(mapping.items()) == 1
    owner, key = (root, section) if alone else (mapping, name)
    span = owner.key_span(key)
    value = owner.get(key)
    if value is None or span.source is not value.span.source or span.source.virtual:
        return None
    place = (
        _lines(span, value) if not span.source.line(span.line)[: span.column].strip() else _flow(owner, key, value)
    )
    return None if place is None else Fix(f"remove `{section if alone else name}`", (Edit(place, ""),))


def _lines(key: Span, value: Node) -> Span:
    return Span(key.source, key.line, 0, last_line(value) + 1, 0)


def last_line(node: Node) -> int:
    """The last line on which something of a value stands: a mapping in block style ends where the next thing begins."""
    span = node.span
    flow = span.source.line(span.line)[span.column : span.column + 1] in ("{", "[")
    if isinstance(node.value, dict) and not flow:
        return max(
            [span.line, *(last_line(n) for n in node.value.values()), *(k.end_line for k in node.keys.values())]
        )
    if isinstance(node.value, list) and not flow:
        return max([span.line, *map(last_line, node.value)])
    return span.end_line - (span.end_column == 0 and span.end_line > span.line)


def _flow(owner: Node, key: str, value: Node) -> Span | None:
    """The stretch of one of several entries on one line."""
    span, line = owner.key_span(key), owner.span.line
    if (owner.span.end_line, value.span.end_line) != (line, line) or len(owner.items()) == 1:
        return None
    names = [name for name, _ in owner.items()]
    index = names.index(key)
    if index + 1 < len(names):
        return Span(span.source, line, span.column, line, owner.key_span(names[index + 1]).column)
    before = owner.get(names[index - 1])
    assert before is not None
    return Span(span.source, line, before.span.end_column, line, value.span.end_column)
