"""The words of a spec, each with what it is there: a key, a step's name, what is applied, an argument, a reference.

One walk over the nodes, of which everything that the service knows about a place follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from archspec.diagnostics import Span
from archspec.language import keys
from archspec.language.keys import Key
from archspec.language.spec import BlockModel, Spec, Stage
from archspec.language.step import MODIFIERS, ROWS, SHARE, STEPS
from archspec.syntax.reader import Node

Role = Literal[
    "key", "value", "step", "stage", "stage patch", "callee", "shortcut", "modifier", "source", "argument",
    "argument value", "declared argument", "declared block", "declared shortcut", "preset", "change", "extends",
    "recipe", "output", "expression", "block of defaults", "start",
]  # fmt: skip


@dataclass(slots=True, eq=False)
class Word:
    """A word: its text, where it stands, and what it is; what else is known depends on that."""

    text: str
    span: Span
    role: Role
    scope: str = ""  # of its names: empty for the net, `blocks.mine` for a block
    node: Node | None = None  # the value under a key, or the scalar itself
    item: Node | None = None  # the step or stage that it is part of
    path: str = ""  # the dotted path of a key; of a step that with its chain
    key: Key | None = None
    callee: str = ""  # of an argument, what takes it; of a step, what it applies
    sort: str = ""  # of what is applied: `blocks` or `shortcuts`
    argument: str = ""
    at: Span | None = None  # where what a step applies stands, by which the network knows it
    beside: tuple[str, ...] = field(default=())  # the other keys of its mapping


def words_of(root: Node, known: Callable[[str], bool], layer: Callable[[str, str], bool]) -> list[Word]:
    """The words of a spec in order of the walk.

    `known` says what can be applied, and `layer` whether an argument of something is a layer.
    """
    return list(_Walk(known, layer).model(root, Spec, "", ""))


@dataclass(frozen=True, slots=True)
class _Walk:
    known: Callable[[str], bool]
    layer: Callable[[str, str], bool]

    def model(self, node: Node, model: type[BaseModel], path: str, scope: str) -> Iterator[Word]:
        """The words of a mapping whose keys are those of a model."""
        fields = keys.keys_of(model)
        for name, value in node.items():
            key = fields.get(name)
            dotted = f"{path}.{name}" if path else name
            yield Word(name, node.key_span(name), "key", scope, value, node, dotted, key, beside=tuple(node.keys))
            if key is not None:
                yield from self.value(value, key, dotted, scope)

    def value(self, node: Node, key: Key, path: str, scope: str) -> Iterator[Word]:
        """The words of the value of a key."""
        name = path.rpartition(".")[2]
        special = _SPECIAL.get(path) or (
            _OF_BLOCKS.get(name) if path.startswith(("blocks.", "shortcuts.")) else None
        )
        if special is not None:
            yield from special(self, node, path, scope)
        elif key.model is not None and isinstance(node.value, dict) and not key.named:
            yield from self.model(node, key.model, path, scope)
        elif key.model is not None and isinstance(node.value, list):
            for item in node.value:
                if isinstance(item.value, dict):
                    yield from self.model(item, key.model, path, scope)
                else:
                    yield from self.scalars(item, key, path, scope)
        else:
            yield from self.scalars(node, key, path, scope)

    def scalars(self, node: Node, key: Key | None, path: str, scope: str) -> Iterator[Word]:
        """The words of plain values, which may be expressions."""
        if isinstance(node.value, dict):
            for name, value in node.items():
                yield Word(name, node.key_span(name), "value", scope, value, node, path)
                yield from self.scalars(value, None, path, scope)
        elif isinstance(node.value, list):
            for item in node.value:
                yield from self.scalars(item, key, path, scope)
        else:
            yield Word(_text(node), node.span, "value", scope, node, None, path, key)

    # --- steps -------------------------------------------------------------------------------------------

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
                yield Word(_text(each), each.span, "source", scope, each)

    def named(self, item: Node, name: str, value: Node, path: str, scope: str, chain: str) -> Iterator[Word]:
        """A key of a step: what is applied, with arguments below it, or a name, with what is applied below it."""
        span, full = item.key_span(name), f"{chain}.{name}" if chain else name
        beside = tuple(item.keys)

        def as_name(callee: str, at: Span | None) -> Word:
            return Word(name, span, "step", scope, value, item, full, callee=callee, at=at, beside=beside)

        if isinstance(value.value, str):
            yield as_name(value.value, value.span)
            yield self.applied(value, scope, item, full)
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
            _text(node), node.span, role, scope, node, item, path, callee=_text(node), sort=sort, at=node.span
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
        if self.layer(callee, name):
            yield from self.callee(value, "", scope)
            return
        for each in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(each.value, (dict, list)):
                yield Word(
                    _text(each),
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
        if not isinstance(value.value, (dict, list)):
            yield Word(_text(value), value.span, "expression", scope, value)

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

    # --- what keys of the spec hold -----------------------------------------------------------------------

    def callee(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """A word that is applied, alone or with its arguments."""
        sort = "shortcuts" if path.endswith("shortcut") else "blocks"
        if isinstance(node.value, dict):
            yield from self.call(node, scope, node, "", sort)
        elif not isinstance(node.value, list):
            yield self.applied(node, scope, None, "", sort)

    def stages(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """Stages, or patches of those of the spec that is extended."""
        if isinstance(node.value, dict):
            for name, patch in node.items():
                yield Word(
                    name,
                    node.key_span(name),
                    "stage patch",
                    "",
                    patch,
                    patch,
                    name,
                    at=patch.span,
                    beside=tuple(node.keys),
                )
                yield from self.stage(patch, name)
        for item in node.value if isinstance(node.value, list) else []:
            if isinstance(item.value, str):  # a key that is being written
                yield Word(item.value, item.span, "key", "", None, None, f"stages.{item.value}")
            yield from self.stage(item, None)

    def stage(self, item: Node, patched: str | None) -> Iterator[Word]:
        """A stage: its keys, and those of its block."""
        fields, block = keys.keys_of(Stage), item.get("block")
        chosen = block.value if block is not None else None
        callee = next(iter(chosen)) if isinstance(chosen, dict) and chosen else str(chosen or "")
        beside = tuple(item.keys)
        for name, value in item.items():
            key, span, dotted = fields.get(name), item.key_span(name), f"stages.{name}"
            if key is None:
                yield Word(
                    name,
                    span,
                    "argument",
                    "",
                    value,
                    item,
                    dotted,
                    callee=callee,
                    sort="blocks",
                    argument=name,
                    beside=beside,
                )
                yield from self.argument_value(value, callee, name, "", "blocks")
                continue
            yield Word(name, span, "key", "", value, item, dotted, key, callee=callee, beside=beside)
            if name == "name" and patched is None:
                yield Word(
                    _text(value), value.span, "stage", "", value, item, _text(value), callee=callee, at=item.span
                )
            elif name in ("block", "shortcut"):
                yield from self.callee(value, dotted, "")
            elif name == "first":
                yield from self.arguments(value, callee, "")
            else:
                yield from self.scalars(value, key, dotted, "")

    def declared(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """The declared arguments of the spec or of a block."""
        for name, value in node.items():
            yield Word(name, node.key_span(name), "declared argument", scope, value, node, beside=tuple(node.keys))
            if (layer := value.get("layer")) is not None:
                yield from self.callee(layer, "", scope)
            else:
                yield from self.expressions(value, scope)

    def presets(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """Named sets of changes."""
        for name, preset in node.items():
            yield Word(name, node.key_span(name), "preset", "", preset, node)
            for changed, value in preset.items():
                yield Word(changed, preset.key_span(changed), "change", "", value, preset, key=keys.find(changed),
                           beside=tuple(preset.keys))  # fmt: skip
                yield from self.scalars(value, keys.find(changed), changed, "")

    def defaults(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """Arguments that blocks have in this net."""
        for name, value in node.items():
            yield Word(name, node.key_span(name), "block of defaults", "", value, node, callee=name, sort="blocks")
            yield from self.arguments(value, name, "")

    def outputs(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """Named outputs and the steps whose values they are."""
        fields = keys.keys_of(keys.keys_of(Spec)["outputs"].model or Spec)
        for name, value in node.items():
            yield Word(name, node.key_span(name), "output", "", value, node)
            if not isinstance(value.value, dict):
                yield from self.sources(value, "")
            for inner, each in value.items():
                yield Word(inner, value.key_span(inner), "key", "", each, value, f"outputs.{inner}", fields.get(inner),
                           beside=tuple(value.keys))  # fmt: skip
                if inner == "value":
                    yield from self.sources(each, "")

    def declarations(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """Blocks or shortcuts of the spec's own."""
        role: Role = "declared block" if path == "blocks" else "declared shortcut"
        for name, value in node.items():
            yield Word(name, node.key_span(name), role, "", value, node, sort=path)
            if isinstance(value.value, str):  # a key that is being written
                yield Word(value.value, value.span, "key", f"{path}.{name}", None, None, f"{path}.{value.value}")
            yield from self.model(value, BlockModel, path, f"{path}.{name}")

    def listed_outputs(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """The steps of a block whose values it gives."""
        yield from self.sources(node, scope)

    def file(self, node: Node, path: str, scope: str) -> Iterator[Word]:
        """A spec or a recipe that is named."""
        if not isinstance(node.value, (dict, list)):
            role: Role = "extends" if path == "extends" else "recipe"
            yield Word(_text(node), node.span, role, "", node, None, path)


_Reader = Callable[[_Walk, Node, str, str], Iterator[Word]]
_SPECIAL: dict[str, _Reader] = {
    "stem": _Walk.steps,
    "head": _Walk.steps,
    "stages": _Walk.stages,
    "args": _Walk.declared,
    "presets": _Walk.presets,
    "defaults": _Walk.defaults,
    "outputs": _Walk.outputs,
    "blocks": _Walk.declarations,
    "shortcuts": _Walk.declarations,
    "extends": _Walk.file,
    "train.recipe": _Walk.file,
    "norm": _Walk.callee,
    "act": _Walk.callee,
    "shortcut": _Walk.callee,
}
_OF_BLOCKS: dict[str, _Reader] = {
    "args": _Walk.declared,
    "body": _Walk.steps,
    "chain": _Walk.steps,
    "join": _Walk.steps,
    "after": _Walk.steps,
    "merge": _Walk.steps,
    "shortcut": _Walk.callee,
    "outputs": _Walk.listed_outputs,
}


def _text(node: Node) -> str:
    """A scalar as a word; empty for nothing."""
    return "" if node.value is None or isinstance(node.value, (dict, list)) else str(node.value)
