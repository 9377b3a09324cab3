"""`archspec predict`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from archspec_cli.common import report
from archspec_cli.console import fail_with, say


class Form(StrEnum):
    """How predictions are written."""

    table = "table"
    json = "json"
    csv = "csv"


def predict(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run's folder, one of its checkpoints, a folder that was built with weights, or a file of weights.",
            show_default=False,
        ),
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...", help="Image files, folders of them, or - for standard input.", show_default=False
        ),
    ],
    top: Annotated[
        int | None, typer.Option(min=1, help="How many classes of each image (default: 5).", show_default=False)
    ] = None,
    format: Annotated[
        Form | None,
        typer.Option("--format", help="Default: by the suffix of --out, or a table.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file to write, whole or not at all.", show_default=False)
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            "--spec",
            help="The net of a file of weights: a spec file, a zoo name, or NAME:PRESET.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    backend: Annotated[
        str | None, typer.Option("--backend", help="Which framework to use (default: the run's own).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file of --out.")] = False,
) -> None:
    """Name what is on images: the most probable classes, by a run's newest checkpoint.

    Images are turned upright, resized, cropped and normalized as in the run's evaluation. One that cannot be read is said on
    standard error, the others go on, and the exit code is 1.

    Examples: archspec predict runs/resnet50 photo.jpg · archspec predict runs/resnet50 photos/ --out found.csv ·
    curl -s https://example.org/cat.jpg | archspec predict runs/resnet50 - --format json
    """
    import archspec
    from archspec.emission.trained_net import trained_net
    from archspec_runtime.errors import RunError
    from archspec_runtime.measure.prediction_files import check_out, form_of, write
    from archspec_runtime.measure.predictions import Prediction

    errors: tuple[type[Exception], ...] = (archspec.WeightsError, RunError)
    try:
        check_out(out, force=force)
        with trained_net(source, spec, backend) as found:
            errors = (*errors, *found.backend.errors)
            for note in found.notes:
                say(f"{source}: {note}")
            classes, names, answers = found.backend.predict(found.source, images, device, top)
            code = write(cast("Iterator[Prediction]", answers), form_of(format, out), names, classes, out)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except errors as error:
        fail_with(error)
    raise typer.Exit(code)
