"""Arguments of a block that are misspelt where they are declared: the block itself calls them by another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from archspec.diagnostics import Diagnostics
from archspec.diagnostics.fixes import certain, rewriting
from archspec.diagnostics.spelling import suggestion
from archspec.language.step import Step
from archspec.language.values import mentioned
from archspec.syntax.expressions import Expr, names
from archspec.syntax.nodes import Node


def respelt(
    args: Node, used: Counter[str], known: Collection[str], root: Node, owner: str, problems: Diagnostics
) -> Node:
    """The arguments that a block declares, misspelt ones under the name that it uses; each is recorded once.

    `used` counts the names in the block, of which it knows `known` without declaring them. A name is misspelt in the declaration
    if nothing uses it as it is declared, and either the block says the other name more than once or others give it.
    """
    strange = [name for name in used if name not in known and args.get(name) is None]
    meant: dict[str, str] = {}
    for name, _ in args.items() if strange else []:
        other = None if name in used else certain(name, set(strange) - set(meant.values()))
        if other is None or _is_given(root, name) or (used[other] == 1 and not _is_given(root, other)):
            continue
        meant[name] = other
        message = f"`{owner}` declares `{name}`, which it never uses, and uses `{other}`, which it does not declare"
        span = args.key_span(name)
        problems.add("AS202", message, span, suggestion(name, other), fix=rewriting(span, other))
    if not meant:
        return args
    keys = {meant.get(name, name): span for name, span in args.keys.items()}
    return Node({meant.get(name, name): node for name, node in args.items()}, args.span, keys)


def _is_given(root: Node, name: str) -> bool:
    """Whether a step, a stage or `defaults` gives an argument of this name."""
    if isinstance(root.value, list):
        return any(_is_given(item, name) for item in root.value)
    return any(key == name or _is_given(node, name) for key, node in root.items() if key != "args")


def names_used(
    steps: Iterable[Step], nodes: Iterable[Node | None], expressions: Iterable[Expr | None]
) -> Counter[str]:
    """How often each name stands in steps, values and expressions."""
    used = Counter(name for node in nodes for name in _mentioned(node))
    used.update(name for expr in expressions if expr is not None for name in names(expr))
    used.update(name for step in steps for name in _in_step(step))
    return used


def _in_step(step: Step) -> Iterator[str]:
    if step.callee.startswith("$"):
        yield step.callee[1:]
    for expr in (step.when, step.repeat):
        yield from names(expr) if expr is not None else ()
    for node in (*step.args.values(), *(step.cells.nodes.values() if step.cells is not None else ())):
        yield from _mentioned(node)
    for part in (step.name or "").split("{")[1:]:
        yield from mentioned(part.partition("}")[0])
    for inner in step.within:
        yield from _in_step(inner)


def _mentioned(node: Node | None) -> Iterator[str]:
    """The names in a value and in what is inside of it."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for inner in node.value.values():
            yield from _mentioned(inner)
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from _mentioned(inner)
    elif isinstance(node.value, str):
        yield from mentioned(node.value.removeprefix("$"))
