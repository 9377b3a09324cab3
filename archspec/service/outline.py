"""The outline of a spec: its keys, and below them steps, stages, blocks, arguments and presets."""

from __future__ import annotations

from dataclasses import dataclass, field

from archspec.service.document import Document
from archspec.service.word import Word

_SORTS = {
    "step": "step",
    "stage": "stage",
    "stage patch": "stage",
    "declared block": "block",
    "declared shortcut": "block",
    "declared argument": "argument",
    "preset": "preset",
    "output": "output",
}


@dataclass(slots=True)
class Entry:
    """A line of the outline: its name, what it is, where it stands whole and by name, and what is below it."""

    name: str
    sort: str
    detail: str
    whole: tuple[int, int]
    place: tuple[int, int]
    below: list[Entry] = field(default_factory=list)


def outline(document: Document) -> list[Entry]:
    """The entries at the top of a spec, with all below them."""
    top: list[Entry] = []
    opened: list[Entry] = []
    for word in document.words:
        sort = "key" if word.role == "key" and "." not in word.path and not word.scope else _SORTS.get(word.role)
        if sort is None or word.span.source.name != document.name:
            continue
        entry = _entry(document, word, sort)
        while opened and not _holds(opened[-1], entry):
            opened.pop()
        if opened:
            last = opened[-1]
            last.below.append(entry)
        else:
            top.append(entry)
        opened.append(entry)
    return top


def _entry(document: Document, word: Word, sort: str) -> Entry:
    start, end = document.offsets(word.span)
    last = document.offsets(word.node.span)[1] if word.node is not None else end
    if sort == "stage" and word.item is not None and word.role == "stage":
        begin, last = document.offsets(word.item.span)
        start = min(start, begin)
    stop = len(document.text.text[:last].rstrip()) if last > end else end
    place = document.offsets(word.span)
    return Entry(word.text or "?", sort, word.callee, (min(start, place[0]), max(stop, place[1])), place)


def _holds(outer: Entry, inner: Entry) -> bool:
    return outer.whole[0] <= inner.whole[0] and inner.whole[1] <= outer.whole[1] and outer.whole != inner.whole
