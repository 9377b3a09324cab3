"""What stands beside that which a step applies: `from`, `when` and `repeat`."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.language.step import MODIFIERS
from archspec.ops.arguments import describe
from archspec.syntax.expressions import Expr, ExpressionError
from archspec.syntax.nodes import Node
from archspec.syntax.parse import parse


def sources_of(item: Node, problems: Diagnostics) -> list[Node] | None:
    """The values that `from` lists, none where it is malformed; None where there is no `from`."""
    where = item.get("from")
    if where is None:
        return None
    listed = where.value if isinstance(where.value, list) else [where]
    if not listed or not all(isinstance(s.value, str) for s in listed):
        message = "`from` names a value, or lists the names of several"
        problems.add("AS305", message, where.span, "such as `from: conv1`, or `from: [left, right]`")
        return []
    return listed


def condition_of(item: Node, problems: Diagnostics) -> tuple[Expr | None, bool]:
    """The condition of a step, and whether it could be read."""
    node = item.get("when")
    if node is None:
        return None, True
    text = str(node.value).lower() if isinstance(node.value, bool) else str(node.plain())
    try:
        return parse(text), True
    except ExpressionError as error:
        problems.add(error.code, f"`when`: {error}", node.span, error.help)
        return None, False


def repeat_of(item: Node, problems: Diagnostics) -> tuple[Expr | None, bool]:
    """How often a step stands, and whether that could be read."""
    node = item.get("repeat")
    if node is None:
        return None, True
    if isinstance(node.value, bool) or not isinstance(node.value, (int, str)):
        message = f"`repeat` is {describe(node.plain())}, not a whole number"
        problems.add("AS103", message, node.span, "such as `repeat: 3`, or `repeat: n`")
        return None, False
    try:
        return parse(str(node.value)), True
    except ExpressionError as error:
        problems.add(error.code, f"`repeat`: {error}", node.span, error.help)
        return None, False


def applied_words(item: Node) -> list[str]:
    """The keys of a step that say what it applies."""
    return [key for key, _ in item.items() if key not in MODIFIERS]


def with_modifiers(outer: Node, inner: Node) -> Node:
    """`from`, `when`, `repeat` and `init` are accepted beside the name and beside the operation."""
    values = {k: v for source in (inner, outer) for k, v in source.items() if k in MODIFIERS}
    return Node(values, outer.span, {k: (outer.keys | inner.keys)[k] for k in values})
