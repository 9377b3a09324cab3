"""What has been laid out: boxes, columns and the ways of forks, of a size each, and how each is put on a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archspec.drawing.page import Box, Label, Line, Page
from archspec.drawing.parts import INPUT, Edge, Graph, Part

GAP, LABEL_GAP = 12.0, 26.0  # between two boxes, without and with a shape
PAD = 10.0  # within an open box
BUS = 12.0  # where the ways of a fork part, and where they join
LANE = 12.0  # between lines beside boxes
COLUMN = 26.0  # between columns


@dataclass(slots=True)
class Laid(ABC):
    """Something of a size that can be put on a page; `port` is how far from its left its line comes in and leaves."""

    width: float
    height: float
    port: float

    @abstractmethod
    def put(self, page: Page, x: float, y: float) -> None:
        """Put it there, its left upper corner first."""

    @property
    def leaves_at(self) -> float:
        """How far from its left its line goes on."""
        return self.port


class Row(NamedTuple):
    """A row of a column."""

    laid: Laid
    gap: float  # before it
    label: str  # the shape that is written in the gap
    linked: bool  # whether a line goes through the gap


class LaidWay(NamedTuple):
    """A way of a fork; `laid` is None where it is a line alone."""

    laid: Laid | None
    left: float
    leaves: bool
    arrives: bool
    label: str
    kind: str
    tap: str


@dataclass(slots=True)
class Closed(Laid):
    """A box with nothing but text in it; where it has a shortcut, an arc beside it."""

    part: Part
    lines: tuple[tuple[str, str], ...]
    level: int
    box_width: float = 0.0

    def put(self, page: Page, x: float, y: float) -> None:
        """Put it there."""
        left, right = x + self.port - self.box_width / 2, x + self.port + self.box_width / 2
        page.boxes.append(Box(left, y, self.box_width, self.height, self.part, self.lines, self.level))
        if self.part.shortcut:
            top, bottom, middle = y - GAP / 2, y + self.height + GAP / 2, x + self.port
            corners = (middle, top), (right + LANE, top), (right + LANE, bottom), (middle, bottom)
            page.lines.append(Line(corners, arrow=False, kind="shortcut"))
            if self.part.shortcut != "identity":
                page.labels.append(Label(right + LANE + 4, y + self.height / 2 + 4, self.part.shortcut, "note"))


@dataclass(slots=True)
class Column(Laid):
    """A series from top to bottom. Where it is broken into columns, the line goes on at the top of the next one."""

    columns: list[list[Row]]
    ports: list[float]
    widths: list[float]
    exit: float
    exit_below: float = 0.0  # how far below it its line still goes

    @property
    def leaves_at(self) -> float:
        """How far from its left its line goes on: below the last column."""
        return self.exit

    def put(self, page: Page, x: float, y: float) -> None:
        """Put it there."""
        left = x
        before: tuple[float, float] | None = None
        for index, column in enumerate(self.columns):
            middle, top = left + self.ports[index], y
            for place, (laid, gap, label, linked) in enumerate(column):
                if before is not None and place == 0:
                    self._go_on(page, before, left - COLUMN / 2, middle, y, label, isinstance(laid, (Closed, Open)))
                    top += gap
                elif before is not None:
                    if linked:
                        end = middle, top + gap
                        bend = (before[0], top + 4), (middle, top + 4)
                        points = (before, *bend, end) if before[0] != middle else (before, end)
                        page.lines.append(Line(points, isinstance(laid, (Closed, Open))))
                    if label:
                        page.labels.append(Label(middle + 6, top + gap / 2 + 4, label))
                    top += gap
                laid.put(page, middle - laid.port, top)
                top += laid.height
                before = (middle - laid.port + laid.leaves_at, top)
            left += self.widths[index] + COLUMN
        if before is not None and self.exit_below and before[1] < y + self.height + self.exit_below:
            page.lines.append(Line((before, (before[0], y + self.height + self.exit_below)), arrow=False))

    def _go_on(
        self,
        page: Page,
        before: tuple[float, float],
        gutter: float,
        middle: float,
        y: float,
        label: str,
        arrow: bool,
    ) -> None:
        """The line from the end of a column to the top of the next."""
        x, bottom = before
        points = (
            before,
            (x, bottom + GAP / 2),
            (gutter, bottom + GAP / 2),
            (gutter, y),
            (middle, y),
            (middle, y + LABEL_GAP),
        )
        page.lines.append(Line(points, arrow))
        if label:
            page.labels.append(Label(middle + 6, y + LABEL_GAP / 2 + 4, label))


@dataclass(slots=True)
class Open(Laid):
    """A box with its graph in it."""

    part: Part
    lines: tuple[tuple[str, str], ...]
    level: int
    inner: Laid
    arcs: list[Edge]
    header: float

    @property
    def leaves_at(self) -> float:
        """How far from its left its line goes on: below the last column of what is in it."""
        return max(PAD, self.port - self.inner.port) + self.inner.leaves_at

    def put(self, page: Page, x: float, y: float) -> None:
        """Put it there."""
        page.boxes.append(Box(x, y, self.width, self.height, self.part, self.lines, self.level))
        inner_x = x + max(PAD, self.port - self.inner.port)
        top = y + self.header + GAP
        entry = inner_x + self.inner.port, y + self.header - 2
        page.lines.append(Line((entry, (entry[0], top)), _ends_in_box(self.inner)))
        if isinstance(self.inner, Column):
            self.inner.exit_below = PAD
        self.inner.put(page, inner_x, top)
        graph = self.part.inner
        assert graph is not None
        put_arcs(page, graph, self.arcs, inner_x + self.inner.width, entry)


@dataclass(slots=True)
class Ways(Laid):
    """The ways of a fork, side by side."""

    ways: list[LaidWay]

    def put(self, page: Page, x: float, y: float) -> None:
        """Put it there."""
        trunk, bottom = x + self.port, y + self.height
        for laid, left, leaves, arrives, label, kind, tap in self.ways:
            middle = x + left + (laid.port if laid else 0)
            if laid is None:
                page.lines.append(Line(_corners((trunk, y), (middle, y + BUS / 2), (middle, bottom - BUS / 2),
                                                (trunk, bottom)), arrow=False, kind=kind))  # fmt: skip
                continue
            top = y + BUS + (4 if _ends_in_box(laid) else 0)
            if leaves:
                page.lines.append(Line(_bend((trunk, y), (middle, top)), _ends_in_box(laid), kind))
            if tap:
                page.labels.append(Label(middle + 6, y + BUS / 2 - 4, tap, "note"))
            laid.put(page, x + left, top)
            out = x + left + laid.leaves_at
            if arrives:
                page.lines.append(Line(((out, top + laid.height), (out, bottom - BUS / 2), (trunk, bottom - BUS / 2),
                                        (trunk, bottom)), arrow=False, kind=kind))  # fmt: skip
            if label:
                page.labels.append(Label(out + 6, top + laid.height + 12, label))


def put_arcs(page: Page, graph: Graph, arcs: Sequence[Edge], right: float, entry: tuple[float, float]) -> None:
    """Edges that are no steps of the series: on lanes of their own beside it."""
    for lane, edge in enumerate(arcs):
        x = right + LANE * (lane + 1)
        target = page.box_of(graph.parts[edge.target])
        if edge.source == INPUT:
            start = entry[0], entry[1] + GAP / 2
        else:
            source = page.box_of(graph.parts[edge.source])
            start = source.x + source.width, source.y + source.height - 7
        end = target.x + target.width, target.y + 8
        page.lines.append(Line((start, (x, start[1]), (x, end[1]), end), kind="arc"))


def _ends_in_box(laid: Laid) -> bool:
    first = laid.columns[0][0][0] if isinstance(laid, Column) else laid
    return isinstance(first, (Closed, Open))


def _bend(start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    middle = start[1] + BUS / 2
    return start, (start[0], middle), (end[0], middle), end


def _corners(
    start: tuple[float, float], upper: tuple[float, float], lower: tuple[float, float], end: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    return start, (start[0], upper[1]), upper, lower, (end[0], lower[1]), end
