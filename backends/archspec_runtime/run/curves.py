"""Training and test error over the steps, drawn as in Figures 4 and 6 of He et al. (2015), and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec_runtime.files.pictures import add_legend, save_picture
from archspec_runtime.record.folder import Row
from archspec_runtime.record.measured import read_measured

COLOURS = ("C0", "C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9")
"""Of runs: grey, which is C7, says what is training and what test."""
DASHES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
"""Of the test errors of runs that have the colour of another."""
POINTS = 200  # of a training curve; more are averaged
WHOLE: Any = {"clip_on": False, "zorder": 3}
"""How lines are drawn that may lie on an axis, as an error of 0 does: not cut in half, and above it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the table; errors in percent, None where nothing was measured."""

    label: str
    step: int
    train_error: float | None  # over the last fifth of the steps
    test_error: float | None  # the last
    best_test_error: float | None


def summarize(label: str, rows: Sequence[Row], reached: int = 0) -> Summary:
    """The table's line for a run, whose last checkpoint is of the step that it `reached`."""
    train = [r for r in rows if r["kind"] == "train"]
    errors = [error for _, error in _tested(rows)]
    last = max((r["step"] for r in rows), default=0)
    tail = [r["train_error"] for r in train if r["step"] > 0.8 * last]
    return Summary(
        label,
        max(last, reached),
        sum(tail) / len(tail) if tail else None,
        errors[-1] if errors else None,
        min(errors) if errors else None,
    )


def draw_run(folder: Path, name: str) -> None:
    """Draw the curves of a run in its folder. Raises ImportError without Matplotlib, OSError where nothing can be written."""
    draw_curves([(name, read_measured(folder))], [folder / "curves.png", folder / "curves.svg"], name)


def draw_curves(runs: Sequence[tuple[str, Sequence[Row]]], files: Sequence[Path], title: str = "") -> None:
    """Draw runs into files (PNG, SVG): training error thin, test error bold, one colour a run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, (label, rows) in enumerate(runs):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
        train = _averaged([(r["step"], r["train_error"]) for r in rows if r["kind"] == "train"])
        test = _tested(rows)
        if train:
            axes.plot(*zip(*train, strict=True), color=colour, linewidth=0.9, linestyle="--", **WHOLE)
        if len(test) == 1:
            axes.plot(*zip(*test, strict=True), color=colour, marker="o", markersize=5, **WHOLE)
        elif test:
            axes.plot(*zip(*test, strict=True), color=colour, linewidth=2.0, linestyle=dash, **WHOLE)
        axes.plot([], [], color=colour, linewidth=2.0, linestyle=dash, label=label)
    axes.plot([], [], color="grey", linewidth=0.9, linestyle="--", label="training")
    axes.plot([], [], color="grey", linewidth=2.0, label="test")
    axes.set_xlabel("step")
    axes.set_ylabel("error (%)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.title.set_parse_math(False)  # a name is no formula
    add_legend(figure, axes)
    for file in files:
        save_picture(figure, file)


def _tested(rows: Sequence[Row]) -> list[tuple[int, float]]:
    """Steps and errors on the test images alone: a run with a holdout measures that at the same steps."""
    return [(r["step"], r["top1_error"]) for r in rows if r["kind"] == "eval" and r["split"] == "test"]


def _averaged(points: list[tuple[int, float]]) -> list[tuple[float, float]]:
    width = max(1, len(points) // POINTS)
    chunks = [points[i : i + width] for i in range(0, len(points), width)]
    return [(sum(x for x, _ in c) / len(c), sum(y for _, y in c) / len(c)) for c in chunks]
