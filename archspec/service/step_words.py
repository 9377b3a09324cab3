"""The words of steps: names, what they apply with its arguments, what they take, and the rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from archspec.diagnostics import Span
from archspec.language.step import MODIFIERS, ROWS, SHARE, STEPS
from archspec.ops import MERGES
from archspec.service.word import Role, Word, text_of
from archspec.syntax.nodes import Node


@dataclass(frozen=True, slots=True)
class StepWords:
    """Walks over steps: `known` says what can be applied, and `layer` whether an argument of something is a layer."""

    known: Callable[[str], bool]
    layer: Callable[[str, str], bool]

    def steps(self, node: Node, path: str, scope: str, chain: str = "") -> Iterator[Word]:
        """The words of a list of steps; `chain` is the dotted name of the chain that they are in."""
        for item in node.value if isinstance(node.value, list) else [node]:
            yield from self.step(item, path, scope, chain)

    def step(self, item: Node, path: str, scope: str, chain: str = "") -> Iterator[Word]:
        """The words of a step."""
        if isinstance(item.value, list):
            yield from self.steps(item, path, scope, chain)
            return
        if not isinstance(item.value, dict):
            yield self.applied(item, scope, item, chain)
            return
        for name, value in item.items():
            span = item.key_span(name)
            if name in MODIFIERS:
                yield from self.modifier(item, name, value, scope)
            elif name == STEPS and isinstance(value.value, list):
                yield Word(name, span, "modifier", scope, value, item)
                yield from self.steps(value, path, scope, chain)
            elif name == ROWS:
                yield Word(name, span, "modifier", scope, value, item)
                yield from self.rows(value, path, scope, chain)
            else:
                yield from self.named(item, name, value, path, scope, chain)

    def modifier(self, item: Node, name: str, value: Node, scope: str) -> Iterator[Word]:
        """A key beside what a step applies: `from`, `when`, `repeat`, `init`."""
        yield Word(name, item.key_span(name), "modifier", scope, value, item, beside=tuple(item.keys))
        if name == "from":
            yield from self.sources(value, scope)
        elif name == "init":
            for parameter, start in value.items():
                yield Word(parameter, value.key_span(parameter), "start", scope, start, item)
        else:
            yield from self.expressions(value, scope)

    def sources(self, value: Node, scope: str) -> Iterator[Word]:
        """References to steps by name."""
        for each in value.value if isinstance(value.value, list) else [value]:
            if isinstance(each.value, (str, int)):
                yield Word(text_of(each), each.span, "source", scope, each)

    def named(self, item: Node, name: str, value: Node, path: str, scope: str, chain: str) -> Iterator[Word]:
        """A key of a step: what is applied, with arguments below it, or a name, with what is applied below it."""
        span, full = item.key_span(name), f"{chain}.{name}" if chain else name
        beside = tuple(item.keys)

        def as_name(callee: str, at: Span | None) -> Word:
            return Word(name, span, "step", scope, value, item, full, callee=callee, at=at, beside=beside)

        if isinstance(value.value, str):
            yield as_name(value.value, value.span)
            yield self.applied(value, scope, item, full)
        elif isinstance(value.value, list) and name in MERGES:
            yield from self.call(item, scope, item, full, only=name)
            yield from self.steps(value, path, scope, chain)
        elif isinstance(value.value, list) and not self.known(name):
            yield as_name("", value.span)
            yield from self.steps(value, path, scope, full)
        elif isinstance(value.value, dict):
            inner = [key for key, _ in value.items() if key not in MODIFIERS]
            below = inner[0] if len(inner) == 1 else None
            if below is not None and below in (ROWS, STEPS, SHARE) and not self.known(name):
                yield as_name("", value.span if below != SHARE else value.value[below].span)
                for key, one in value.items():
                    yield Word(key, value.key_span(key), "modifier", scope, one, item)
                    if key == SHARE:
                        yield from self.sources(one, scope)
                    elif key == ROWS:
                        yield from self.rows(one, path, scope, full)
                    elif key == STEPS:
                        yield from self.steps(one, path, scope, full)
            elif below in MERGES and isinstance(value.value[below].value, list) and not self.known(name):
                yield as_name(below, value.key_span(below))
                yield from self.call(value, scope, item, full)
                yield from self.steps(value.value[below], path, scope, chain)
            elif below is not None and self.applies(name, below, value.value[below]):
                yield as_name(below, value.key_span(below))
                yield from self.call(value, scope, item, full)
            elif self.known(name) or name.startswith("$"):
                yield from self.call(item, scope, item, full, only=name)
            else:
                yield as_name("", None)
                yield from self.call(value, scope, item, full)
        elif self.known(name) or name.startswith("$"):
            yield from self.call(item, scope, item, full, only=name)
        else:
            yield as_name("", None)

    def applies(self, name: str, below: str, inner: Node) -> bool:
        """Whether `name` is a step's name and `below` what it applies, rather than one of its arguments."""
        if self.layer(name, below):
            return False
        if below.startswith("$") or not self.known(name):
            return self.known(below) or below.startswith("$") or isinstance(inner.value, dict)
        return self.known(below) and (isinstance(inner.value, dict) or inner.value is None)

    def call(
        self, node: Node, scope: str, item: Node, path: str, sort: str = "blocks", only: str = ""
    ) -> Iterator[Word]:
        """What is applied as the key of a mapping, with the arguments below it."""
        for name, value in node.items():
            if only and name != only:
                continue
            if name in MODIFIERS and not only:
                yield from self.modifier(node, name, value, scope)
                continue
            role: Role = "shortcut" if sort == "shortcuts" else "callee"
            span = node.key_span(name)
            yield Word(
                name, span, role, scope, value, item, path, callee=name, sort=sort, at=span, beside=tuple(node.keys)
            )
            yield from self.arguments(value, name, scope, sort)

    def applied(self, node: Node, scope: str, item: Node | None, path: str = "", sort: str = "blocks") -> Word:
        """What is applied as a word alone."""
        role: Role = "shortcut" if sort == "shortcuts" else "callee"
        return Word(
            text_of(node), node.span, role, scope, node, item, path, callee=text_of(node), sort=sort, at=node.span
        )

    def arguments(self, node: Node, callee: str, scope: str, sort: str = "blocks") -> Iterator[Word]:
        """The arguments of something that is applied."""
        beside = tuple(node.keys)
        for name, value in node.items():
            span = node.key_span(name)
            yield Word(
                name, span, "argument", scope, value, node, callee=callee, sort=sort, argument=name, beside=beside
            )
            yield from self.argument_value(value, callee, name, scope, sort)

    def argument_value(self, value: Node, callee: str, name: str, scope: str, sort: str) -> Iterator[Word]:
        """The value of an argument: a layer, a scalar, or each scalar of a list."""
        if self.layer(callee, name):
            yield from self.callee(value, "", scope)
            return
        for each in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(each.value, (dict, list)):
                yield Word(
                    text_of(each),
                    each.span,
                    "argument value",
                    scope,
                    each,
                    None,
                    callee=callee,
                    sort=sort,
                    argument=name,
                )

    def expressions(self, value: Node, scope: str) -> Iterator[Word]:
        """A scalar that is an expression."""
        if not isinstance(value.value, (dict, list)):
            yield Word(text_of(value), value.span, "expression", scope, value)

    def rows(self, node: Node, path: str, scope: str, chain: str) -> Iterator[Word]:
        """A table of rows."""
        for name, value in node.items():
            yield Word(name, node.key_span(name), "modifier", scope, value, node)
            if name == "block":
                if isinstance(value.value, list):
                    yield from self.steps(value, path, scope, chain)
                else:
                    yield from self.callee(value, path, scope)
            elif name == "table" and isinstance(value.value, list):
                for row in value.value:
                    for cell in row.value if isinstance(row.value, list) else []:
                        yield from self.expressions(cell, scope)

    def callee(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """A word that is applied, alone or with its arguments."""
        sort = "shortcuts" if path.endswith("shortcut") else "blocks"
        if isinstance(node.value, dict):
            yield from self.call(node, scope, node, "", sort)
        elif not isinstance(node.value, list):
            yield self.applied(node, scope, None, "", sort)
