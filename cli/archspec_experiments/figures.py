"""Drawings that stand inside a page: SVG without text of users, in colours that the page's style sheet decides."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

SERIES = 8  # colours that the style sheet has; further series take them again
INK, GRID = "#010203", "#040506"
COLOURS = [f"#0a0b{index:02x}" for index in range(SERIES)]
POINTS = 200
BELOW = 0.015  # of the height, below 0: a line that lies there is not cut in half
SVG = "http://www.w3.org/2000/svg"

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in the colour of its series; `bold` or thin, with a band of `spread` above and below where there is one."""

    series: int
    points: Points
    bold: bool = True
    spread: Sequence[float] = ()
    marks: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What the panels of a figure share."""

    x: str
    y: str
    right: float
    top: float
    left: float = 0.0


def panel(name: str, curves: Sequence[Curve], axes: Axes) -> str:
    """One panel as an `<svg>` element; `name` makes its ids differ from those of others on the page."""

    def draw(plot: object) -> None:
        from matplotlib.axes import Axes as Plot

        assert isinstance(plot, Plot)
        for curve in curves:
            colour = COLOURS[curve.series % SERIES]
            xs, ys = [p[0] for p in curve.points], [p[1] for p in curve.points]
            plot.plot(xs, ys, color=colour, linewidth=2.0 if curve.bold else 0.8, marker="." if curve.marks else "",
                      alpha=1.0 if curve.bold else 0.75, clip_on=not curve.marks)  # fmt: skip
            if any(curve.spread):
                low = [max(0.0, y - s) for y, s in zip(ys, curve.spread, strict=True)]
                high = [y + s for y, s in zip(ys, curve.spread, strict=True)]
                plot.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
        plot.set(xlabel=axes.x, ylabel=axes.y, xlim=(axes.left, axes.right), ylim=(-BELOW * axes.top, axes.top))
        plot.grid(color=GRID, linewidth=0.6)
        plot.spines[["top", "right"]].set_visible(False)

    return _svg(name, draw)


def _svg(name: str, draw: Callable[[object], None]) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "text.color": INK, "axes.labelcolor": INK,
             "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK, "font.size": 10}  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), name)


def _inline(text: str, name: str) -> str:
    """The drawing with ids of its own, without metadata, in the page's fonts and colours."""
    root = ElementTree.fromstring(text[text.index("<svg") :])
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] == "metadata":
                parent.remove(child)
        for key, value in list(parent.attrib.items()):
            if key == "id":
                parent.set(key, f"{name}-{value}")
            elif key.endswith("href"):
                del parent.attrib[key]
                parent.set("href", value.replace("#", f"#{name}-"))
            else:
                parent.set(key, _styled(value.replace("url(#", f"url(#{name}-")))
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("aria-hidden", "true")  # the table says the same
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _styled(value: str) -> str:
    value = value.replace(INK, "currentColor").replace(GRID, "var(--line)")
    for index, colour in enumerate(COLOURS):
        value = value.replace(colour, f"var(--series-{index})")
    return re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
