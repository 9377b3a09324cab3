"""`archspec compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import As, Format
from archspec_cli.console import fail, fail_with, say, tell, tell_json


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or of several.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture; .png or .svg.")] = Path("compare.png"),
    title: Annotated[str, typer.Option(help="Above the picture.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that archspec did not draw.")] = False,
    format: As = Format.text,
) -> None:
    """Draw the training and test error of several runs in one picture, and print the table.

    Example: archspec compare runs/cifar-plain-56 runs/cifar-resnet-56 --out figure6.png
    """
    from archspec_experiments.runs import labels_of, runs_in

    try:
        from archspec_experiments.state import progress_of
        from archspec_runtime.errors import RunError
        from archspec_runtime.files.pictures import check_picture
        from archspec_runtime.record.differences import measured_apart
        from archspec_runtime.record.folder import read_run
        from archspec_runtime.record.identity import read_identity
        from archspec_runtime.record.source_notes import shown_name, source_note
        from archspec_runtime.run.curves import draw_curves
    except ImportError as error:
        from archspec.backends.extras import install_command

        fail(f"curves need what training needs: {error}", install_command("torch"), 1)
    try:
        check_picture(out, force=force)
        runs = runs_in(runs)
        records = {run: read_run(run) for run in runs}
        labels = labels_of([(shown_name(run, record), run) for run, record in records.items()])
        found = [progress_of(run) for run in records]
        labelled = [(label, progress.rows) for label, progress in zip(labels, found, strict=True)]
        lines = [progress.summary(label) for label, progress in zip(labels, found, strict=True)]
        notes = [source_note(run, record) for run, record in records.items()]
        identities = [read_identity(record, run / "run.json") for run, record in records.items()]
        apart = measured_apart(dict(zip(labels, identities, strict=True)))
    except RunError as error:
        fail_with(error)
    try:
        draw_curves(labelled, [out], title)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror}", "give another --out", 1)
    if format is Format.json:
        tell_json([{**asdict(line), "source": note} for line, note in zip(lines, notes, strict=True)])
        for note in apart:
            say(f"warning: {note}")
        say(f"the picture is {out}")
        return
    width = max(len(label) for label, _ in labelled)
    tell(f"{'run':<{width}}  {'steps':>8}  {'train error':>11}  {'test error':>10}  {'best':>7}")
    for line in lines:
        errors = [
            f"{e:.2f}%" if e is not None else "-" for e in (line.train_error, line.test_error, line.best_test_error)
        ]
        tell(f"{line.label:<{width}}  {line.step:>8,}  {errors[0]:>11}  {errors[1]:>10}  {errors[2]:>7}")
    tell(f"training error over the last fifth of the steps; picture in {out}")
    for told in apart:
        say(f"warning: {told}")
