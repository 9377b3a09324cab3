"""The command line of an emitted `train.py`, with the options that a folder has by itself."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from archspec_runtime.console import printable
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options, parse_every
from archspec_runtime.parts import extra
from archspec_runtime.recipe.images import Epoch, Step

EVALUATE = "eval"  # the word after `train.py` that measures a run
PREDICT = "predict"  # that has a run name the classes of pictures
MORE = "archspec_runtime.job.installed_options"
ALONE = (
    "This folder trains, resumes, evaluates and predicts by itself. `archspec train --from FOLDER` adds what the installed"
    " archspec has: a dry run with estimates, curves, loggers, several processes, compiling, other kernels, scaled"
    " schedules, --override, and differences in words."
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are printable: they repeat what stands on the command line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        if "unrecognized arguments" in message and extra(MORE) is None:
            message += "\n  help: `archspec train --from FOLDER` has more options than this folder alone"
        super().error("\n".join(map(printable, message.split("\n"))))


def parser(job: Job, devices: str, own: Collection[str]) -> argparse.ArgumentParser:
    """The options; a framework names its `devices`, and options that others lack."""
    more = extra(MORE)
    made = Parser(
        description=f"Train {job.name} on {job.recipe.data.dataset}.",
        epilog="A run is measured by `python train.py eval`, and used by `python train.py predict IMAGE`; see --help of each."
        + ("" if more else f" {ALONE}"),
    )
    made.add_argument("--data", type=Path, help="the folder or archive of the images")
    made.add_argument(
        "--weights", type=Path, help="start from these weights, a safetensors file by the spec's names"
    )
    made.add_argument("--fresh", action="append", default=[], metavar="MODULE",
                      help="with --weights: reinitialize this module, such as fc; can be repeated")  # fmt: skip
    made.add_argument("--out", type=Path, default=Path("run"), help="the run's folder (default: %(default)s)")
    made.add_argument("--steps", type=positive, help="end after this many steps instead of the recipe's")
    made.add_argument("--seed", type=int, help="instead of the recipe's")
    made.add_argument("--device", default="auto", help=f"{devices} (default: the best there is)")
    if "compile" in own:
        made.add_argument("--compile", choices=("auto", "on", "off", "graph"), default="auto",
                          help="compile the model (default: where it pays); graph also records it as a CUDA graph")  # fmt: skip
    made.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    made.add_argument("--force", action="store_true", help="write into a folder that holds something else")
    made.add_argument(
        "--checkpoint-every", type=positive, help="steps between checkpoints (default: once a minute)"
    )
    made.add_argument(
        "--eval-every",
        type=every,
        metavar="EVERY",
        help="how often is evaluated: `500 steps`, `2 epochs`, or a number of epochs (default: the recipe's)",
    )
    made.add_argument("--threads", type=positive, help="CPU threads")
    made.add_argument(
        "--workers", type=natural, help="processes that read images, 0 for none (default: one a core, at most 8)"
    )
    if "devices" in own:
        made.add_argument(
            "--devices", type=positive, default=1, help="devices of each process (default: %(default)s)"
        )
    if more is not None:
        more.add_options(made, own)
    return made


def positive(text: str) -> int:
    """A number from 1 on."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count


def natural(text: str) -> int:
    """A number from 0 on."""
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return count


def every(text: str) -> Step | Epoch:
    """How often something is done."""
    try:
        return parse_every(text)
    except RunError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_options(job: Job, argv: Sequence[str] | None, devices: str, own: Collection[str]) -> Options:
    """Read a command line; exits with code 2 where it is wrong."""
    return Options(**vars(parser(job, devices, own).parse_args(argv)))
