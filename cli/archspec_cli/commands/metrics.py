"""`archspec metrics`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.console import fail_with, tell


class Form(StrEnum):
    """How rows are written."""

    csv = "csv"
    json = "json"


def metrics(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or of several.", show_default=False)
    ],
    format: Annotated[
        Form | None,
        typer.Option(
            "--format",
            help="CSV with a column per quantity, or one JSON object a line (default: by the suffix of --out, or csv).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file to write, whole or not at all.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file of --out.")] = False,
) -> None:
    """Export what runs have measured: a row for each measurement, with its run, step, epoch and time.

    Examples: archspec metrics runs/plain56 > plain56.csv · archspec metrics runs/sweep --out sweep.csv
    """
    from archspec_experiments.rows import rows_of, written
    from archspec_experiments.runs import runs_in
    from archspec_runtime.console import tell_text
    from archspec_runtime.errors import RunError
    from archspec_runtime.files.os_errors import not_written
    from archspec_runtime.measure.prediction_files import check_out
    from archspec_runtime.processes.signals import written_whole

    try:
        check_out(out, force=force)
        lines = out is not None and out.suffix.lower() in (".json", ".jsonl")
        form = format or (Form.json if lines else Form.csv)
        found = runs_in(runs)
        rows = rows_of(found)
        text = written(rows, str(form))
        if out is None:
            tell_text(text)
            return
        try:
            with written_whole(out) as aside:
                aside.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror}", not_written(error), 1) from None
    except RunError as error:
        fail_with(error)
    tell(
        f"{out}: {len(rows):,} row{'' if len(rows) == 1 else 's'} of {len(found):,} run{'' if len(found) == 1 else 's'}"
    )
