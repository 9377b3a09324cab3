"""The steps and stages of a spec: where each stands, and what the network calls it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archspec.diagnostics import Span
from archspec.service.document import Document
from archspec.service.facts import at
from archspec.service.hover import fact_at


@dataclass(frozen=True, slots=True)
class Step:
    """A step from one offset to another; `names` are its dotted names, one for each use of its block."""

    start: int
    end: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a spec that its network knows, in order of the text, and which one is where."""

    steps: tuple[Step, ...]
    places: dict[tuple[str, int, int], int]

    @classmethod
    def of(cls, document: Document) -> Steps:
        """Look at the words of a document."""
        found: dict[tuple[str, int, int], Step] = {}
        for word in document.words:
            if word.at is None or word.item is None or word.span.source.name != document.name:
                continue
            fact = fact_at(document, word.at)
            if fact is not None and at(word.at) not in found:
                start, end = document.offsets(word.item.span)
                end = start + len(document.text.text[start:end].rstrip())
                found[at(word.at)] = Step(start, end, tuple(fact.names))
        facts = document.facts()
        for place, fact in facts.by_place.items() if facts is not None and document.is_current else ():
            if place[0] == document.name and place not in found:  # a row of a table, which is no word
                start, end = document.offsets(fact.call.span)
                found[place] = Step(start, end, tuple(fact.names))
        order = sorted(found.items(), key=lambda item: (item[1].start, -item[1].end))
        return cls(tuple(step for _, step in order), {place: index for index, (place, _) in enumerate(order)})

    def among(self, spans: Iterable[Span]) -> list[int]:
        """The steps that are among some places, of which others are in other files."""
        return sorted({self.places[place] for span in spans if (place := at(span)) in self.places})
