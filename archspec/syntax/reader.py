"""Text to document: YAML events become `Node`s that know their file, line and column.

Only what YAML 1.2's core schema and JSON share is read: mappings with string keys, sequences, scalars, anchors
and aliases. Depth, size and alias expansion are bounded while reading, before anything is allocated for them.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from reprlib import repr as repr_of
from typing import Any

import yaml

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.diagnostics.spelling import did_you_mean
from archspec.syntax.yaml_faults import place_and_remedy

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_BITS = 1400
MAX_KEPT = 1 << 14  # characters of a text that need not be read twice

Scalar = str | int | float | bool | None
Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, Scalar] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place; `keys` holds the place of each key of a mapping, `origin` says who set it."""

    value: Scalar | dict[str, Node] | list[Node]
    span: Span
    keys: dict[str, Span] = field(default_factory=dict)
    size: int = 1
    origin: str | None = None

    def plain(self) -> object:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """The value under a key, None where this is no mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[tuple[str, Node]]:
        """The entries of a mapping, none for anything else."""
        return list(self.value.items()) if isinstance(self.value, dict) else []

    def key_span(self, key: str) -> Span:
        """Where a key of this mapping stands."""
        return self.keys.get(key, self.span)


def node_of(value: object, span: Span, origin: str | None = None) -> Node:
    """Wrap plain Python values, such as those given to `load(set=...)`, as a document at one place.

    Raises TypeError for what is no value of YAML, for a collection that contains itself, and beyond the limits of a file.
    """
    return _Wrapper(span, origin).wrap(value, 1)


@dataclass(slots=True)
class _Wrapper:
    """Makes nodes of plain values, and counts them."""

    span: Span
    origin: str | None
    nodes: int = 0

    def wrap(self, value: object, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise TypeError(f"part of a spec is nested in more than {MAX_DEPTH} levels, or contains itself")
        if self.nodes > MAX_NODES:
            raise TypeError(f"part of a spec has more than {MAX_NODES:,} values")
        if isinstance(value, Mapping):
            items = {_key_of(k): self.wrap(v, depth + 1) for k, v in value.items()}
            return Node(items, self.span, dict.fromkeys(items, self.span), origin=self.origin)
        if isinstance(value, (list, tuple)):
            return Node([self.wrap(v, depth + 1) for v in value], self.span, origin=self.origin)
        if value is None or isinstance(value, (str, int, float)):
            return Node(bounded(value), self.span, origin=self.origin)
        raise TypeError(
            f"{repr_of(value)} cannot be part of a spec: give text, a number, a flag, a list or a mapping"
        )


def bounded(value: Any) -> Any:
    """A value as it is; infinity for a number that is too long to be printed, which whoever checks ranges will refuse."""
    return float("inf") if isinstance(value, int) and abs(value) >> MAX_BITS else value


def _key_of(key: object) -> str:
    if isinstance(key, (str, int, float)):
        return str(key)
    raise TypeError(f"{repr_of(key)} cannot be a key of a spec: give text")


def resolve_scalar(text: str) -> Scalar:
    """A plain scalar by YAML 1.2's core schema: `1e-4` is a number; `no`, `on`, `1_000` and `12:30` are strings."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > 400:
            return float("inf")  # as `bounded` says
        return int(text, 0) if digits[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


_drafts: ContextVar[Mapping[Path, bytes] | None] = ContextVar("drafts", default=None)


@contextmanager
def reading_draft(path: Path, content: bytes) -> Iterator[None]:
    """Read this instead of what a file holds: what it would be after an edit."""
    with reading_drafts({path: content}):
        yield


@contextmanager
def reading_drafts(contents: Mapping[Path, bytes]) -> Iterator[None]:
    """Read these instead of what files hold, or as files that there are not yet: what an editor has not saved."""
    token = _drafts.set(
        {**(_drafts.get() or {}), **{path.resolve(): content for path, content in contents.items()}}
    )
    try:
        yield
    finally:
        _drafts.reset(token)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file, be it a draft."""
    drafts = _drafts.get()
    return os.path.isfile(path) or (drafts is not None and Path(path).resolve() in drafts)


def _draft_of(path: Path) -> bytes | None:
    drafts = _drafts.get()
    return drafts.get(path.resolve()) if drafts else None


def read_file(path: Path, display: str, problems: Diagnostics, library: bool = False) -> Node | None:
    """Read a spec file; on any mistake records it and returns None."""
    nowhere = Span(Source(display, ""))
    try:
        draft = _draft_of(path)
        status = os.stat(path) if draft is None else None
        if status is not None and not stat.S_ISREG(status.st_mode):
            run = path / "code" / "spec.yaml"
            of_run = f"the spec of this run is {run}; to go on with the run: archspec train {display} --resume"
            help_ = of_run if run.is_file() else "give the path of a .yaml file"
            problems.add("AS001", f"`{display}` is not a regular file", nowhere, help_)
            return None
        length = len(draft) if draft is not None else status.st_size if status is not None else 0
        if length > MAX_BYTES:
            size = f"`{display}` has {length:,} bytes"
            problems.add("AS005", size, nowhere, f"a spec has at most {MAX_BYTES:,} bytes; use `repeat`")
            return None
        raw = path.read_bytes() if draft is None else draft
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add("AS001", f"cannot read `{display}`: {reason}", nowhere, "check the path and its permissions")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, begin = raw.count(b"\n", 0, error.start), raw.rfind(b"\n", 0, error.start) + 1
        column = len(raw[begin : error.start].decode("utf-8-sig", errors="replace"))
        span = Span(Source(display, ""), line, column, line, column)
        problems.add("AS001", f"byte {error.start} is not UTF-8", span, "save the file as UTF-8")
        return None
    return read_text(text, display, problems, library)


def read_text(text: str, name: str, problems: Diagnostics, library: bool = False) -> Node | None:
    """Read a spec from its text; on any mistake records it and returns None. A short one is read once: nodes stay as they are."""
    root, found = _read_once(text, name, library) if len(text) <= MAX_KEPT else _read(text, name, library)
    problems.extend(found)
    return root


def _read(text: str, name: str, library: bool) -> tuple[Node | None, Diagnostics]:
    problems = Diagnostics()
    return _root(Source(name, text, library=library), problems), problems


@lru_cache(maxsize=64)
def _read_once(text: str, name: str, library: bool) -> tuple[Node | None, Diagnostics]:
    return _read(text, name, library)


def _root(source: Source, problems: Diagnostics) -> Node | None:
    """The top of a document; None where there are mistakes, which are recorded."""
    text = source.text
    try:
        root = _Builder(source, problems).build()
    except yaml.MarkedYAMLError as error:
        message = " ".join(filter(None, [error.context, error.problem])) or "this is not YAML"
        problems.add("AS002", message, *place_and_remedy(error, source))
        return None
    except yaml.reader.ReaderError as error:
        codepoint = _codepoint(error)
        lines = f"{text[: text.find(chr(codepoint))]}^".splitlines()  # the parser's position counts bytes
        span = Span(source, len(lines) - 1, len(lines[-1]) - 1, len(lines) - 1, len(lines[-1]))
        problems.add("AS002", f"character U+{codepoint:04X} is not allowed in YAML", span, "remove it")
        return None
    except _StopReadingError:
        return None
    if root is None or (root.value is None and not text.strip("\n -.")):
        problems.add("AS007", "the file is empty", Span(source), "a spec starts with `archspec: 1`")
        return None
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        problems.add("AS007", f"the top of a spec is a mapping, not {kind}", root.span, "start with `archspec: 1`")
        return None
    return None if problems.errors else root


def read_value(text: str, name: str, problems: Diagnostics) -> Node | None:
    """Read one value in YAML's flow style, as given to `--set`."""
    source = Source(name, text, virtual=True)
    try:
        return _Builder(source, problems).build() or Node(None, Span(source))
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError):
        help_ = "close every bracket and quote, and keep the whole from the shell with '...'"
        problems.add("AS002", f"`{text}` is not a YAML value", Span(source, 0, 0, 0, len(text)), help_)
    except _StopReadingError:
        pass
    return None


def read_nodes(source: Source, problems: Diagnostics) -> Node | None:
    """The nodes of a text as far as it is YAML, whatever is at its top; None where it is empty or cannot be gone on with.

    Raises yaml.MarkedYAMLError and yaml.reader.ReaderError for what is no YAML; other mistakes are recorded.
    """
    try:
        return _Builder(source, problems).build()
    except _StopReadingError:
        return None


def _codepoint(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return ord(character) if isinstance(character, str) else int(character)


_NO_KEY = "write `key: value`; a `{` or `[` begins a collection, so text that begins with one stands in quotes"


class _StopReadingError(Exception):
    """Reading cannot go on; the reason has been recorded."""


class _Builder:
    """Builds nodes from events with an explicit stack, so that depth costs no recursion."""

    def __init__(self, source: Source, problems: Diagnostics) -> None:
        self.source = source
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}
        self.stack: list[tuple[Node, str | None, list[Node]]] = []  # container, its anchor, pending key
        self.nodes = 0
        self.root: Node | None = None

    def build(self) -> Node | None:
        documents = 0
        for event in yaml.parse(self.source.text, Loader=Loader):
            span = self._span(event)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop("AS006", "a second document starts here", span, "one file holds one spec")
            elif isinstance(event, yaml.AliasEvent):
                self._alias(str(event.anchor), span)
            elif isinstance(event, yaml.ScalarEvent):
                self._tag(event.tag, span)
                plain = event.implicit[0] and not event.style
                node = Node(resolve_scalar(event.value) if plain else event.value, span)
                if event.anchor:
                    self.anchors[event.anchor] = node
                self._place(node)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._tag(event.tag, span)
                if len(self.stack) >= MAX_DEPTH:
                    self._stop(
                        "AS005",
                        f"nested deeper than {MAX_DEPTH} levels",
                        span,
                        "name inner parts as `blocks`",
                    )
                node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], span)
                if event.anchor:
                    self.anchors[event.anchor] = None  # open: an alias to it now would be a loop
                self.stack.append((node, event.anchor, []))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                node, anchor, _ = self.stack.pop()
                end = self._span(event)
                node.span = Span(self.source, node.span.line, node.span.column, end.end_line, end.end_column)
                if anchor:
                    self.anchors[anchor] = node
                self._place(node)
        return self.root

    def _place(self, node: Node, values: int = 1) -> None:
        """Put a value where it belongs; what is inside of it has been counted, unless an alias stands for it."""
        self.nodes += values
        if self.nodes > MAX_NODES:
            self._stop("AS005", f"more than {MAX_NODES:,} values", node.span, "use `repeat`")
        if not self.stack:
            self.root = node
            return
        container, _, pending = self.stack[-1]
        container.size += node.size
        if isinstance(container.value, list):
            container.value.append(node)
        elif not pending:
            pending.append(self._key(node))
        elif isinstance(container.value, dict):
            self._entry(container, container.value, pending.pop(), node)

    def _key(self, node: Node) -> Node:
        if node.value == "<<":
            self.problems.add(
                "AS006", "merge keys (`<<`) are not part of YAML 1.2", node.span, "use `extends` or `args`"
            )
        elif not isinstance(node.value, str):
            if isinstance(node.value, (dict, list)):
                self._stop("AS006", "a key is a name, not a collection", node.span, _NO_KEY)
            return Node(self.source.line(node.span.line)[node.span.column : node.span.end_column], node.span)
        return node

    def _entry(self, container: Node, entries: dict[str, Node], key: Node, node: Node) -> None:
        name = str(key.value)
        if name in entries:
            first = container.keys[name]
            self.problems.add(
                "AS003",
                f"`{name}` stands here for the second time",
                key.span,
                f"the first is on line {first.line + 1}",
            )
        entries[name] = node
        container.keys[name] = key.span

    def _alias(self, anchor: str, span: Span) -> None:
        target = self.anchors.get(anchor)
        if target is None:
            if anchor in self.anchors:
                self._stop(
                    "AS004", f"alias `*{anchor}` contains itself", span, "take it out, or write what is meant"
                )
            help_ = did_you_mean(anchor, self.anchors) or f"mark a value before it with `&{anchor}`"
            self._stop("AS004", f"alias `*{anchor}` has no anchor", span, help_)
        else:
            if self.nodes + target.size > MAX_NODES:
                self._stop("AS004", f"aliases expand to more than {MAX_NODES:,} values", span, "use `repeat`")
            self._place(target, target.size)

    def _tag(self, tag: str | None, span: Span) -> None:
        if tag is not None and tag != "!":
            self._stop(
                "AS006",
                f"the tag `{tag}` is not allowed: a spec holds plain values only",
                span,
                "remove the tag",
            )

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # events of a parsed text have both marks
        assert end is not None
        return Span(self.source, start.line, start.column, end.line, end.column)

    def _stop(self, code: str, message: str, span: Span, help_: str | None = None) -> None:
        self.problems.add(code, message, span, help_)
        raise _StopReadingError
