"""What may stand at a place: keys, operations, blocks, arguments, words, names, files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from archspec.ir.garbage import no_collection
from archspec.language import keys
from archspec.language.keys import Key
from archspec.language.spec import ROLES, BlockModel, Spec, Stage
from archspec.language.step import MODIFIERS, ROWS, SHARE, STEPS
from archspec.loading import zoo
from archspec.ops import OPS
from archspec.service.callables import Callables
from archspec.service.document import Document
from archspec.service.recovery import recovered
from archspec.service.word import Word
from archspec.service.words import words_of

_MARK = "archspec_cursor"
_BEFORE = re.compile(r"[\w./]*$", re.ASCII)
_AFTER = re.compile(r"[\w./]*", re.ASCII)
_MODIFIERS = {
    "from": "The steps whose values it takes, in place of the one before.",
    "when": "The condition under which it is there.",
    "repeat": "How often it stands.",
    "init": "What its parameters start from, by name.",
    ROWS: "A table whose rows are steps.",
    STEPS: "Steps that stand in its place.",
    SHARE: "The step whose layers are applied again.",
}

Sort = Literal["key", "operation", "block", "role", "argument", "value", "name", "file", "preset"]


@dataclass(frozen=True, slots=True)
class Item:
    """A completion: its label, what it is, and what it says."""

    label: str
    sort: Sort
    detail: str = ""
    doc: str = ""
    is_key: bool = False  # whether a `:` follows


@dataclass(frozen=True, slots=True)
class Completions:
    """What may stand in place of a stretch of offsets."""

    start: int
    end: int
    items: tuple[Item, ...] = ()


@no_collection()
def complete(document: Document, offset: int) -> Completions:
    """The completions at an offset."""
    text = document.text.text
    before, after = _BEFORE.search(text[:offset]), _AFTER.match(text[offset:])
    start = before.start() if before else offset
    end = offset + (after.end() if after else 0)
    marked = recovered(f"{text[:start]}{_MARK}{text[end:]}".removeprefix("\ufeff"), document.name)
    words = words_of(marked, document.callables.known, document.callables.is_layer)
    word = next((word for word in words if _MARK in word.text), None)
    if word is None:
        return Completions(start, end)
    found = _Finder(document, words, document.callables)
    items = dict[str, Item]()
    for item in found.items(word):
        if _MARK not in item.label:
            items.setdefault(item.label, item)
    followed = text[end:].lstrip(" ").startswith(":")
    return Completions(start, end, tuple(
        Item(i.label, i.sort, i.detail, i.doc, i.is_key and not followed) for i in items.values()))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Finder:
    document: Document
    words: list[Word]
    callables: Callables

    def items(self, word: Word) -> Iterator[Item]:
        """What may stand in place of a word."""
        if word.text.startswith("$"):
            yield from self.names(word.scope)
            return
        match word.role:
            case "key":
                yield from self.keys_beside(word)
            case "value":
                yield from self.values(word)
            case "step" | "callee" | "shortcut" | "block of defaults":
                yield from self.applied(word)
            case "argument":
                if word.path.startswith("stages."):
                    yield from _of_model(Stage, word.beside)
                yield from self.parameters(word)
            case "argument value":
                yield from self.argument_values(word)
            case "source":
                yield from self.steps(word.scope)
            case "extends":
                yield from self.files()
                yield from (Item(name, "file", "zoo") for name in zoo.names())
                yield from (Item(name, "file", f"a net of {family}") for name, family in zoo.members().items())
            case "recipe":
                yield from (Item(name, "file", "recipe") for name in zoo.recipes())
            case "change":
                yield from self.changes(word)
            case "stage patch":
                yield from (Item(w.text, "name", "stage", is_key=True) for one in self.document.chain()[1:]
                            for w in one.words if w.role == "stage")  # fmt: skip
            case "expression":
                yield from self.names(word.scope)
            case "start":
                yield from (Item(name, "argument", is_key=True) for name in ("weight", "bias"))
            case "declared argument":
                yield from ()

    def keys_beside(self, word: Word) -> Iterator[Item]:
        above = word.path.rpartition(".")[0]
        if above in ("blocks", "shortcuts"):
            yield from _of_model(BlockModel, word.beside)
            return
        if not above:
            yield from _of_model(Spec, word.beside)
            return
        if above == "stages":
            yield from _of_model(Stage, word.beside)
            yield from self.parameters(word)
            return
        key = keys.find(above)
        if key is not None and key.model is not None:
            yield from _of_model(key.model, word.beside)

    def values(self, word: Word) -> Iterator[Item]:
        key = word.key
        if key is None:
            yield from self.names(word.scope)
            return
        if key.model is not None and not key.named:
            yield from _of_model(key.model, ())
        yield from (Item(each, "value", key.name) for each in key.words)
        if key.values == "true or false":
            yield from (Item(each, "value", key.name) for each in ("true", "false"))
        if not key.words and key.model is None:
            yield from self.names(word.scope)

    def applied(self, word: Word) -> Iterator[Item]:
        if word.sort == "shortcuts":
            yield Item("none", "value", "no shortcut")
            yield from (Item(name, "block", "shortcut", self.callables.doc(name, "shortcuts"))
                        for name in self.callables.names("shortcuts"))  # fmt: skip
            return
        is_key = bool(word.beside) or word.role == "block of defaults"
        if word.beside and word.item is not None:
            yield from (Item(name, "key", "of a step", _MODIFIERS[name], True)
                        for name in (*MODIFIERS, ROWS, STEPS, SHARE) if name not in word.beside)  # fmt: skip
        yield from (Item(name, "block", "block", self.callables.doc(name), is_key)
                    for name in self.callables.names("blocks"))  # fmt: skip
        if word.role != "block of defaults":
            yield from (Item(name, "role", "as the spec says", is_key=is_key) for name in ROLES)
            yield from (Item(name, "operation", "operation", self.callables.doc(name), is_key) for name in OPS)

    def parameters(self, word: Word) -> Iterator[Item]:
        for name, parameter in self.callables.parameters(word.callee, word.sort or "blocks").items():
            if name not in word.beside:
                told = "has to be given" if parameter.required else parameter.told
                yield Item(name, "argument", told, f"An argument of `{word.callee}`.", True)

    def argument_values(self, word: Word) -> Iterator[Item]:
        parameter = self.callables.parameters(word.callee, word.sort or "blocks").get(word.argument)
        if parameter is not None and parameter.words:
            yield from (Item(each, "value", word.argument) for each in parameter.words)
        yield from self.names(word.scope)

    def names(self, scope: str) -> Iterator[Item]:
        """Names that expressions know: arguments of the block, and those of the spec."""
        here = [word for word in self.words if word.role == "declared argument"]
        above = [
            word for one in self.document.chain()[1:] for word in one.words if word.role == "declared argument"
        ]
        for word in [*(w for w in here if w.scope == scope), *(w for w in (*here, *above) if not w.scope)]:
            told = (
                str(word.node.value)
                if word.node is not None and not isinstance(word.node.value, (dict, list))
                else ""
            )
            yield Item(word.text, "name", f"argument, {told}")
        yield Item("classes", "name", "number of classes")
        if scope:
            yield Item("in_channels", "name", "channels of the input")

    def steps(self, scope: str) -> Iterator[Item]:
        """Steps and stages whose values a step can take."""
        yield Item("input", "name", "what the block or the net is given")
        for one in [self.words, *(other.words for other in self.document.chain()[1:] if not scope)]:
            for word in one:
                if word.scope == scope and word.role in ("step", "stage"):
                    yield Item(word.path or word.text, "name", word.callee or word.role)

    def changes(self, word: Word) -> Iterator[Item]:
        for item in self.names(""):
            if item.label not in ("classes", *word.beside):
                yield Item(item.label, "argument", item.detail, is_key=True)
        yield from (Item(path, "key", key.values, key.doc, True) for path, key in keys.walk()
                    if not path.startswith(("presets", "archspec", "extends", "blocks.", "shortcuts.")))  # fmt: skip

    def files(self) -> Iterator[Item]:
        folder = self.document.path.parent
        if folder.is_dir():
            yield from (
                Item(path.name, "file") for path in sorted(folder.glob("*.y*ml")) if path != self.document.path
            )
        yield from (Item(path.name, "file") for path in self.document.workspace.documents
                    if path.parent == folder and path != self.document.path)  # fmt: skip


def _of_model(model: type[BaseModel], given: Iterable[str]) -> Iterator[Item]:
    for name, key in keys.keys_of(model).items():
        if name not in given:
            yield _item(name, key)


def _item(name: str, key: Key) -> Item:
    return Item(name, "key", key.values, key.doc, True)
