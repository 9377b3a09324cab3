"""Layout: series are columns from top to bottom, forks ways side by side, and a series that is too high goes on beside itself."""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archspec.drawing.page import LINE, Box, Label, Line, Page, text_width
from archspec.drawing.parts import INPUT, Edge, Graph, Part
from archspec.drawing.series import Fork, Step, Way, series_of
from archspec.ir.cost import Cost
from archspec.ops import show

GAP, LABEL_GAP = 12.0, 26.0  # between two boxes, without and with a shape
PAD = 10.0  # within an open box
BUS = 12.0  # where the ways of a fork part, and where they join
LANE = 12.0  # between lines beside boxes
COLUMN = 26.0  # between columns
CHARACTERS = 34  # in a line of a closed box


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


Row = tuple[Laid, float, str, bool]
"""A row of a column: what lies there, the gap before it, the shape written in that, and whether a line goes through it."""


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


def closed(part: Part, level: int) -> Closed:
    """The box of a part that is not opened."""
    lines = tuple(_lines(part))
    width = max(_line_width(style, text) for style, text in lines) + 2 * 9
    height = LINE * (1 if _is_small(part) else len(lines)) + 9
    if _is_small(part):
        width = sum(_line_width(style, text) for style, text in lines) + 8 * (len(lines) - 1) + 2 * 9
    beside = 0.0
    if part.shortcut:
        note = 0.0 if part.shortcut == "identity" else text_width(part.shortcut, 10.5) + 6
        beside = LANE + note + 2
    return Closed(width + beside, height, width / 2, part, lines, level, width)


def _is_small(part: Part) -> bool:
    return part.look not in ("block",)


def _lines(part: Part) -> Iterator[tuple[str, str]]:
    yield "name", part.name
    what = part.what if part.what != part.name else ""
    if _is_small(part):
        if what:
            yield "what", what
        if part.look == "layer" or part.cost.params >= 100_000:
            yield "cost", short(part.cost.params)
        return
    for line in textwrap.wrap(what, CHARACTERS):
        yield "what", line
    yield "cost", f"{short(part.cost.params)} · {short(part.cost.macs)}"


def _line_width(style: str, text: str) -> float:
    return text_width(text, {"name": 12.5, "cost": 10.5}.get(style, 12.0)) * (1.06 if style == "name" else 1.0)


def cost_text(cost: Cost) -> str:
    """What something costs, in three digits and in words."""
    return f"{short(cost.params)} parameters · {short(cost.macs)} multiply-adds"


def short(count: int) -> str:
    """A count in three digits, such as 25.6M."""
    if count < 1000:
        return str(count)
    for unit in "KMGTPE":
        count_ = count / 1000
        if count_ < 999.5 or unit == "E":
            return f"{count_:.{2 if count_ < 9.995 else 1 if count_ < 99.95 else 0}f}{unit}"
        count = round(count_)
    raise AssertionError("the last unit takes all")


@dataclass(slots=True)
class Column(Laid):
    """A series from top to bottom. Where it is broken into columns, the line goes on at the top of the next one."""

    columns: list[
        list[tuple[Laid, float, str, bool]]
    ]  # each with the gap before it, the shape there, and whether linked
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


def _ends_in_box(laid: Laid) -> bool:
    first = laid.columns[0][0][0] if isinstance(laid, Column) else laid
    return isinstance(first, (Closed, Open))


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


@dataclass(slots=True)
class Ways(Laid):
    """The ways of a fork, side by side: each with where it lies, its labels, and whether it leaves and arrives."""

    ways: list[tuple[Laid | None, float, bool, bool, str, str, str]]

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
                page.labels.append(Label(middle + 6, y + BUS / 2 - 4, f"of {tap}", "note"))
            laid.put(page, x + left, top)
            out = x + left + laid.leaves_at
            if arrives:
                page.lines.append(Line(((out, top + laid.height), (out, bottom - BUS / 2), (trunk, bottom - BUS / 2),
                                        (trunk, bottom)), arrow=False, kind=kind))  # fmt: skip
            if label:
                page.labels.append(Label(out + 6, top + laid.height + 12, label))


def _bend(start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    middle = start[1] + BUS / 2
    return start, (start[0], middle), (end[0], middle), end


def _corners(
    start: tuple[float, float], upper: tuple[float, float], lower: tuple[float, float], end: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    return start, (start[0], upper[1]), upper, lower, (end[0], lower[1]), end


@dataclass(frozen=True, slots=True)
class Layout:
    """How a graph is laid out; columns are at most as high as `limit`."""

    limit: float

    def graph(self, graph: Graph, level: int, limit: float) -> tuple[Laid, list[Edge]]:
        """A graph as one column, or several, and the edges that it does not show."""
        series = series_of(graph)
        laid = self.column(graph, series.steps, level, limit if not series.arcs else float("inf"))
        return laid, series.arcs

    def column(self, graph: Graph, steps: Sequence[Step], level: int, limit: float) -> Laid:
        """The steps of a graph, from top to bottom."""
        rows = []
        before = None
        for step in steps:
            laid = self.step(graph, step, level, limit)
            label = self.label(graph, before) if before is not None else ""
            gap = 0.0 if before is None else LABEL_GAP if label else GAP
            rows.append((laid, gap, label, step.linked))
            before = step
        broken = _broken(rows, limit)
        ports, widths = [], []
        for column in broken:
            _stretch(column)
            port = max(laid.port for laid, *_ in column)
            right = max(laid.width - laid.port for laid, *_ in column)
            right = max(right, *(text_width(label, 10.5) + 10 if label else 0 for _, _, label, _ in column))
            ports.append(port)
            widths.append(port + right)
        height = max(sum(laid.height + gap for laid, gap, *_ in column) for column in broken)
        if len(broken) > 1:
            height += GAP
        width = sum(widths) + COLUMN * (len(broken) - 1)
        last = broken[-1][-1][0]
        exit = width - widths[-1] + ports[-1] - last.port + last.leaves_at
        return Column(width, height, ports[0], broken, ports, widths, exit)

    def label(self, graph: Graph, step: Step) -> str:
        """The shape of what a step gives, where that is not the shape of what it was given."""
        if isinstance(step.item, Fork):
            return ""
        part = graph.parts[step.item]
        if part.look == "end":
            return ""
        given = [graph.inlet if s == INPUT else graph.parts[s].shape for s in graph.sources(step.item)]
        return show(part.shape) if part.shape not in given[:1] else ""

    def tap(self, graph: Graph, way: Way) -> str:
        """The name of the step inside of a block from which a way leaves, where it is not the last."""
        first = way.steps[0].item
        labels = [e.label for e in graph.edges if e.target == first and e.label] if isinstance(first, int) else []
        return labels[0].partition(".")[2] if labels else ""

    def step(self, graph: Graph, step: Step, level: int, limit: float) -> Laid:
        """A part or a fork."""
        if isinstance(step.item, Fork):
            return self.fork(graph, step.item, level)
        part = graph.parts[step.item]
        return closed(part, level) if part.inner is None else self.open(part, part.inner, level, limit)

    def open(self, part: Part, inner: Graph, level: int, limit: float) -> Open:
        """A part with what is in it."""
        lines = (("name", part.name), *_title(part))
        header = LINE * (len(lines) - 1 if part.what and len(lines) > 2 else len(lines)) + 8
        laid, arcs = self.graph(inner, level + 1, limit - header - GAP - PAD)
        title = max(_line_width("name", part.name) + 8 + _line_width("what", lines[1][1]) if part.what else 0,
                    *(_line_width(*line) for line in lines))  # fmt: skip
        beside = laid.width + (LANE * len(arcs) + 4 if arcs else 0)
        left, right = laid.port, beside - laid.port
        many = isinstance(laid, Column) and len(laid.columns) > 1
        port = PAD + (beside / 2 if many else left)
        width = max(beside + 2 * PAD, title + 2 * PAD)
        if not many:
            spare = (width - 2 * PAD - left - right) / 2
            port += max(spare, 0)
        height = header + GAP + laid.height + PAD
        if many:
            port = PAD + laid.port
        return Open(width, height, port, part, lines, level, laid, arcs, header)

    def fork(self, graph: Graph, fork: Fork, level: int) -> Ways:
        """The ways of a fork, the empty one last."""
        ways: list[tuple[Laid | None, float, bool, bool, str, str, str]] = []
        alone = not any(way.steps and way.leaves for way in fork.ways)
        x, height = 0.0, 0.0
        for way in fork.ways:
            if not way.steps:
                x += LANE - 18.0 + 8
                ways.append((None, x, True, True, "", "flow" if alone else "shortcut", ""))
                x += 6.0
                continue
            laid = self.column(graph, way.steps, level, float("inf"))
            label = self.label(graph, way.steps[-1]) if way.arrives else ""
            items = [step.item for step in way.steps]
            short = all(isinstance(item, int) and graph.parts[item].is_shortcut for item in items)
            kind = "shortcut" if short else "flow"
            ways.append((laid, x, way.leaves, way.arrives, label, kind, self.tap(graph, way)))
            width = max(laid.width, laid.leaves_at + (text_width(label, 10.5) + 8 if label else 0))
            height = max(height, laid.height + (LABEL_GAP - BUS if label else 0))
            x += width + 18.0
        laid_ways = [(laid, left) for laid, left, *_ in ways if laid]
        arriving = [
            (laid, left) for laid, left, _, arrives, _, kind, _ in ways if laid and arrives and kind == "flow"
        ]
        straight = len(arriving) == 1
        span = [left + laid.port for laid, left in laid_ways]
        port = arriving[0][1] + arriving[0][0].port if straight else (span[0] + span[-1]) / 2
        width = x if ways[-1][0] is None else x - 18.0
        return Ways(width, height + 2 * BUS + 4, port, ways)


def _title(part: Part) -> Iterator[tuple[str, str]]:
    if part.what:
        yield "what", part.what
    yield "cost", cost_text(part.cost)


def _stretch(column: Sequence[Row]) -> None:
    """Make the boxes of a column as wide as the widest of its kind."""
    for small in (True, False):
        boxes = [laid for laid, *_ in column if isinstance(laid, Closed) and _is_small(laid.part) == small]
        boxes = [laid for laid in boxes if laid.part.look != "end"]
        width = max((laid.box_width for laid in boxes), default=0.0)
        for laid in boxes:
            more = width - laid.box_width
            laid.box_width, laid.width, laid.port = width, laid.width + more, laid.port + more / 2


def _broken(rows: list[Row], limit: float) -> list[list[Row]]:
    """The rows in as few columns of at most this height as hold them, and these about as high as each other."""
    total = sum(laid.height + gap for laid, gap, *_ in rows)
    if total <= limit:
        return [rows]
    columns = _filled(rows, limit)
    even = (total / len(columns) * (1 + step / 10) for step in range(10))
    tried = (_filled(rows, height) for height in even if height < limit)
    return next((found for found in tried if len(found) == len(columns)), columns)


def _filled(rows: Sequence[Row], limit: float) -> list[list[Row]]:
    """The rows in columns, one filled after the other; each row whole."""
    columns: list[list[Row]] = [[]]
    height = 0.0
    for laid, gap, label, linked in rows:
        if columns[-1] and linked and height + gap + laid.height > limit:
            columns.append([])
            height, gap = 0.0, LABEL_GAP
        columns[-1].append((laid, gap, label, linked))
        height += gap + laid.height
    return columns
