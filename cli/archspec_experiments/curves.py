"""The figures of a report: the errors of plain and residual nets side by side, and the responses of their layers."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec_experiments.collect import Net, Run
from archspec_experiments.figures import POINTS, Axes, Curve, panel
from archspec_experiments.layer_responses import Responses

TOP = 100.0  # percent


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what is above it, the drawing, and the names of its lines with their colours."""

    title: str
    svg: str
    legend: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels with the same axes."""

    title: str
    panels: Sequence[Panel]


def error_figures(nets: Sequence[Net]) -> list[Figure]:
    """One figure for the nets of each data set: plain nets first, then those of each shortcut; depths by colour."""
    figures = []
    for number, images in enumerate(dict.fromkeys(net.images for net in nets)):
        shown = [net for net in nets if net.images == images and any(run.rows for run in net.runs)]
        if not shown:
            continue
        curves = {id(net): error_curves(net.runs) for net in shown}
        everything = [points for test, train in curves.values() for points in (test, train)]
        right = max((x for points in everything for x, *_ in points), default=1.0)
        axes = Axes("step", "error (%)", right, _top([y for points in everything for _, y, _ in points]))
        depths = sorted({net.depth or 0 for net in shown})
        panels: list[Panel] = []
        for kind in dict.fromkeys(net.kind for net in shown):
            alike = [net for net in shown if net.kind == kind]
            by_depth = len({net.depth for net in alike}) == len(alike)
            series = [depths.index(net.depth or 0) if by_depth else i for i, net in enumerate(alike)]
            lines = [line for s, net in zip(series, alike, strict=True) for line in _lines(s, *curves[id(net)])]
            legend = [(s, f"{net.label}, {net.depth} layers") for s, net in zip(series, alike, strict=True)]
            title = "Plain" if kind == "plain" else f"With shortcuts: {kind}"
            panels.append(Panel(title, panel(f"errors-{number}-{len(panels)}", lines, axes), legend))
        figures.append(Figure(images, panels))
    return figures


Measured = list[tuple[float, float, float]]


def error_curves(runs: Iterable[Run]) -> tuple[Measured, Measured]:
    """Test and training error by step: the mean over the runs that got there, and their standard deviation."""
    test: dict[int, list[float]] = defaultdict(list)
    train: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        for row in run.rows:
            if row["kind"] == "train" and row["train_error"] is not None:
                train[row["step"]].append(row["train_error"])
            elif row["kind"] == "eval" and row["split"] == "test" and row["top1_error"] is not None:
                test[row["step"]].append(row["top1_error"])
    return _mean(test), _mean(train)


def _mean(values: dict[int, list[float]]) -> Measured:
    """By step, neighbours averaged where there are more than can be seen."""
    points = sorted(values.items())
    width = max(1, len(points) // POINTS)
    chunks = [points[i : i + width] for i in range(0, len(points), width)]
    return [
        (
            statistics.fmean(step for step, _ in chunk),
            statistics.fmean(v for _, found in chunk for v in found),
            statistics.fmean(statistics.stdev(found) if len(found) > 1 else 0.0 for _, found in chunk),
        )
        for chunk in chunks
    ]


def _lines(series: int, test: Measured, train: Measured) -> list[Curve]:
    return [
        Curve(series, [(x, y) for x, y, _ in train], bold=False),
        Curve(series, [(x, y) for x, y, _ in test], spread=[s for _, _, s in test], marks=len(test) == 1),
    ]


def _top(errors: Sequence[float]) -> float:
    """Where the axis ends: above all, or all but the highest twentieth where the first steps would take half of it."""
    if not errors:
        return TOP
    ordered = sorted(errors)
    most, highest = 1.1 * ordered[int(0.95 * (len(ordered) - 1))], 1.02 * ordered[-1]
    return min(TOP, max(1.0, most if highest > 2 * most else max(most, highest)))


def response_figure(nets: Sequence[Net]) -> Figure | None:
    """Figure 7 of He et al. (2015): one line a net, of its first run that was measured; None where none was."""
    found = [(net, r) for net in nets for r in [_first(net.runs)] if r is not None]
    if not found:
        return None
    right = max(len(r.deviations) for _, r in found)
    axes = ("standard deviation", right + 0.5, 1.05 * max(max(r.deviations) for _, r in found), 0.5)
    legend = [(i, f"{net.label}, mean {r.mean:.3f}") for i, (net, r) in enumerate(found)]
    panels: list[Panel] = []
    for title, x, which in (("In order of layers", "layer", "deviations"),
                            ("Sorted by magnitude", "layer, sorted", "in_order_of_size")):  # fmt: skip
        lines = [Curve(i, list(enumerate(getattr(r, which), 1)), marks=True) for i, (_, r) in enumerate(found)]
        panels.append(Panel(title, panel(f"responses-{len(panels)}", lines, Axes(x, *axes)), legend))
    return Figure("Layer responses", panels)


def _first(runs: Iterable[Run]) -> Responses | None:
    return next((run.responses for run in runs if run.responses is not None), None)
