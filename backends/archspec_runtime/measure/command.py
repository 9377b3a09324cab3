"""`python train.py eval`: the newest checkpoint of a run of a built folder, measured without archspec."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from archspec_runtime.console import complain, tell
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.protocol import EVALUATE, Framework
from archspec_runtime.frameworks.stepper import measured
from archspec_runtime.job.job import Job
from archspec_runtime.measure.evaluation import evaluate_run

Split = Literal["train", "val", "test"]


def main(framework: Framework, job: Job, argv: Sequence[str]) -> int:
    """Measure a run as its arguments say; returns the exit code."""
    given = parser(job, framework.devices).parse_args(argv)
    try:
        if given.threads is not None:
            framework.use_threads(given.threads)
        found = evaluate_run(framework, given.out, given.split, given.data, given.device)
    except RunError as error:
        complain(error)
        return error.exit_code
    tell(measured(given.split, found.numbers()))
    return 0


def parser(job: Job, devices: str) -> argparse.ArgumentParser:
    """The command line after `python train.py eval`."""
    made = argparse.ArgumentParser(
        prog=f"train.py {EVALUATE}",
        description=f"Measure the newest checkpoint of a run of {job.name}, every image once.",
    )
    made.add_argument("--out", type=Path, default=Path("run"), help="the run's folder (default: %(default)s)")
    made.add_argument(
        "--split", choices=get_args(Split), default="test", help="which images (default: %(default)s)"
    )
    made.add_argument("--data", type=Path, help="the images, where they are no longer where the run had them")
    made.add_argument("--device", default="auto", help=f"{devices} (default: the best there is)")
    made.add_argument("--threads", type=int, help="CPU threads")
    return made
