"""The drawing of a page in Mermaid, which GitHub shows, as SVG: boxes in rows, each above all that it leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

LETTER, HEIGHT, ROW, GAP = 7.3, 28, 60, 16
"""Width of a letter, height of a box, from a row to the next, and between two boxes."""
SWEEPS = 8
"""How often rows are put in the order of their neighbours; more changes nothing."""


@dataclass
class Place:
    """A box, or where an arrow passes a row; `x` is its middle."""

    name: str
    row: int
    x: float = 0.0

    @property
    def width(self) -> float:
        """With what stands in it."""
        return len(self.name) * LETTER + 20 if self.name else 6


def diagram(text: str) -> str:
    """Arrows `one --> other` as a picture within a page of Markdown."""
    arrows = re.findall(r"^ *(\w+) --> (\w+)$", text, re.MULTILINE)
    boxes = {name: Place(name, row) for name, row in rows_of(arrows).items()}
    ways = [way(boxes[one], boxes[other]) for one, other in arrows]
    rows: list[list[Place]] = [[] for _ in range(max(box.row for box in boxes.values()) + 1)]
    for place in [*boxes.values(), *(place for passed in ways for place in passed[1:-1])]:
        rows[place.row].append(place)
    width = arrange(rows, ways)
    drawn = "".join([*map(line, ways), *map(box, boxes.values())])
    size = f"-2 -2 {width + 4:.0f} {len(rows) * ROW - ROW + HEIGHT + 4}"
    return f'<figure class="diagram"><svg viewBox="{size}" role="img" aria-label="What imports what">{drawn}</svg></figure>\n'


def rows_of(arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The row of each name: the lowest that is above all that it leads to."""

    @cache
    def height(name: str) -> int:
        return max((height(other) + 1 for one, other in arrows if one == name), default=0)

    names = dict.fromkeys(name for arrow in arrows for name in arrow)
    top = max(map(height, names))
    return {name: top - height(name) for name in names}


def way(one: Place, other: Place) -> list[Place]:
    """The places that an arrow goes through: both ends, and one in each row between."""
    return [one, *(Place("", row) for row in range(one.row + 1, other.row)), other]


def arrange(rows: Sequence[list[Place]], ways: Sequence[Sequence[Place]]) -> float:
    """Put each row in the order of the places that it is joined with, above and below in turn; the width of all."""
    joined: dict[int, list[Place]] = {}
    for one, other in ((a, b) for passed in ways for a, b in pairwise(passed)):
        joined.setdefault(id(one), []).append(other)
        joined.setdefault(id(other), []).append(one)
    width = max(sum(place.width + GAP for place in row) - GAP for row in rows)
    for row in rows:
        spread(row, width)
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for row in rows[::step]:
            mean = {}
            for place in row:
                near = [other.x for other in joined[id(place)] if (other.row - place.row) * step < 0]
                mean[id(place)] = sum(near) / len(near) if near else place.x
            row.sort(key=lambda place: mean[id(place)])
            spread(row, width)
    return width


def spread(row: Sequence[Place], width: float) -> None:
    """Put a row side by side around the middle of the picture."""
    x = (width - sum(place.width + GAP for place in row) + GAP) / 2
    for place in row:
        place.x = x + place.width / 2
        x += place.width + GAP


def line(places: Sequence[Place]) -> str:
    """An arrow as a curve that is upright in every row."""
    return f'<path d="{"".join(_curves(places))}"/>'


def _curves(places: Sequence[Place]) -> Iterator[str]:
    yield f"M{places[0].x:.1f} {places[0].row * ROW + HEIGHT}"
    for one, other in pairwise(places):
        start, end = one.row * ROW + HEIGHT, other.row * ROW
        half = (start + end) / 2
        yield f"C{one.x:.1f} {half} {other.x:.1f} {half} {other.x:.1f} {end}"
        if not other.name:
            yield f"V{end + HEIGHT}"


def box(place: Place) -> str:
    """A box with its name."""
    y = place.row * ROW
    return (
        f'<rect x="{place.x - place.width / 2:.1f}" y="{y}" width="{place.width:.1f}" height="{HEIGHT}" rx="4"/>'
        f'<text x="{place.x:.1f}" y="{y + HEIGHT / 2 + 4}">{place.name}</text>'
    )
