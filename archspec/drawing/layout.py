"""Layout: series are columns from top to bottom, forks ways side by side, and a series that is too high goes on beside itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archspec.drawing.box_text import is_small, line_width, lines_of, title_of
from archspec.drawing.laid import (
    BUS,
    COLUMN,
    GAP,
    LABEL_GAP,
    LANE,
    PAD,
    Closed,
    Column,
    Laid,
    LaidWay,
    Open,
    Row,
    Ways,
)
from archspec.drawing.page import LINE, text_width
from archspec.drawing.parts import INPUT, Edge, Graph, Part
from archspec.drawing.series import Fork, Series, Step, Way, series_of
from archspec.ops import show


@dataclass(frozen=True, slots=True)
class Layout:
    """How a graph is laid out; columns are at most as high as `limit`. Layouts that are tried share the `series` of graphs."""

    limit: float
    series: dict[Graph, Series] = field(default_factory=dict)

    def graph(self, graph: Graph, level: int, limit: float) -> tuple[Laid, list[Edge]]:
        """A graph as one column, or several, and the edges that it does not show."""
        if (series := self.series.get(graph)) is None:
            series = self.series[graph] = series_of(graph)
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
            rows.append(Row(laid, gap, label, step.linked))
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
        """From which of several inputs, or from which step inside of a block, a way leaves, where it is not the last."""
        first = way.steps[0].item
        edges = [e for e in graph.edges if e.target == first and e.label] if isinstance(first, int) else []
        if not edges or edges[0].source == INPUT:
            return edges[0].label if edges else ""
        return f"of {edges[0].label.partition('.')[2]}"

    def step(self, graph: Graph, step: Step, level: int, limit: float) -> Laid:
        """A part or a fork."""
        if isinstance(step.item, Fork):
            return self.fork(graph, step.item, level)
        part = graph.parts[step.item]
        return closed(part, level) if part.inner is None else self.open(part, part.inner, level, limit)

    def open(self, part: Part, inner: Graph, level: int, limit: float) -> Open:
        """A part with what is in it."""
        lines = (("name", part.name), *title_of(part))
        header = LINE * (len(lines) - 1 if part.what and len(lines) > 2 else len(lines)) + 8
        laid, arcs = self.graph(inner, level + 1, limit - header - GAP - PAD)
        title = max(line_width("name", part.name) + 8 + line_width("what", lines[1][1]) if part.what else 0,
                    *(line_width(*line) for line in lines))  # fmt: skip
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
        """The ways of a fork: the empty one last, or first where all others end by themselves."""
        ways: list[LaidWay] = []
        alone = not any(way.steps and way.leaves for way in fork.ways)
        onward = not fork.ways[0].steps
        x, height = 0.0, 0.0
        for way in fork.ways:
            if onward and not ways:
                ways.append(LaidWay(None, 0.0, True, True, "", "flow", ""))
                x += 2 * LANE
                continue
            if not way.steps:
                x += LANE - 18.0 + 8
                ways.append(LaidWay(None, x, True, True, "", "flow" if alone else "shortcut", ""))
                x += 6.0
                continue
            laid = self.column(graph, way.steps, level, float("inf"))
            label = self.label(graph, way.steps[-1]) if way.arrives else ""
            items = [step.item for step in way.steps]
            short = all(isinstance(item, int) and graph.parts[item].is_shortcut for item in items)
            kind = "shortcut" if short else "flow"
            ways.append(LaidWay(laid, x, way.leaves, way.arrives, label, kind, self.tap(graph, way)))
            width = max(laid.width, laid.leaves_at + (text_width(label, 10.5) + 8 if label else 0))
            height = max(height, laid.height + (LABEL_GAP - BUS if label else 0))
            x += width + 18.0
        laid_ways = [(laid, left) for laid, left, *_ in ways if laid]
        arriving = [
            (laid, left) for laid, left, _, arrives, _, kind, _ in ways if laid and arrives and kind == "flow"
        ]
        straight = len(arriving) == 1
        span = [left + laid.port for laid, left in laid_ways]
        port = 0.0 if onward else arriving[0][1] + arriving[0][0].port if straight else (span[0] + span[-1]) / 2
        width = x if ways[-1][0] is None else x - 18.0
        return Ways(width, height + 2 * BUS + 4, port, ways)


def closed(part: Part, level: int) -> Closed:
    """The box of a part that is not opened."""
    lines = tuple(lines_of(part))
    width = max(line_width(style, text) for style, text in lines) + 2 * 9
    height = LINE * (1 if is_small(part) else len(lines)) + 9
    if is_small(part):
        width = sum(line_width(style, text) for style, text in lines) + 8 * (len(lines) - 1) + 2 * 9
    beside = 0.0
    if part.shortcut:
        note = 0.0 if part.shortcut == "identity" else text_width(part.shortcut, 10.5) + 6
        beside = LANE + note + 2
    return Closed(width + beside, height, width / 2, part, lines, level, width)


def _stretch(column: Sequence[Row]) -> None:
    """Make the boxes of a column as wide as the widest of its kind."""
    for small in (True, False):
        boxes = [laid for laid, *_ in column if isinstance(laid, Closed) and is_small(laid.part) == small]
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
        columns[-1].append(Row(laid, gap, label, linked))
        height += gap + laid.height
    return columns
