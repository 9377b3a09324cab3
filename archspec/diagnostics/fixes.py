"""Typing errors: words that can only be another, mistyped, so that a tool may put it right."""

from __future__ import annotations

import re
from collections.abc import Iterable

from archspec.diagnostics.diagnostic import Edit, Fix, Span

OTHERS = frozenset(
    (
        "adam",
        "nadam",
        "radam",
        "lion",
        "lars",
        "celu",
        "crelu",
        "glu",
        "selu",
        "sum",
        "max",
        "min",
    )
)
"""Words that mean something else where they are known, though they look like words of the language."""

_START = re.compile(r"(?:[&!]\S*[ \t]+)+")  # an anchor or a tag before a value


def certain(word: str, candidates: Iterable[str]) -> str | None:
    """The one candidate that a word can have been meant to be; None where there are several, or where it is a guess.

    Letters may be missing, doubled, swapped or wrong, one of a short word and two of a long one, after the first.
    Digits never are: `resnet35` is no misspelt `resnet34`.
    """
    known = sorted(set(candidates))
    alike = [other for other in known if _bare(other) == _bare(word)]
    if not alike and word.lower() not in OTHERS:
        alike = [other for other in known if _is_mistyped(word.lower(), other.lower())]
    return alike[0] if len(alike) == 1 else None


def _bare(word: str) -> str:
    return re.sub(r"[-_. ]", "", word).lower()


def _is_mistyped(word: str, other: str) -> bool:
    most = 0 if len(word) < 4 else 1 if len(word) < 7 else 2
    if not most or word[:1] != other[:1] or re.sub(r"\D", "", word) != re.sub(r"\D", "", other):
        return False
    return abs(len(word) - len(other)) <= most and distance(word, other) <= most


def distance(one: str, other: str) -> int:
    """How many letters have to be put in, taken out, changed, or swapped with the next, to get one word from another."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        two_before, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                least = min(least, two_before[j - 2] + 1)
            row.append(least)
    return row[-1]


def value_at(span: Span) -> Span | None:
    """Where a value on one line stands, without the anchor or tag before it; None where it is in no file, or longer."""
    if span.source.virtual or span.line != span.end_line:
        return None
    marked = _START.match(span.source.line(span.line)[span.column : span.end_column])
    start = span.column + (marked.end() if marked else 0)
    return Span(span.source, span.line, start, span.end_line, span.end_column)


def rewriting(span: Span, text: str | None) -> Fix | None:
    """The fix that writes `text` in place of a whole value or key; None where there is none."""
    place = value_at(span)
    return None if place is None or text is None else Fix(f"write `{text}`", (Edit(place, text),))


def respelling(span: Span, word: str, candidates: Iterable[str]) -> Fix | None:
    """The fix that writes the one candidate for a word that stands once in a value or key, the rest of which stays."""
    meant = certain(word, candidates)
    return None if meant is None else _replacing(span, rf"(?<![\w-]){re.escape(word)}(?![\w-])", meant)


def dividing(span: Span) -> Fix | None:
    """The fix that makes the one division of an expression one of whole numbers."""
    return _replacing(span, "(?<!/)/(?!/)", "//")


def _replacing(span: Span, pattern: str, text: str) -> Fix | None:
    """The fix that writes `text` for what stands once in a value."""
    place = value_at(span)
    if place is None:
        return None
    found = list(re.finditer(pattern, span.source.line(place.line)[place.column : place.end_column]))
    if len(found) != 1:
        return None
    start, end = (place.column + offset for offset in found[0].span())
    return Fix(f"write `{text}`", (Edit(Span(span.source, place.line, start, place.line, end), text),))
