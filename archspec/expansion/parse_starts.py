"""Reading of a step's `init`: how each of its parameters starts."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.language.step import WrittenStart
from archspec.ops.arguments import describe
from archspec.ops.starts import FILTERS, NORMAL, OF_FANS
from archspec.syntax.nodes import Node

EXAMPLE = "such as `init: {weight: {normal: {std: 0.01}}, bias: 0}`"
NUMBER_OF = {**dict.fromkeys(NORMAL, "std"), **dict.fromkeys(OF_FANS, "gain")}
"""The argument of each distribution."""
WORDS = (*OF_FANS, *NORMAL, *FILTERS)
CONSTANTS = {"zero": "0", "zeros": "0", "one": "1", "ones": "1"}


def read_starts(node: Node | None, problems: Diagnostics) -> tuple[dict[str, WrittenStart], bool]:
    """What the `init` of a step says by the name of each parameter, and whether all of it could be read."""
    if node is None:
        return {}, True
    if not isinstance(node.value, dict) or not node.value:
        message = f"`init` says how each parameter of a step starts, and this is {describe(node.plain())}"
        problems.add("AS305", message, node.span, EXAMPLE)
        return {}, False
    found = {name: _read(name, value, problems) for name, value in node.items()}
    starts = {name: start for name, start in found.items() if start is not None}
    for name, start in starts.items():
        start.key = node.key_span(name)
    return starts, len(starts) == len(found)


def _read(name: str, node: Node, problems: Diagnostics) -> WrittenStart | None:
    """One start: a number or an expression, a word, or a mapping with one word."""
    value, kind, span = node.value, node.value, node.span
    arguments: Node | None = None
    if isinstance(value, dict) and len(value) == 1:
        ((kind, arguments),) = value.items()
        span = node.key_span(str(kind))
    elif isinstance(value, (dict, list, bool)) or value is None:
        problems.add(
            "AS103", f"`init.{name}` is {describe(node.plain())}, not a number or one distribution", span, EXAMPLE
        )
        return None
    elif not isinstance(value, str) or (not value.isidentifier() and not value.startswith("$")):
        return WrittenStart("constant", node, span)
    kind = str(kind)
    if kind in (*OF_FANS, *FILTERS) and (arguments is None or not arguments.value):
        return WrittenStart(kind, None, span)
    argument = NUMBER_OF.get(kind)
    if (
        argument
        and arguments is not None
        and isinstance(arguments.value, dict)
        and [*arguments.value] == [argument]
    ):
        return WrittenStart(kind, arguments.value[argument], span)
    if arguments is None and kind.startswith("$"):
        return WrittenStart("constant", Node(kind[1:], span, origin=node.origin), span)
    if kind in NORMAL:
        problems.add(
            "AS304", f"`{kind}` needs `std`, and nothing else", span, f"such as `{{{kind}: {{std: 0.02}}}}`"
        )
    elif kind in FILTERS:
        problems.add("AS303", f"`{kind}` takes no arguments", span, f"write `{kind}` alone")
    elif kind in OF_FANS:
        message = f"`{kind}` takes a `gain`, and nothing else"
        problems.add("AS303", message, span, f"write `{kind}` alone, or `{{{kind}: {{gain: 0.5}}}}`")
    elif (number := CONSTANTS.get(kind.lower())) is not None:
        problems.add(
            "AS103",
            f"a parameter that starts from a constant says the number, not `{kind}`",
            span,
            f"write `{number}`",
        )
    elif arguments is not None or not kind.isidentifier() or did_you_mean(kind, WORDS) or "_" in kind:
        help_ = did_you_mean(kind, WORDS) or EXAMPLE
        fix = respelling(span, kind, WORDS)
        problems.add("AS303", f"no distribution is called `{kind}`", span, help_, fix=fix)
    return None
