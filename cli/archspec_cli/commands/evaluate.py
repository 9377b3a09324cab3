"""`archspec eval`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import As, Format, report, sizes
from archspec_cli.console import fail, fail_with, tell, tell_json


class Split(StrEnum):
    """Which images."""

    train = "train"
    val = "val"
    test = "test"


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, or one of its checkpoints.", show_default=False)],
    split: Annotated[Split, typer.Option(help="Which images.")] = Split.test,
    data: Annotated[
        Path | None, typer.Option(help="The images, where they are no longer where the run had them.")
    ] = None,
    crops: Annotated[
        int, typer.Option(help="1, or 10: the corners and the centre, each also flipped, averaged.")
    ] = 1,
    scales: Annotated[
        str,
        typer.Option(metavar="SIDES", help="Average over whole images with these short edges, as 224,256,384."),
    ] = "",
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Average each view with its horizontal flip as well.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    backend: Annotated[
        str | None, typer.Option("--backend", help="Which framework to use (default: the run's own).")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Write what is predicted of each image there: CSV, or JSON lines for .json and .jsonl.",
            show_default=False,
        ),
    ] = None,
    mistakes: Annotated[
        bool,
        typer.Option(
            "--mistakes", help="Keep the error of each class, confusions and worst images for `archspec report`."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file of --predictions.")] = False,
    format: As = Format.text,
) -> None:
    """Measure a run's newest checkpoint: loss, top-1 and top-5 error, every image once.

    --predictions includes --mistakes.

    Examples: archspec eval runs/resnet50 --scales 224,256,384,480,640 · archspec eval RUN --crops 10 --split val ·
    archspec eval RUN --mistakes --predictions found.csv
    """
    import archspec
    from archspec.analysis.fully_convolutional import check_sizes
    from archspec.backends import find_examiner, find_trainer
    from archspec_experiments.runs import backend_of, spec_of
    from archspec_runtime.errors import RunError
    from archspec_runtime.frameworks.results import measured

    sides = sizes(scales, "--scales")
    errors: tuple[type[Exception], ...] = (RunError,)
    try:
        if mistakes or predictions is not None:
            if sides or mirror or crops != 1:
                fail(
                    "--mistakes and --predictions are of one crop of each image",
                    "leave --crops, --scales and --mirror out",
                )
            examiner = find_examiner(backend or backend_of(run))
            errors = (*errors, *examiner.errors)
            result = examiner.mistakes(run, str(split), data, device, predictions, force=force, threads=threads)
        elif force:
            fail(
                "--force overwrites a file of predictions, and none is written",
                "give --predictions, or leave --force out",
            )
        else:
            chosen = find_trainer(backend or backend_of(run))
            errors = (*errors, *chosen.errors)
            if sides:
                check_sizes(spec_of(run), sides, archspec.load)
            result = chosen.evaluate(
                run, str(split), data, device, crops=crops, scales=sides, mirror=mirror, threads=threads
            )
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except errors as error:
        fail_with(error)
    if format is Format.json:
        tell_json({name.replace("-", "").replace(" ", "_"): value for name, value in result.items()}, indent=None)
        return
    tell(measured(str(split), result))
