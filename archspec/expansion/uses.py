"""Where blocks and shortcuts are used by name: `name` or `{name: {argument: value}}`, and the stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.diagnostics.fixes import certain, respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.binding import Binder
from archspec.expansion.declarations import RESIDUAL, Declaration, Sort
from archspec.expansion.given import Given
from archspec.expansion.library import Library
from archspec.language import synonyms
from archspec.loading.resolve import PLACEHOLDER
from archspec.ops.arguments import describe
from archspec.syntax.nodes import Node

STAGE_KEYS = ("name", "block", "repeat", "stride", "shortcut", "first")


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A block or shortcut that exists, with the arguments that it is given; `shortcut` is a stage's own."""

    name: str
    given: Given
    shortcut: Node | None = None


def use_of(sort: Sort, node: Node, library: Library, binder: Binder) -> Use | None:
    """Read a use; None where there is no such thing, which is recorded."""
    what, guessed = sort.removesuffix("s"), False
    if node.origin == PLACEHOLDER:
        return None
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((name, args),) = node.value.items()
        span = node.key_span(name)
    elif isinstance(node.value, str):
        name, args, span = node.value, Node({}, node.span), node.span
    else:
        help_ = "write its name, or `{name: {argument: value}}`"
        message = f"expected the name of a {what}, not {describe(node.plain())}"
        binder.add("AS103", message, node.span, help_)
        return None
    if not library.has(sort, name):
        known = [*library.names(sort), *(["none"] if sort == "shortcuts" else [])]
        meaning = synonyms.operation(name) if sort == "blocks" else None
        help_ = meaning.help if meaning else did_you_mean(name, known) or "see `archspec list`"
        binder.add("AS301", f"no {what} is called `{name}`", span, help_, fix=respelling(span, name, known))
        meant = certain(name, library.names(sort))
        if meant is None:
            return None
        name, guessed = meant, True
    if args.value is not None and not isinstance(args.value, dict):
        binder.add(
            "AS305", f"the arguments of `{name}` are a mapping", args.span, f"such as `{name}: {{name: value}}`"
        )
        return None
    return Use(name, Given(dict(args.items()), args.keys, node.span, guessed=guessed))


def use_in_stage(node: Node, first: bool, library: Library, binder: Binder) -> Use | None:
    """What a stage uses in its first block, or in the others; None where it is wrong, which is recorded."""
    override = node.get("first") if first else None
    merged = {k: v for source in (node, override) if source for k, v in source.items()}
    keys = {**node.keys, **(override.keys if override else {})}
    use = use_of("blocks", merged["block"], library, binder)
    if use is None:
        return None
    args = {k: v for k, v in merged.items() if k not in STAGE_KEYS}
    declaration = library.get("blocks", use.name)
    if declaration is not None and declaration.sound:
        for key, message in _not_taken(declaration, merged.keys() & {"stride", "shortcut"}):
            binder.add("AS303", message, keys[key])
    if "stride" in merged and declaration is not None and "stride" in declaration.arguments:
        args["stride"] = merged["stride"] if first else Node(1, keys["stride"])
    if not first and declaration is not None:
        for key in args.keys() - declaration.arguments.keys():
            if certain(key, declaration.arguments) == "stride":  # which is that of the first block, misspelt or not
                args[key] = Node(1, keys[key])
    given = Given(
        {**use.given.nodes, **args}, {**use.given.keys, **keys}, node.span, STAGE_KEYS, (), use.given.guessed
    )
    return Use(use.name, given, merged.get("shortcut"))


def _not_taken(declaration: Declaration, keys: set[str]) -> Iterator[tuple[str, str]]:
    """The keys of a stage that its block has no use for, and why."""
    name = declaration.definition.name
    if "stride" in keys and "stride" not in declaration.arguments:
        yield "stride", f"`{name}` has no argument `stride`"
    if "shortcut" in keys and declaration.merge is None and RESIDUAL not in declaration.arguments:
        yield "shortcut", f"`{name}` merges nothing, so it takes no `shortcut`"
