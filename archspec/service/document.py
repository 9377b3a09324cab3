"""Open specs and the files around them: their text as it is edited, their words, their network and their mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from archspec.blocks import FOLDER
from archspec.compile import look
from archspec.diagnostics import Diagnostic, Span
from archspec.loading import zoo
from archspec.loading.program import Program
from archspec.service.callables import Callables
from archspec.service.facts import Facts
from archspec.service.recovery import recovered
from archspec.service.text import Range, Text, TextEdit
from archspec.service.word import Word
from archspec.service.words import words_of
from archspec.syntax.drafts import reading_drafts
from archspec.syntax.nodes import MAX_DEPTH, Node

MOST_FILES = 500
"""How many files of a folder are looked through for specs that extend one."""


@dataclass(eq=False)
class Document:
    """A spec as its text is now; what is known of it is found when it is asked for, and kept until the next edit."""

    path: Path
    workspace: Workspace
    text: Text
    is_open: bool = False
    is_meant: bool = False
    """Whether it is meant as a spec whatever it says: where nothing else can be edited."""
    preset: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    """The preset and the values with which its network is looked at, as `--preset` and `--set` give them."""
    names: list[tuple[Any, int, int, bool]] | None = None
    """The names in it with their places, which `archspec.service.names` finds."""
    _root: Node | None = None
    _words: list[Word] | None = None
    _callables: Callables | None = None
    _facts: Facts | None = None
    _facts_lines: tuple[str, ...] = ()
    _moved: dict[int, int] | None = None
    _looked: bool = False
    _found: tuple[Diagnostic, ...] | None = None
    _of_presets: bool = False
    """Whether what was found is of all presets, and not of the chosen one alone."""

    @property
    def name(self) -> str:
        """What diagnostics call it."""
        return str(self.path)

    @property
    def root(self) -> Node:
        """Its nodes, recovered where the text is no YAML."""
        if self._root is None:
            self._root = recovered(self.text.text.removeprefix("\ufeff"), self.name)
        return self._root

    @property
    def is_spec(self) -> bool:
        """Whether it is a spec, and not a block, a recipe or other YAML."""
        return self.is_meant or re.search(r"^archspec\s*:", self.text.text, re.MULTILINE) is not None

    @property
    def is_library(self) -> bool:
        """Whether it comes with archspec, so that its names stay."""
        return any(self.path.is_relative_to(folder.resolve()) for folder in (zoo.folder(), FOLDER))

    def edit(self, edits: list[TextEdit]) -> None:
        """Change a part of the text; all that was known is found anew."""
        self.replace(self.text.edited(edits))

    def edit_range(self, place: Range, text: str) -> None:
        """Change what stands in a range."""
        self.edit([TextEdit(self.text.offset(place.start), self.text.offset(place.end), text)])

    def replace(self, text: str) -> None:
        """Change the whole text."""
        if text != self.text.text:
            self.text, self._root, self._moved = Text(text), None, None
            self.workspace.changed()

    def choose(self, preset: str | None, overrides: Mapping[str, object]) -> None:
        """Look at it with a preset and other values from now on."""
        if (preset, overrides) != (self.preset, self.overrides):
            self.preset, self.overrides = preset, overrides
            self.forget()

    def variant(self, values: Mapping[str, object]) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        """Its network with other values beside those that are chosen, and the mistakes of that."""
        with reading_drafts(self.workspace.drafts()):
            return look(
                self.name,
                set={**self.overrides, **values},
                preset=self.preset,
                presets=False,
                include=self.workspace.include,
            )

    def forget(self) -> None:
        """Drop what depends on other documents too; the last network stays until there is another."""
        self._words = self._callables = self._found = self.names = None
        self._looked = False

    # --- around it -------------------------------------------------------------------------------------

    def parent(self) -> Document | None:
        """The spec that it extends."""
        extends = self.root.get("extends")
        return None if extends is None or not isinstance(extends.value, str) else self.file_of(extends.value)

    def file_of(self, name: str) -> Document | None:
        """The spec of a name as `extends` writes it."""
        if name.endswith((".yaml", ".yml")):
            return self.workspace.document(self.path.parent / name)
        member = zoo.member(name)
        found = zoo.find(name) or (member[0] if member else None)
        return self.workspace.document(found) if found is not None else None

    def chain(self) -> list[Document]:
        """It and the specs that it extends, the nearest first."""
        found = [self]
        while len(found) < MAX_DEPTH and (parent := found[-1].parent()) is not None and parent not in found:
            found.append(parent)
        return found

    @property
    def callables(self) -> Callables:
        """What its steps can apply."""
        if self._callables is None:
            roots = [document.root for document in self.chain()]
            own = {
                sort: [node for root in roots if (node := root.get(sort)) is not None]
                for sort in ("blocks", "shortcuts")
            }
            self._callables = Callables(own)
        return self._callables

    @property
    def words(self) -> list[Word]:
        """Its words."""
        if self._words is None:
            self._words = words_of(self.root, self.callables.known, self.callables.is_layer)
        return self._words

    def word_at(self, offset: int) -> Word | None:
        """The word at an offset; the shortest where one is in another."""
        around = [(end - start, word) for word in self.words for start, end in [self.offsets(word.span)]
                  if start <= offset <= end and word.span.source.name == self.name]  # fmt: skip
        return min(around, key=lambda one: one[0])[1] if around else None

    def offsets(self, span: Span) -> tuple[int, int]:
        """Where a span of its nodes stands in its text, a mark of the byte order counted."""
        bom = self.text.text.startswith("\ufeff") and span.line == 0
        start, end = self.text.span_offsets(span)
        return start + bom, end + (bom and span.end_line == 0)

    def range(self, span: Span) -> Range:
        """A span of its nodes as an editor counts."""
        start, end = self.offsets(span)
        return Range(self.text.position(start), self.text.position(end))

    # --- what follows ----------------------------------------------------------------------------------

    def diagnostics(self, *, presets: bool = True) -> tuple[Diagnostic, ...]:
        """Its mistakes and warnings, as `archspec check` finds them; none where it is no spec.

        Without `presets`, those that are not chosen may be left out: a family has many, each of them a net that takes its time.
        """
        if self._found is None or (presets and not self._of_presets):
            self._look(presets=presets)
        return self._found or ()

    def facts(self) -> Facts | None:
        """What its network knows; where there is none at the moment, the last one that there was."""
        if not self._looked:
            self._look(presets=False)
        return self._facts

    @property
    def is_current(self) -> bool:
        """Whether the last network is that of the text as it is now."""
        return self.facts() is not None and self._facts_lines == tuple(self.text.text.splitlines())

    def moved(self, line: int) -> int | None:
        """The line of the text of the last network at which a line of this one stood; None where that was changed."""
        if self._moved is None:
            now = tuple(self.text.text.splitlines())
            self._moved = (
                {n: n for n in range(len(now))} if now == self._facts_lines else _moves(self._facts_lines, now)
            )
        return self._moved.get(line)

    def _look(self, *, presets: bool) -> None:
        self._looked = True
        if not self.is_spec:
            self._found, self._of_presets = (), True
            return
        with reading_drafts(self.workspace.drafts()):
            net, found = look(
                self.name,
                set=self.overrides,
                preset=self.preset,
                presets=presets,
                include=self.workspace.include,
            )
        self._found, self._of_presets = found, presets
        if net is not None:
            self._facts, self._facts_lines = Facts.of(net), tuple(self.text.text.splitlines())
            self._moved = None


@dataclass(eq=False)
class Workspace:
    """The documents that are open, and the files beside them; `include` are folders that `extends` may reach."""

    include: tuple[Path, ...] = ()
    documents: dict[Path, Document] = field(default_factory=dict)
    _files: dict[Path, tuple[tuple[int, int], Document]] = field(default_factory=dict)

    def open(self, path: Path, text: str) -> Document:
        """Take a document that somebody edits, saved or not."""
        path = path.resolve()
        document = self.documents[path] = Document(path, self, Text(text), is_open=True)
        self.changed()
        return document

    def close(self, path: Path) -> None:
        """Leave a document to its file."""
        self.documents.pop(path.resolve(), None)
        self.changed()

    def document(self, path: Path) -> Document | None:
        """A document that is open, or a file as it is on the disk; None where there is none that can be read."""
        path = path.resolve()
        if (document := self.documents.get(path)) is not None:
            return document
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if (kept := self._files.get(path)) is None or kept[0] != stamp:
                kept = self._files[path] = stamp, Document(path, self, Text(path.read_bytes().decode("utf-8")))
        except (OSError, ValueError):
            return None
        return kept[1]

    def changed(self) -> None:
        """Have everybody look anew: what one document says, others extend."""
        for document in [*self.documents.values(), *(kept for _, kept in self._files.values())]:
            document.forget()

    def drafts(self) -> Mapping[Path, bytes]:
        """What editors have not saved, as files."""
        return {
            path: document.text.text.encode("utf-8", "surrogatepass") for path, document in self.documents.items()
        }

    def family(self, document: Document) -> list[Document]:
        """A document, those that it extends, and those that extend any of its own: open ones, and files beside them."""
        found = document.chain()
        own = [one for one in found if not one.is_library]
        for other in self._others(own):
            if other not in found and any(one in own for one in other.chain()):
                found.append(other)
        return found

    def _others(self, own: list[Document]) -> Iterator[Document]:
        yield from self.documents.values()
        for folder in {one.path.parent for one in own}:
            files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])[:MOST_FILES] if folder.is_dir() else []
            for path in files:
                if path.resolve() not in self.documents and (other := self.document(path)) is not None:
                    yield other


def _moves(before: tuple[str, ...], after: tuple[str, ...]) -> dict[int, int]:
    """Where the lines of a text that stayed stood before."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return {block.b + n: block.a + n for block in blocks for n in range(block.size)}


def source_path(span: Span) -> Path | None:
    """The file that a span is in; None for what is in none."""
    name = span.source.name
    if span.source.virtual or not name:
        return None
    if span.source.library:
        return FOLDER.parent / name.removeprefix("archspec/")
    if name.startswith("specs/") and not Path(name).is_absolute():
        return zoo.folder() / name.removeprefix("specs/")
    return Path(name)
