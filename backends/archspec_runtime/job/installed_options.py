"""Options of a `train.py` that the installed archspec adds: what they ask for, a folder does not carry along."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from archspec_runtime.job.job import TIMEOUT
from archspec_runtime.job.options import positive

DETERMINISTIC = "compute the same bits each time on a GPU as well, which takes longer"


def add_options(made: argparse.ArgumentParser, own: Collection[str]) -> None:
    """Add them to a parser; `own` are those that a framework has and others may lack."""
    made.add_argument("--scale-schedule", action="store_true",
                      help="with --steps: scale phases, warm-up and whatever happens at a step to that length")  # fmt: skip
    made.add_argument("--override", action="store_true",
                      help="resume although recipe, images, class names or model.py have changed; the run's model.py, where "
                           "it is another than the one beside train.py, is kept as model.before.py")  # fmt: skip
    made.add_argument(
        "--dry-run", action="store_true", help="print the recipe, the schedule and what it needs, and end"
    )
    made.add_argument("--log", action="append", default=[], metavar="LOGGER",
                      help="log metrics to tensorboard, wandb or mlflow as well, offline; can be repeated")  # fmt: skip
    made.add_argument(
        "--nproc", type=positive, help="processes on this machine that share the run (or use torchrun)"
    )
    made.add_argument(
        "--max-restarts", type=int, default=0, help="how often --nproc restarts all processes if one dies"
    )
    made.add_argument("--timeout", type=positive,
                      help=f"seconds that a process waits for the others (default: {TIMEOUT})")  # fmt: skip
    if "deterministic" in own:
        made.add_argument("--deterministic", action="store_true", help=DETERMINISTIC)
    if "shard" in own:
        made.add_argument("--shard", action="store_true", help="split parameters and optimizer over the processes")
