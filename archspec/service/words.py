"""The words of a spec, in one walk over its nodes, of which everything that the service knows about a place follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import BaseModel

from archspec.language import keys
from archspec.language.keys import Key
from archspec.language.spec import BlockModel, Spec, Stage
from archspec.service.step_words import StepWords
from archspec.service.word import Role, Word, text_of
from archspec.syntax.nodes import Node


def words_of(root: Node, known: Callable[[str], bool], layer: Callable[[str, str], bool]) -> list[Word]:
    """The words of a spec in order of the walk.

    `known` says what can be applied, and `layer` whether an argument of something is a layer.
    """
    return list(_Walk(known, layer).model(root, Spec, "", ""))


class _Walk(StepWords):
    """Walks over a spec."""

    __slots__ = ()

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
            yield Word(text_of(node), node.span, "value", scope, node, None, path, key)

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
                    text_of(value),
                    value.span,
                    "stage",
                    "",
                    value,
                    item,
                    text_of(value),
                    callee=callee,
                    at=item.span,
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
            yield Word(text_of(node), node.span, role, "", node, None, path)


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
