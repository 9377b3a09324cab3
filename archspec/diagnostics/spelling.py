"""Spelling: the word that a misspelt one was meant to be ("did you mean"), and characters that look like others."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

NEAR = 0.6  # how alike two words are that may be one


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelt word was most likely meant to be, None where none is near.

    What the word is the beginning of comes first, then what is most alike, then what begins alike.
    """
    lower = word.lower()
    matcher = SequenceMatcher(None, "", lower)

    def likeness(candidate: str) -> tuple[bool, float, int]:
        other = candidate.lower()
        matcher.set_seq1(other)
        alike = matcher.ratio() if matcher.real_quick_ratio() >= NEAR else 0.0
        shared = next((i for i, (a, b) in enumerate(zip(lower, other, strict=False)) if a != b), len(other))
        return len(word) > 3 and other.startswith(lower), alike, shared

    best = max(sorted(set(candidates)), key=likeness, default=None)
    if best is None:
        return None
    begins, alike, _ = likeness(best)
    return best if begins or alike >= NEAR else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """A suggestion for a misspelt word: the nearest candidate, or all of them when they are few."""
    known = sorted(set(candidates))
    if near := nearest(word, known):
        return suggestion(word, near)
    if 0 < len(known) <= 12:
        return "known here: " + ", ".join(f"`{k}`" for k in known)
    return stranger(word)


def suggestion(word: str, meant: str) -> str:
    """What a misspelt word was meant to be, and why it is not where the two look alike."""
    return f"did you mean `{meant}`?" + (f" {why}" if (why := stranger(word)) else "")


def stranger(word: str) -> str | None:
    """The first character of a word that is not in ASCII, by its name: it may look like one that is."""
    found = next((character for character in word if not character.isascii()), None)
    if found is None:
        return None
    from unicodedata import name

    return f"`{found}` is U+{ord(found):04X}, {name(found, 'which has no name')}"
