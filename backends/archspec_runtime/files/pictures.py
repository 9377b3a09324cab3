"""Pictures as files, marked so that a later one may take their place, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archspec_runtime.console import printable
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import file_around
from archspec_runtime.processes.signals import written_whole

MARK = "drawn by archspec"
NARROW = 20  # characters of names that stand beside a picture
WIDE = 120  # that stand below it in a row
LONGEST = 56  # of one name; what is in the middle of longer ones is left out
HEAD = 4096  # bytes of a file that a mark is within


def check_picture(file: Path, *, force: bool = False) -> None:
    """Raise RunError where a picture cannot be called this: no picture, a folder, or a file that archspec did not draw."""
    if file.suffix.lower() not in (".png", ".svg"):
        raise RunError(f"{file} is neither .png nor .svg", "give --out one of these", 2)
    if file.is_dir():
        raise RunError(f"{file} is a folder", "give --out a file", 2)
    if (around := file_around(file)) is not None:
        raise RunError(f"{around} is a file", "give another --out", 2)
    if force or not file.exists():
        return
    try:
        with open(file, "rb") as there:
            ours = MARK.encode() in there.read(HEAD)
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}", "give another --out", 2) from None
    if not ours:
        raise RunError(f"{file} is there, and archspec did not draw it", "give another --out, or --force", 2)


def add_legend(figure: Any, axes: Any) -> None:
    """Name the lines of some axes where the names hide no curve: beside them, or below where they are long or many."""
    handles, labels = axes.get_legend_handles_labels()
    labels = [label if len(label) <= LONGEST else f"{label[:20]}...{label[23 - LONGEST :]}" for label in labels]
    longest = max(map(len, labels))
    if longest <= NARROW:
        legend = axes.legend(
            handles, labels, fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0
        )
    else:
        legend = _below(figure, handles, labels, max(1, WIDE // (longest + 6)))
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name is no formula


def _below(figure: Any, handles: Sequence[Any], labels: Sequence[str], columns: int) -> Any:
    """A legend in columns below the picture, which becomes as much higher."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.19 * -(-len(labels) // columns))
    return figure.legend(handles, labels, fontsize="small", loc="outside lower left", ncols=columns)


def save_picture(figure: Any, file: Path) -> None:
    """Write a figure of matplotlib's as PNG or SVG, the same bytes for the same figure. Raises OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # names of nets and runs are written into an SVG's comments as well
        if not text.get_text().isprintable():
            text.set_text(printable(text.get_text()))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(150)
    with written_whole(file) as aside:  # by canvases, which draw once where `savefig` draws twice
        if file.suffix.lower() == ".svg":
            drawn: Any = FigureCanvasSVG(figure)
            drawn.print_svg(aside, metadata={"Creator": MARK, "Date": None})
        else:
            drawn = FigureCanvasAgg(figure)
            drawn.print_png(aside, metadata={"Software": MARK})
    figure.set_layout_engine("none")  # another file has the same layout
