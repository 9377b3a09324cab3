"""One entry of `stem`, `head`, `body`, ...: an operation, block or role, perhaps named, with arguments.

relu                                           an operation
bn1: norm                                      a name and an operation
{conv: {out: 64, kernel: 3}}                   an operation with arguments
conv1: {conv: {out: 64, kernel: 3}}            a name and an operation with arguments
{gate: {conv: {out: 1, kernel: 1}}, from: x, when: width > 1}      with inputs and a condition
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from archspec.diagnostics import Diagnostics, Span, did_you_mean
from archspec.expressions import Expr, ExpressionError, parse
from archspec.names import identifier_fault
from archspec.reader import Node

MODIFIERS = ("from", "when")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What to apply, to which values, under which name and condition."""

    callee: str
    span: Span
    name: str | None = None
    args: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Span] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None  # None: the value before
    sources_span: Span | None = None
    when: Expr | None = None


Known = Callable[[str], bool]


def parse_steps(
    node: Node | None, known: Known, words: Callable[[], list[str]], problems: Diagnostics
) -> tuple[Step, ...]:
    """Read a list of steps; `known` tells operations, blocks and roles from names. Mistakes are recorded."""
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, list):
        problems.add("AS103", "expected a list of steps", node.span, "begin each step with `- `")
        return ()
    return tuple(s for item in node.value if (s := parse_step(item, known, words, problems)) is not None)


def parse_step(item: Node, known: Known, words: Callable[[], list[str]], problems: Diagnostics) -> Step | None:
    """Read one step; None where it is malformed."""
    if isinstance(item.value, str):
        return _applied(None, item.value, None, item.span, item, known, words, problems)
    if not isinstance(item.value, dict):
        problems.add(
            "AS305", "a step is an operation or `name: operation`", item.span, "such as `- conv1: {conv: {...}}`"
        )
        return None
    entries = {k: v for k, v in item.value.items() if k not in MODIFIERS}
    if len(entries) != 1:
        what = ", ".join(f"`{k}`" for k in entries) or "nothing"
        problems.add(
            "AS305", f"a step applies one thing, and this one has {what}", item.span, "one step to each `- `"
        )
        return None
    (key, value), span = next(iter(entries.items())), item.key_span(next(iter(entries)))
    inner = [k for k in value.value if k not in MODIFIERS] if isinstance(value.value, dict) else []
    if isinstance(value.value, str):
        name, callee, args = key, value.value, None
        place = value.span
    elif len(inner) == 1 and (
        not known(key) or (known(inner[0]) and isinstance(value.value, dict) and _callable(value.value[inner[0]]))
    ):
        name, callee, args = key, inner[0], value.get(inner[0])
        place = value.key_span(callee)
        item = _with_modifiers(item, value)
    else:
        name, callee, args, place = None, key, value, span
    if name is not None and (fault := identifier_fault(name)):
        problems.add("AS106", f"`{name}` cannot name a module", span, fault)
        return None
    return _applied(name, callee, args, place, item, known, words, problems)


def _callable(node: Node) -> bool:
    return node.value is None or isinstance(node.value, dict)


def _with_modifiers(outer: Node, inner: Node) -> Node:
    """`from` and `when` are accepted beside the name and beside the operation."""
    values = {k: v for source in (inner, outer) for k, v in source.items() if k in MODIFIERS}
    return Node(values, outer.span, {k: (outer.keys | inner.keys)[k] for k in values})


def _applied(
    name: str | None, callee: str, args: Node | None, span: Span, item: Node, known: Known,
    words: Callable[[], list[str]], problems: Diagnostics,
) -> Step | None:  # fmt: skip
    if not known(callee):
        problems.add(
            "AS301", f"no operation, block or role is called `{callee}`", span, did_you_mean(callee, words())
        )
        return None
    if args is not None and args.value is not None and not isinstance(args.value, dict):
        problems.add(
            "AS305", f"the arguments of `{callee}` are a mapping", args.span, f"such as `{callee}: {{name: value}}`"
        )
        return None
    sources, where = None, item.get("from")
    if where is not None:
        listed = where.value if isinstance(where.value, list) else [where]
        sources = tuple(str(s.value) for s in listed)
    condition = item.get("when")
    when: Expr | None = None
    if condition is not None:
        try:
            when = parse(
                str(condition.value).lower() if isinstance(condition.value, bool) else str(condition.value)
            )
        except ExpressionError as error:
            problems.add(error.code, str(error), condition.span)
    return Step(
        callee=callee,
        span=span,
        name=name,
        args=dict(args.items()) if args else {},
        keys=args.keys if args else {},
        sources=sources,
        sources_span=where.span if where else None,
        when=when,
    )
