"""What of a spec can be chosen without an edit: its presets, its arguments, and the size of its images and its classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from archspec.loading.program import Program
from archspec.service.document import Document
from archspec.syntax.nodes import Node

Number = int | float
LARGEST = 2.0
"""How many times its value a number without examples can be made on a slider."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument or a key: its value now, the words that it may be, and of a number from where to where it usually goes."""

    name: str
    sort: Literal["number", "flag", "word"]
    value: Number | str | bool
    words: tuple[str, ...] = ()
    low: Number = 0
    high: Number = 0


def presets(document: Document) -> list[str]:
    """The names of its presets; none where its network is not known."""
    program = _program(document)
    found = program.resolved.root.get("presets") if program is not None else None
    return [name for name, _ in found.items()] if found is not None else []


def arguments(document: Document) -> list[Argument]:
    """Its arguments with their values in the network, then `input.size` and `classes`."""
    program = _program(document)
    if program is None:
        return []
    args = program.resolved.document.root.get("args")
    found = [_argument(document, program, name, node) for name, node in args.items()] if args is not None else []
    _, height, width = program.input_shape
    keys = [_number("input.size", height, [height, 32])] if height == width else []
    keys += [_number("classes", program.classes, [1, 10])] if program.classes is not None else []
    return [*(one for one in found if one is not None), *keys]


def _program(document: Document) -> Program | None:
    facts = document.facts()
    return facts.net if facts is not None and isinstance(facts.net, Program) else None


def _argument(document: Document, program: Program, name: str, node: Node) -> Argument | None:
    value = node.value
    if isinstance(value, bool):
        return Argument(name, "flag", value)
    if isinstance(value, (int, float)):
        examples = [each for each in _in_presets(program, name) if isinstance(each, (int, float))]
        return _number(name, value, [value, *examples])
    if isinstance(value, str):
        words = dict.fromkeys([value, *map(str, _in_presets(program, name)), *_words(document, name)])
        return Argument(name, "word", value, tuple(words) if len(words) > 1 else ())
    return None  # a list or a layer is edited in the text


def _number(name: str, value: Number, examples: list[Number]) -> Argument:
    """A number with its range: that of its examples, or up to twice its value; a rate goes from 0 to 1."""
    if isinstance(value, float) and all(0 <= each <= 1 for each in examples):
        return Argument(name, "number", value, (), 0, 1)
    low = min(0 if isinstance(value, float) else 1, *examples, value)
    return Argument(name, "number", value, (), low, max(*examples, round(value * LARGEST), low + 4))


def _in_presets(program: Program, name: str) -> Iterator[object]:
    found = program.resolved.document.root.get("presets")
    for _, preset in found.items() if found is not None else ():
        if (value := preset.get(name)) is not None and not isinstance(value.value, (bool, dict, list)):
            yield value.value


def _words(document: Document, name: str) -> Iterator[str]:
    """The words that may stand wherever an argument is used, as far as they are known."""
    for word in (word for one in document.chain() for word in one.words if word.text == f"${name}"):
        if word.role == "shortcut":
            yield from ("none", *document.callables.names("shortcuts"))
        elif word.role == "argument value":
            parameter = document.callables.parameters(word.callee, word.sort or "blocks").get(word.argument)
            yield from parameter.words if parameter is not None else ()
        elif word.role == "value" and word.key is not None:
            yield from word.key.words
