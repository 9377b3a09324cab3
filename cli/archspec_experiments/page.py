"""The report: one page that holds everything, asks nothing of any network, and runs no script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import jinja2

from archspec.diagnostics.printable import printable_lines
from archspec.ops import show
from archspec.version import __version__
from archspec_experiments.collect import Collection, collect
from archspec_experiments.curves import error_figures, response_figure
from archspec_experiments.figures import SERIES
from archspec_experiments.mistakes import ROWS
from archspec_experiments.state import State
from archspec_runtime.errors import RunError
from archspec_runtime.job.memory import bytes_as_text
from archspec_runtime.processes.signals import written_whole
from archspec_runtime.record.folder import run_of

NAMED = 4  # folders in a title
MARK = '<meta name="generator" content="archspec report">'
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("archspec_experiments"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    finalize=lambda value: shown(value) if type(value) is str else value,  # not of markup, which is our own
)


def page(collection: Collection, title: str) -> str:
    """The page as HTML. Whatever users named is escaped; drawings hold none of it."""
    runs = [*(run for net in collection.nets for run in net.runs), *collection.missing]
    return TEMPLATES.get_template("report.html.j2").render(
        title=title,
        version=__version__,
        mark=MARK,
        series=range(SERIES),
        nets=collection.nets,
        runs=runs,
        open_runs=[run for run in runs if run.state is not State.finished],
        errors=error_figures(collection.nets),
        mistakes=[run.mistakes for run in runs if run.mistakes is not None],
        rows=ROWS,
        responses=response_figure(collection.nets),
        show=show,
        bytes_as_text=bytes_as_text,
    )


def shown(text: str) -> str:
    """Text of others as the page shows it, which is UTF-8 whatever the locale that names and titles were read by."""
    with suppress(UnicodeError):
        text = text.encode("utf-8", "surrogateescape").decode()
    return printable_lines(text)


def common_folder(folders: Sequence[Path]) -> Path:
    """The folder, or of several the one that all are in."""
    return (
        folders[0] if len(folders) == 1 else Path(os.path.commonpath([path.absolute().parent for path in folders]))
    )


def title_of(folders: Sequence[Path]) -> str:
    """The names of the folders, the first of many."""
    names = list(dict.fromkeys(path.resolve().name for path in folders))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def write_report(folders: Sequence[Path], out: Path, title: str, *, force: bool = False) -> int:
    """Read the runs in these folders and write the page of them; returns how many there are.

    Raises RunError where there are none, or where the file is there and was not written by a report.
    """
    if out.is_dir():
        raise RunError(f"{out} is a folder", "give --out a file", 2)
    if (run := run_of(out)) is not None:
        raise RunError(f"{out} is a file of the run {run}", "give another --out", 2)
    if out.exists() and not force and MARK not in out.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise RunError(f"{out} is there, and no report wrote it", "give another --out, or --force", 2)
    collection = collect(folders)
    text = page(collection, title)
    try:
        with written_whole(out) as aside:
            aside.write_text(text, encoding="utf-8", errors="surrogateescape")  # names as they are on the disk
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}", "give another --out", 2) from None
    return sum(len(net.runs) for net in collection.nets) + len(collection.missing)
