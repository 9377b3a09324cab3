"""A page as SVG: text as text, light, and dark where the reader's system is."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from archspec.diagnostics.printable import printable
from archspec.drawing.page import LINE, Box, Line, Page
from archspec.ops import show

STYLE = """
text { font-family: "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; fill: #1f2328; }
.page { fill: #ffffff; }
.title { font-size: 18px; font-weight: bold; }
.name { font-size: 12.5px; font-weight: bold; }
.cost, .note, .shape { font-size: 10.5px; fill: #59636e; }
.box { stroke: #8c959f; stroke-width: 1; }
.open0, .open2 { fill: #f6f8fa; } .open1, .open3 { fill: #ffffff; }
.block { fill: #e7edf8; } .layer { fill: #d6e6fb; } .norm { fill: #e5f3e2; } .merge { fill: #fbe3cf; }
.pool { fill: #eee2f7; } .other { fill: #f3f3f3; } .end { fill: none; stroke: none; }
.differs { stroke: #cf222e; stroke-width: 2.5; }
.line { fill: none; stroke: #57606a; stroke-width: 1.2; } .shortcut, .arc { stroke: #bc4c00; stroke-width: 1.6; }
.head { fill: #57606a; } .head-arc { fill: #bc4c00; }
"""
DARK = """
text { fill: #e6edf3; } .page { fill: #0d1117; } .cost, .note, .shape { fill: #9da7b3; } .box { stroke: #6e7681; }
.open0, .open2 { fill: #161b22; } .open1, .open3 { fill: #0d1117; }
.block { fill: #1c2a44; } .layer { fill: #14355e; } .norm { fill: #17381f; } .merge { fill: #4a2c12; }
.pool { fill: #382650; } .other { fill: #262c34; } .end { fill: none; stroke: none; } .differs { stroke: #ff7b72; }
.line { stroke: #9da7b3; } .shortcut, .arc { stroke: #f0883e; } .head { fill: #9da7b3; } .head-arc { fill: #f0883e; }
"""


def to_svg(page: Page, title: str) -> str:
    """The whole picture."""
    size = f'width="{_n(page.width)}" height="{_n(page.height)}" viewBox="0 0 {_n(page.width)} {_n(page.height)}"'
    dark = "\n".join(f"  {line}" for line in DARK.strip().splitlines())
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{_text(title)}</title>",
        f"<style>{STYLE}@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n</style>",
        f'<rect class="page" width="{_n(page.width)}" height="{_n(page.height)}"/>',
        *_boxes(page),
        *(part for line in page.lines for part in _line(line)),
        *(f'<text class="{label.style}" x="{_n(label.x)}" y="{_n(label.y)}">{_text(label.text)}</text>' for label in page.labels),
        "</svg>",
    ]) + "\n"  # fmt: skip


def _boxes(page: Page) -> Iterator[str]:
    for box in page.boxes:
        part = box.part
        look = f"open{box.level % 4}" if box.is_open else part.look
        differs = " differs" if part.differs else ""
        about = f"{part.path}: {part.what or 'steps'}, {show(part.shape)}"
        if part.look != "end":
            about += f", {part.cost.params:,} parameters, {part.cost.macs:,} multiply-adds"
        yield f"<g data-path={quoteattr(printable(part.path))}><title>{_text(about)}</title>"
        yield (
            f'<rect class="box {look}{differs}" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" '
            f'height="{_n(box.height)}" rx="{6 if box.is_open else 4}"/>'
        )
        yield from _written(box)
        yield "</g>"


def _written(box: Box) -> Iterator[str]:
    """The texts of a box: in one line with the cost at its right, or one below the other."""
    x, y = box.x + 9, box.y + LINE + 1
    lines = list(box.lines)
    together = 2 if box.is_open and box.part.what else 1 if box.part.look == "block" or box.is_open else len(lines)
    first, rest = lines[:together], lines[together:]
    if not rest and len(first) > 1 and first[-1][0] == "cost":
        style, text = first.pop()
        yield f'<text class="{style}" text-anchor="end" x="{_n(box.x + box.width - 9)}" y="{_n(y)}">{_text(text)}</text>'
    spans = "".join(
        f'<tspan class="{style}"{" dx=" + quoteattr("8") if place else ""}>{_text(text)}</tspan>'
        for place, (style, text) in enumerate(first)
    )
    yield f'<text x="{_n(x)}" y="{_n(y)}">{spans}</text>'
    for place, (style, text) in enumerate(rest, 1):
        yield f'<text class="{style}" x="{_n(x)}" y="{_n(y + LINE * place)}">{_text(text)}</text>'


def _line(line: Line) -> Iterator[str]:
    points = [point for place, point in enumerate(line.points) if not place or point != line.points[place - 1]]
    if len(points) < 2:
        return
    kind = "" if line.kind == "flow" else f" {line.kind}"
    yield f'<path class="line{kind}" d="{_rounded(points)}"/>'
    if line.arrow:
        (bx, by), (x, y) = points[-2:]
        dx, dy = (0, 1 if y > by else -1) if abs(x - bx) < abs(y - by) else (1 if x > bx else -1, 0)
        left, right = (x - 6 * dx + 3 * dy, y - 6 * dy + 3 * dx), (x - 6 * dx - 3 * dy, y - 6 * dy - 3 * dx)
        head = "head" if line.kind == "flow" else "head-arc"
        yield f'<path class="{head}" d="M{_p((x, y))}L{_p(left)}L{_p(right)}Z"/>'


def _rounded(points: list[tuple[float, float]], radius: float = 5.0) -> str:
    """A path through points with round corners."""
    path = [f"M{_p(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        path.append(f"L{_p(near)}Q{_p(corner)} {_p(far)}")
    return "".join([*path, f"L{_p(points[-1])}"])


def _towards(start: tuple[float, float], end: tuple[float, float], most: float) -> tuple[float, float]:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = abs(dx) + abs(dy)  # lines are level or upright
    step = min(most, length / 2) / length if length else 0.0
    return start[0] + dx * step, start[1] + dy * step


def _p(point: tuple[float, float]) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    """A number with one digit behind the point, where it has any."""
    return (
        f"{number:.1f}".removesuffix(".0").replace("-0", "0")
        if abs(number) < 0.05
        else f"{number:.1f}".removesuffix(".0")
    )


def _text(text: str) -> str:
    return escape(printable(text))
