"""Diagnostics are values: a code, a message, a place, what to do about it, and edits where a tool can do it.

The code says whether a diagnostic is an error or a warning. Passes add them to a `Diagnostics` list and go on; one
boundary (`archspec.load`) raises `SpecError` with all of them where one is an error. Rendering lives in
`archspec.diagnostics.render`, applying fixes in `archspec.syntax.fix`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from archspec.diagnostics.codes import CODES, Severity, severity
from archspec.diagnostics.printable import printable


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A named text: a file, or a virtual one such as the command line."""

    name: str
    text: str = field(repr=False)
    virtual: bool = False
    library: bool = False  # one of the files that come with archspec's blocks

    def line(self, number: int) -> str:
        """The text of a line counted from 0, without its end."""
        lines = self.text.splitlines()
        return lines[number] if 0 <= number < len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source; lines and columns count from 0 here and from 1 wherever a user sees them."""

    source: Source
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        name = printable(self.source.name)
        return name if self.source.virtual else f"{name}:{self.line + 1}:{self.column + 1}"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that belongs to a diagnostic, such as where a block is used."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that takes the place of a stretch of a source; an empty stretch is where it is inserted."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The certain remedy of a diagnostic: what it does, in a few words, and the edits that do it."""

    title: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake or warning: what is wrong, where, and how to fix it."""

    code: str
    message: str
    span: Span | None = None
    help: str | None = None
    related: tuple[Related, ...] = ()
    fix: Fix | None = None

    @property
    def title(self) -> str:
        """The short title of the code, the same for all diagnostics that carry it."""
        return CODES[self.code]

    @property
    def severity(self) -> Severity:
        """`error` where the spec is refused, `warning` where it is valid and probably not meant so."""
        return severity(self.code)

    @property
    def is_error(self) -> bool:
        """Whether the spec is refused for it."""
        return self.severity == "error"

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        help_ = f" ({self.help})" if self.help else ""
        return f"{place}{self.severity}[{self.code}]: {printable(self.message + help_)}"


class SpecError(Exception):
    """A spec has mistakes; `diagnostics` holds every one of them, and its warnings."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))


@dataclass(slots=True)
class Diagnostics:
    """What the passes collect: each (code, place, message) once, in the order found."""

    items: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    _closed: set[Span] = field(default_factory=set)
    met: int = 0
    """How often a mistake was to be recorded, repetitions counted: one who asks before and after knows whether all went well."""
    extended: dict[str, Span] = field(default_factory=dict)
    """Where each file that was read is extended, by its name."""

    def add(
        self,
        code: str,
        message: str,
        span: Span | None,
        help: str | None = None,
        related: Iterable[Related] = (),
        fix: Fix | None = None,
    ) -> None:
        """Record a mistake or a warning; a repetition of one already recorded is dropped."""
        found = Diagnostic(code, message, span, help, tuple(related), fix)
        self.met += found.is_error
        key = (code, str(span), message)
        if key not in self._seen and span not in self._closed:
            self._seen.add(key)
            self.items.append(found)

    def close(self, span: Span) -> None:
        """Say nothing more about a place: what else is wrong with it follows from what was said."""
        self._closed.add(span)

    @property
    def errors(self) -> int:
        """How many mistakes were recorded, warnings not counted."""
        return sum(d.is_error for d in self.items)

    def raise_if_any(self) -> None:
        """Raise SpecError, with the warnings as well, if a mistake was recorded."""
        if self.errors:
            raise SpecError(self.in_order())

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Record more."""
        for d in others:
            self.add(d.code, d.message, d.span, d.help, d.related, d.fix)

    def along_extends(self) -> Iterator[Diagnostic]:
        """All of them; those of a file that is extended with the chain of `extends` that leads to it."""
        for d in self.items:
            chain: list[Related] = []
            name = d.span.source.name if d.span else ""
            while (span := self.extended.get(name)) is not None and len(chain) < len(self.extended):
                chain.append(Related(f"`{name}` is extended here", span))
                name = span.source.name
            yield replace(d, related=(*d.related, *chain)) if chain else d

    def in_order(self) -> list[Diagnostic]:
        """As a reader meets them: file by file, from the top."""
        files = list(dict.fromkeys(d.span.source.name if d.span else "" for d in self.items))

        def place(d: Diagnostic) -> tuple[int, int, int]:
            return (files.index(d.span.source.name), d.span.line, d.span.column) if d.span else (len(files), 0, 0)

        return sorted(self.items, key=place)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
