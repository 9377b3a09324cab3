"""Pictures as files, marked so that a later one may take their place, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import RunError
from .printable import printable
from .undoing import written_whole

MARK = "drawn by archspec"
HEAD = 4096  # bytes of a file that a mark is within


def check_picture(file: Path, *, force: bool = False) -> None:
    """Raise RunError where a picture cannot be called this: no picture, a folder, or a file that archspec did not draw."""
    if file.suffix.lower() not in (".png", ".svg"):
        raise RunError(f"{file} is neither .png nor .svg", "give --out one of these", 2)
    if file.is_dir():
        raise RunError(f"{file} is a folder", "give --out a file", 2)
    if force or not file.exists():
        return
    try:
        with open(file, "rb") as there:
            ours = MARK.encode() in there.read(HEAD)
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}", "give another --out", 2) from None
    if not ours:
        raise RunError(f"{file} is there, and archspec did not draw it", "give another --out, or --force", 2)


def save_picture(figure: Any, file: Path) -> None:
    """Write a figure of matplotlib's as PNG or SVG, the same bytes for the same figure. Raises OSError."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # names of nets and runs are written into an SVG's comments as well
        if not text.get_text().isprintable():
            text.set_text(printable(text.get_text()))
    about = {"Creator": MARK, "Date": None} if file.suffix.lower() == ".svg" else {"Software": MARK}
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as aside:
        figure.savefig(aside, dpi=150, metadata=about)
