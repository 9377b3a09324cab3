"""Names and their uses across a spec, those that it extends and those that extend it: definitions, uses, renaming."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.language.step import MODIFIERS
from archspec.loading import zoo
from archspec.ops import OPS
from archspec.service.document import Document
from archspec.service.facts import at
from archspec.service.text import Text, TextEdit
from archspec.service.word import Word
from archspec.syntax.identifiers import identifier_fault, step_name_fault

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PATTERNS = ("freeze", "lr_scale", "decay_scale")
"""Keys of a recipe whose values go by names of modules."""
_IN_BLOCKS = ("blocks.", "shortcuts.")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name: of a step, an argument, a block, a shortcut or a preset, in the net or in a block."""

    sort: str
    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a name stands; `defines` where it is declared."""

    document: Document
    start: int
    end: int
    defines: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a file."""

    path: Path
    text: Text
    start: int
    end: int


class RefusedError(Exception):
    """A name cannot be changed; the message says why."""


@dataclass(slots=True)
class Renaming:
    """The edits of each document that change a name, and what follows from it."""

    edits: dict[Path, list[TextEdit]] = field(default_factory=dict)
    note: str = ""


def definition(document: Document, offset: int) -> list[Target]:
    """Where what is at an offset is declared: in this spec, in one that it extends, or in a file of the library."""
    word = document.word_at(offset)
    if word is None:
        return []
    if word.role == "extends":
        parent = document.file_of(word.text)
        return [] if parent is None else [Target(parent.path, parent.text, 0, 0)]
    if word.role == "recipe":
        path = zoo.recipe(word.text) or document.path.parent / word.text
        return [_top(path)] if path.is_file() else []
    symbol = symbol_at(document, offset)
    if symbol is None:
        return []
    for one in document.chain():
        found = [o for o in _occurrences(one, symbol) if o.defines]
        if found:
            return [Target(o.document.path, o.document.text, o.start, o.end) for o in found]
    if symbol.sort in ("blocks", "shortcuts"):
        file = document.callables.library_file(symbol.name, symbol.sort)
        return [_top(file)] if file is not None else []
    if symbol.sort == "argument" and symbol.scope.startswith(_IN_BLOCKS):
        sort, _, owner = symbol.scope.partition(".")
        file = document.callables.library_file(owner, sort)
        return [_argument(file, symbol.name)] if file is not None else []
    return []


def uses(document: Document, offset: int) -> list[Occurrence]:
    """All places of the name at an offset, in every spec around, its declaration first."""
    symbol = symbol_at(document, offset)
    if symbol is None:
        return []
    found = [o for one in document.workspace.family(document) for o in _occurrences(one, symbol)]
    return sorted(found, key=lambda o: (not o.defines, str(o.document.path), o.start))


def rename(document: Document, offset: int, new: str) -> Renaming:
    """The edits that give the name at an offset another. Raises RefusedError."""
    symbol, found = renamable(document, offset)
    fault = step_name_fault(new) if symbol.sort == "step" else identifier_fault(new)
    if fault is not None:
        raise RefusedError(f"`{new}` is not a usable name: {fault}")
    if symbol.sort in ("step", "blocks", "shortcuts") and new in (*OPS, *MODIFIERS, "norm", "act", "input"):
        raise RefusedError(f"`{new}` is a word of the language; choose another name")
    taken = Symbol(symbol.sort, symbol.scope, _sibling(symbol.name, new))
    if new != symbol.name and any(o.defines for one in document.workspace.family(document)
                                  for o in _occurrences(one, taken)):  # fmt: skip
        raise RefusedError(f"`{new}` is there already; choose another name")
    renaming = Renaming()
    for one in found:
        renaming.edits.setdefault(one.document.path, []).append(TextEdit(one.start, one.end, new))
    renaming.note = _note(document, symbol, new)
    return renaming


def renamable(document: Document, offset: int) -> tuple[Symbol, list[Occurrence]]:
    """The name at an offset and all its places. Raises RefusedError where it is none, or not the spec's own."""
    symbol = symbol_at(document, offset)
    if symbol is None:
        raise RefusedError("this is no name that a spec gives")
    found = uses(document, offset)
    declared = [o for o in found if o.defines]
    theirs = next((o.document for o in declared if o.document.is_library), None)
    if theirs is not None:
        raise RefusedError(f"`{symbol.name}` is a name of {theirs.path.name}, which comes with archspec")
    if not declared:
        of = "an operation" if symbol.name in OPS else "a name of archspec's library, or one that nothing declares"
        raise RefusedError(f"`{symbol.name}` is {of}, and stays")
    if any("{" in o.document.text.text[o.start : o.end] for o in declared):
        raise RefusedError(f"`{symbol.name}` is a pattern of names; change it where it stands")
    return symbol, [o for o in found if not o.document.is_library]


def symbol_at(document: Document, offset: int) -> Symbol | None:
    """The name at an offset."""
    for symbol, start, end, _ in _names(document):
        if start <= offset <= end:
            return symbol
    return None


def _occurrences(document: Document, symbol: Symbol) -> Iterator[Occurrence]:
    for found, start, end, defines in _names(document):
        if found == symbol:
            yield Occurrence(document, start, end, defines)


def _names(document: Document) -> list[tuple[Symbol, int, int, bool]]:
    """Every name in a document with its place, and whether it is declared there."""
    if document.names is None:
        document.names = [each for word in document.words if word.span.source.name == document.name
                          for each in _of_word(document, word)]  # fmt: skip
    return document.names


def _of_word(document: Document, word: Word) -> Iterator[tuple[Symbol, int, int, bool]]:
    start, end = document.offsets(word.span)
    quoted = document.text.text[start : start + 1] in ("'", '"')
    start, end = start + quoted, end - quoted
    match word.role:
        case "step":
            yield Symbol("step", word.scope, word.path), start, end, True
        case "stage":
            yield Symbol("step", "", word.text), start, end, True
        case "stage patch":
            yield Symbol("step", "", word.text), start, end, False
        case "source":
            yield from _of_dotted(word, start)
        case "value" if word.path.rpartition(".")[2] in _PATTERNS:
            yield from _of_dotted(word, start)
        case "callee" | "block of defaults" if word.text.startswith("$"):
            yield _argument_symbol(document, word.scope, word.text[1:]), start + 1, end, False
        case "callee" | "block of defaults":
            yield Symbol("blocks", "", word.text), start, end, False
        case "shortcut" if word.text.startswith("$"):
            yield _argument_symbol(document, word.scope, word.text[1:]), start + 1, end, False
        case "shortcut":
            yield Symbol("shortcuts", "", word.text), start, end, False
        case "declared block":
            yield Symbol("blocks", "", word.text), start, end, True
        case "declared shortcut":
            yield Symbol("shortcuts", "", word.text), start, end, True
        case "declared argument":
            yield Symbol("argument", word.scope, word.text), start, end, True
        case "preset":
            yield Symbol("preset", "", word.text), start, end, True
        case "argument":
            yield Symbol("argument", f"{word.sort or 'blocks'}.{word.callee}", word.argument), start, end, False
        case "change":
            yield from _of_change(word, start, end)
        case "expression" | "argument value" | "value":
            yield from _of_expression(document, word, start, end)


def _of_dotted(word: Word, start: int) -> Iterator[tuple[Symbol, int, int, bool]]:
    """The steps that a dotted name or a pattern of such names goes through."""
    before, place = "", start
    for part in word.text.split("."):
        before = f"{before}.{part}" if before else part
        yield Symbol("step", word.scope, before), place, place + len(part), False
        place += len(part) + 1


def _of_change(word: Word, start: int, end: int) -> Iterator[tuple[Symbol, int, int, bool]]:
    parts = word.text.split(".")
    if len(parts) == 1:
        yield Symbol("argument", "", word.text), start, end, False
    elif parts[0] == "stages":
        place = start + len("stages.")
        yield Symbol("step", "", parts[1]), place, place + len(parts[1]), False
    elif parts[0] == "args":
        place = start + len("args.")
        yield Symbol("argument", "", parts[1]), place, place + len(parts[1]), False
    elif parts[0] in ("blocks", "shortcuts", "defaults"):
        place = start + len(parts[0]) + 1
        sort = "shortcuts" if parts[0] == "shortcuts" else "blocks"
        yield Symbol(sort, "", parts[1]), place, place + len(parts[1]), False


def _of_expression(document: Document, word: Word, start: int, end: int) -> Iterator[tuple[Symbol, int, int, bool]]:
    """The arguments that an expression names; words in quotes inside of it are none."""
    text = document.text.text[start:end]
    if "$" not in text and word.role == "value" and (word.key is None or not _computes(word)):
        return
    hidden = re.sub(r"'[^']*'|\"[^\"]*\"", lambda match: " " * len(match[0]), text)
    for match in _NAME.finditer(hidden):
        symbol = _argument_symbol(document, word.scope, match[0])
        if symbol.scope or _declares(document, "", match[0]):
            yield symbol, start + match.start(), start + match.end(), False


def _computes(word: Word) -> bool:
    key = word.key
    return key is not None and (key.values.startswith(("a whole number", "a number", "true or")) or
                                word.path.rpartition(".")[2] in ("out", "when", "name"))  # fmt: skip


def _argument_symbol(document: Document, scope: str, name: str) -> Symbol:
    """The argument that a name in a block means: its own, else the spec's."""
    return Symbol("argument", scope if scope and _declares(document, scope, name) else "", name)


def _declares(document: Document, scope: str, name: str) -> bool:
    return any(w.role == "declared argument" and w.scope == scope and w.text == name
               for one in (document.chain() if not scope else [document]) for w in one.words)  # fmt: skip


def _sibling(name: str, new: str) -> str:
    """A dotted name with another last part."""
    above, dot, _ = name.rpartition(".")
    return f"{above}{dot}{new}"


def _note(document: Document, symbol: Symbol, new: str) -> str:
    """Which keys of checkpoints change with the name of a step."""
    facts = document.facts()
    if symbol.sort != "step" or facts is None:
        return ""
    last = symbol.name.rpartition(".")[2]
    if symbol.scope:
        places = [at(word.at) for one in document.workspace.family(document) for word in one.words
                  if word.role == "step" and word.at is not None
                  and Symbol("step", word.scope, word.path) == symbol]  # fmt: skip
        keys = [key for place in places if place in facts.by_place for key in facts.tensors(facts.by_place[place])]
    else:
        keys = [key for key in facts.net.tensor_shapes() if key == symbol.name or key.startswith(f"{symbol.name}.")]
    if not keys:
        return f"no keys of checkpoints change with `{last}`"
    pattern = re.compile(rf"(^|\.){re.escape(last)}(?=\.|$)")
    first = keys[0]
    matches = list(pattern.finditer(first))
    renamed = first[: matches[-1].start()] + matches[-1][1] + new + first[matches[-1].end() :] if matches else first
    inside = "*." if symbol.scope or "." in symbol.name else ""
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    told = f"checkpoints get other keys: {first} becomes {renamed}{more}"
    return f"{told}; `archspec convert --map '{inside}{last}.*={inside}{new}.*'` renames them"


def _top(path: Path) -> Target:
    return Target(path, Text(path.read_text(encoding="utf-8")), 0, 0)


def _argument(path: Path, name: str) -> Target:
    """Where a block of the library declares an argument."""
    from archspec.syntax.reader import read_nodes

    text = path.read_text(encoding="utf-8")
    root = read_nodes(Source(str(path), text), Diagnostics())
    args = root.get("args") if root is not None else None
    found = Text(text)
    span = args.key_span(name) if args is not None and args.get(name) is not None else Span(Source(str(path), text))
    start, end = found.span_offsets(span)
    return Target(path, found, start, end)
