"""`archspec responses`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.commands.evaluate import Split
from archspec_cli.common import Format, report
from archspec_cli.console import fail, fail_with, say, tell, tell_json


def responses(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or of several, or checkpoints.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A picture of all of them; .png or .svg.")] = None,
    split: Annotated[Split, typer.Option(help="Which images.")] = Split.test,
    images: Annotated[
        int | None, typer.Option(min=1, help="Take so many images, evenly spaced, instead of all.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The images, where they are no longer where the runs had them.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    backend: Annotated[
        str | None, typer.Option("--backend", help="Which framework to use (default: each run's own).")
    ] = None,
    format: Annotated[Format, typer.Option(help="A table, or JSON.")] = Format.text,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that archspec did not draw.")] = False,
) -> None:
    """Measure how strongly the layers of trained nets respond, as in Figure 7 of He et al. (2015).

    That is the standard deviation of each 3x3 convolution's output after batch normalization, before the activation and
    the addition. It is kept in each run's folder, where `archspec report` finds it.

    Example: archspec responses runs/plain-20 runs/resnet-20 runs/resnet-56 --out figure7.png
    """
    from dataclasses import asdict

    import archspec
    from archspec.backends import find_trainer
    from archspec_experiments.layer_responses import draw, measure, table
    from archspec_experiments.runs import backend_of, runs_in
    from archspec_runtime.errors import RunError
    from archspec_runtime.files.pictures import check_picture

    if force and out is None:
        fail("--force overwrites a picture, and none is drawn", "give --out, or leave --force out")
    measured = []
    errors: tuple[type[Exception], ...] = (RunError,)
    try:
        if out is not None:
            check_picture(out, force=force)
        for run in runs_in(runs):
            chosen = find_trainer(backend or backend_of(run))
            errors = (*errors, *chosen.errors)
            measured.append(measure(chosen, run, str(split), data, device, images))
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except errors as error:
        fail_with(error)
    if out is not None:
        try:
            draw(measured, out)
        except OSError as error:
            fail(f"cannot write {out}: {error.strerror}", "give another --out", 1)
        say(f"the picture is {out}")
    if format is Format.json:
        tell_json([asdict(one) for one in measured])
    else:
        tell(*table(measured))
