"""Options of a run, which `train` takes for one and `sweep` for each of many."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Compile(StrEnum):
    """Whether to compile the model."""

    auto = "auto"
    on = "on"
    off = "off"
    graph = "graph"


Compiled = Annotated[
    Compile,
    typer.Option(
        help="Compile the model; auto does where the run is long enough, Flax always; "
        "graph launches it as a CUDA graph besides, which no GPU has run yet."
    ),
]
CheckpointEvery = Annotated[int | None, typer.Option(min=1, help="Steps between checkpoints (default: a minute).")]
EvalEvery = Annotated[
    str | None,
    typer.Option(
        metavar="EVERY",
        help="How often to evaluate: '500 steps', '2 epochs', or a number of epochs (default: the recipe's, 1 epoch).",
        show_default=False,
    ),
]
Log = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LOGGER", help="Log metrics to tensorboard, wandb or mlflow as well, offline; can be repeated."
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of a run.")]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes that read images, 0 for none (default: one a core, at most 8)."),
]
