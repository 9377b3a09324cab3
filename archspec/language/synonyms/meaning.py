"""What a word of another system stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word stands for: the help to give, and the word of the language where one stands in its place."""

    help: str
    word: str | None = None


def each(words: str, meaning: _T) -> dict[str, _T]:
    """The same meaning for each of some words."""
    return dict.fromkeys(words.split(), meaning)
