"""Shapes and costs beside each step and stage."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.service.document import Document
from archspec.service.facts import Fact
from archspec.service.hover import fact_at
from archspec.service.word import Word

_UNITS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True)
class Hint:
    """A text that is shown at an offset, and what it says in full."""

    offset: int
    text: str
    full: str


def hints(document: Document, start: int = 0, end: int | None = None) -> list[Hint]:
    """The hints between two offsets, one for each step and stage that the network knows."""
    found: dict[int, Hint] = {}
    for word in document.words:
        if word.at is None or word.role not in ("step", "stage", "stage patch", "callee") or word.item is None:
            continue
        place = _end(document, word)
        if place < start or (end is not None and place > end) or place in found:
            continue
        fact = fact_at(document, word.at)
        if fact is not None:
            found[place] = Hint(place, _short(fact), _full(fact))
    return [found[place] for place in sorted(found)]


def _end(document: Document, word: Word) -> int:
    """Where the step ends, if that is on its line; else the end of what is written on its line."""
    item = word.item
    assert item is not None
    begin, end = document.offsets(item.span)
    text = document.text
    if text.line_of(begin) == text.line_of(end):
        return end
    line = text.line_of(document.offsets(word.span)[0])
    content = text.line(line)
    comment = content.find(" #")
    shown = (content[:comment] if comment >= 0 else content).rstrip()
    return text.offset_of_line(line) + len(shown)


def _short(fact: Fact) -> str:
    shape = fact.shape.replace("x", "×")
    parts = [f"{'~' if fact.varies else ''}{shape}"]
    if fact.cost.params:
        parts.append(f"{counted(fact.cost.params)} params")
    if fact.cost.macs:
        parts.append(f"{counted(fact.cost.macs)} MACs")
    return " · ".join(parts)


def _full(fact: Fact) -> str:
    uses = f", {fact.times} times" if fact.times > 1 else ""
    return f"{fact.shape}; {fact.cost.params:,} parameters, {fact.cost.macs:,} multiply-adds{uses}"


def counted(number: int) -> str:
    """A count in three digits."""
    for unit, letter in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g}{letter}" if number < 1000 * unit else f"{number // unit:,}{letter}"
    return str(number)
