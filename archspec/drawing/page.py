"""What lies on a page: boxes, lines and labels at their coordinates, and how wide a text is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from archspec.drawing.parts import Part

LINE = 15.0
"""The height of a line of text."""

_NARROW, _WIDE = frozenset("fijlrtI.,:;|'!()[]/- "), frozenset("mwMW@%×")


@lru_cache(maxsize=4096)  # layouts that are tried ask for the same words again
def text_width(text: str, size: float = 12.0) -> float:
    """How wide a text is at most, in the widest of the fonts that browsers take for `sans-serif` (DejaVu Sans)."""
    units = sum(0.42 if c in _NARROW else 0.98 if c in _WIDE else 0.75 if c.isupper() or not c.isascii() else 0.64
                for c in text)  # fmt: skip
    return units * size


@dataclass(frozen=True, slots=True)
class Box:
    """A part where it lies; `lines` are what is written in it, as (style, text)."""

    x: float
    y: float
    width: float
    height: float
    part: Part
    lines: tuple[tuple[str, str], ...]
    level: int = 0

    @property
    def is_open(self) -> bool:
        """Whether other boxes lie in it."""
        return self.part.inner is not None


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, with an arrow at its end or not; `kind` is flow, shortcut or arc."""

    points: tuple[tuple[float, float], ...]
    arrow: bool = True
    kind: str = "flow"


@dataclass(frozen=True, slots=True)
class Label:
    """A text beside a line, from its left end."""

    x: float
    y: float
    text: str
    style: str = "shape"


@dataclass(slots=True)
class Page:
    """A picture, of this width and height."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def box_of(self, part: Part) -> Box:
        """Where a part lies."""
        return next(box for box in reversed(self.boxes) if box.part is part)
