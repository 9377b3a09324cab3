"""`archspec eval`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archspec_cli.common import fail, report


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
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")] = "auto",
    backend: Annotated[
        str | None, typer.Option("--backend", help="Which framework to use (default: the run's own).")
    ] = None,
) -> None:
    """Measure a run's newest checkpoint: loss, top-1 and top-5 error, every image once.

    Examples: archspec eval runs/cifar-resnet-20 · archspec eval RUN/checkpoints/step-00064000 --split val
    """
    import archspec
    from archspec.backends import find_backend

    try:
        chosen = find_backend(backend or _backend(run))
        result = chosen.evaluate(run, str(split), data, device)
    except archspec.SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(1) from None
    except chosen.errors as error:
        fail(str(error), getattr(error, "help", None), getattr(error, "exit_code", 1))
    print("  ".join(f"{name} {value}" for name, value in result.items()))


def _backend(run: Path) -> str:
    """The backend that a run, or the run of a checkpoint, was trained with."""
    import json

    for folder in (run, run.parent.parent):
        try:
            return str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["backend"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return "torch"  # which will say what is wrong with the folder
