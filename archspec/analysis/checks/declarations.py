"""Blocks and shortcuts that a spec declares and nothing uses, and arguments that are set and nothing reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from archspec.diagnostics import Diagnostic, Diagnostics, Span
from archspec.diagnostics.fixes import certain, rewriting
from archspec.diagnostics.spelling import suggestion
from archspec.loading.program import Program
from archspec.loading.resolve import Resolved
from archspec.syntax.nodes import Node, texts, words
from archspec.syntax.removal import last_line, removing

USING = ("stem", "head", "stages", "norm", "act", "shortcut", "args", "presets")
SECTIONS = ("blocks", "shortcuts")

APART = ("train", "expect", "init", "input", "classes", "name", "doc", "outputs")
"""Parts of a spec that use no declarations."""
NO_USE = frozenset({"AS101", "AS103", "AS104", "AS202", "AS203", "AS204", "AS303", "AS304",
                    "AS401", "AS402", "AS403", "AS404", "AS405", "AS406"})  # fmt: skip
"""Mistakes that are no misspelt use of a declaration, where nothing was cut out of the net."""


def check_declarations(net: Program, problems: Diagnostics) -> None:
    """Look for declarations of the spec's own file that neither the net nor a preset uses.

    Whatever stands somewhere as a word counts as used, so that what is warned of can be taken out.
    """
    root = net.resolved.document.root
    if all(d.code in NO_USE or d.code > "AS4" for d in problems if d.is_error):  # be it in a preset
        _check_used(root, problems, ())
    if not any(
        d.code.startswith("AS2") for d in problems if d.is_error
    ):  # of expressions, which may mean an argument
        _check_arguments(root, problems)


def check_declarations_beside(resolved: Resolved, problems: Diagnostics) -> None:
    """Look for declarations that nothing uses in a spec with mistakes, where none of these can be a use of one.

    Those with a mistake inside are left alone: somebody is writing them.
    """
    errors = [d for d in problems if d.is_error]
    if all(place[0] in APART for place in resolved.lost) and all(d.code in NO_USE for d in errors):
        _check_used(resolved.document.root, problems, errors)


def _check_used(root: Node, problems: Diagnostics, errors: Collection[Diagnostic]) -> None:
    used = used_words(root)
    for section in SECTIONS:
        mapping = root.get(section)
        for name, _ in mapping.items() if mapping is not None else []:
            span = mapping.key_span(name) if mapping is not None else root.span
            if name not in used and span.source is root.span.source and not _holds(mapping, name, errors):
                what = section.removesuffix("s")
                message = f"the {what} `{name}` is declared, and nothing uses it"
                fix = removing(root, section, name)
                problems.add("AS313", message, span, "use it, or take it out", fix=fix)


def _holds(mapping: Node | None, name: str, errors: Collection[Diagnostic]) -> bool:
    """Whether one of these mistakes is on the lines of an entry."""
    value = mapping.get(name) if mapping is not None else None
    if mapping is None or value is None:
        return False
    lines = range(mapping.key_span(name).line, last_line(value) + 1)
    spans = [d.span for d in errors if d.span is not None]
    return any(span.source is value.span.source and span.line in lines for span in spans)


def used_words(root: Node) -> set[str]:
    """The words of all that is used: the net, its presets, the declarations that these name, and those that they name."""
    used = {word for key in USING for word in texts(root.get(key))}
    left = {name: node for section in SECTIONS for name, node in _entries(root.get(section))}
    while found := [name for name in left if name in used]:
        for name in found:
            used.update(texts(left.pop(name)))
    return used


def _check_arguments(root: Node, problems: Diagnostics) -> None:
    """Look for arguments that nothing reads: set from outside of the file or by a preset, or declared and set by no preset."""
    args, read = root.get("args"), read_words(root)
    given = set(texts(root.get("presets")))
    declared = [name for name, _ in _entries(args) if name in read]
    for preset, key, name, span in _set_by_presets(root):
        if name not in read and name not in dict(_entries(args)):
            message = f"the preset `{preset}` sets the argument `{name}`, and nothing reads it"
            other = certain(name, declared)
            fix = rewriting(span, key.removesuffix(name) + other) if other else None
            problems.add("AS313", message, span, _instead(name, other), fix=fix)
    for name, node in _entries(args):
        if node.origin is not None and name not in read:
            message = f"the argument `{name}` is set, and nothing reads it"
            problems.add("AS313", message, node.span, _instead(name, certain(name, declared)))
        elif args is not None and name not in read | given and args.key_span(name).source is root.span.source:
            message, span = f"the argument `{name}` is declared, and nothing reads it", args.key_span(name)
            others = [
                k for k, _ in args.items() if args.key_span(k).source is not span.source
            ]  # of what it extends
            help_, fix = "use it in an expression, or take it out", removing(root, "args", name)
            if other := certain(name, others):
                help_, fix = suggestion(name, other), rewriting(span, other)
            problems.add("AS313", message, span, help_, fix=fix)


def _set_by_presets(root: Node) -> Iterator[tuple[str, str, str, Span]]:
    """What the presets of the spec's own file set below `args`: the preset, the key as written, the argument, its place."""
    presets = root.get("presets")
    for preset, node in _entries(presets):
        if presets is None or presets.key_span(preset).source is not root.span.source:
            continue
        for key, value in node.items():
            if key == "args":
                yield from ((preset, name, name, value.key_span(name)) for name, _ in value.items())
            elif key.startswith("args."):
                yield preset, key, key.removeprefix("args."), node.key_span(key)


def _instead(name: str, other: str | None) -> str:
    return suggestion(name, other) if other else "leave it out, or use it in an expression of the spec"


def read_words(root: Node) -> set[str]:
    """The words that may name an argument of a spec, in expressions of all its parts and of the arguments themselves."""
    parts = [node for key, node in root.items() if key not in ("args", "presets", "doc")]
    parts += [node for _, node in _entries(root.get("args"))]
    return {word for node in parts for word in words(node)}


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return node.items() if node is not None else []
