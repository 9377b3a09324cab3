"""Places of a text as browsers count them, in UTF-16: a letter beyond the first plane is two."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Units:
    """Offsets of one text; `wide` are those of its letters that count twice."""

    wide: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Units:
        """Look for wide letters."""
        return cls(() if text.isascii() else tuple(i for i, letter in enumerate(text) if letter > "\uffff"))

    def out(self, offset: int) -> int:
        """An offset as a browser counts."""
        return offset + bisect_right(self.wide, offset - 1) if self.wide else offset

    def into(self, units: int) -> int:
        """An offset of a browser's; within a letter the one before it."""
        if not self.wide:
            return units
        low, high = 0, units
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.out(middle) <= units else (low, middle - 1)
        return low
