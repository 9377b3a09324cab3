"""`archspec report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.console import fail_with, tell


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="The folder of a sweep, or of runs.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The page (default: report.html, in the folder of all)."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Above the page (default: the names of the folders).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that no report wrote.")] = False,
) -> None:
    """Write one page about some runs: curves in pairs, a table over the seeds, structure and cost of each net.

    The page holds everything: it can be sent as it is, and opens without a network.

    Example: archspec report runs/sweep --title "Plain and residual nets on CIFAR-10"
    """
    from archspec_experiments.page import common_folder, title_of, write_report
    from archspec_runtime.errors import RunError

    path = out or common_folder(folders) / "report.html"
    try:
        count = write_report(folders, path, title or title_of(folders), force=force)
    except RunError as error:
        fail_with(error)
    tell(f"{path}: {count:,} run{'' if count == 1 else 's'}")
