"""`python train.py eval` and `predict`: the newest checkpoint of a run of a built folder, measured and used without archspec."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from archspec_runtime.console import complain, tell
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import measured
from archspec_runtime.job.job import Job
from archspec_runtime.job.options import EVALUATE, PREDICT
from archspec_runtime.measure.evaluation import evaluate_run, open_run
from archspec_runtime.measure.predictions import FORMS, TOP, pictures, predictions, print_all

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework

Split = Literal["train", "val", "test"]


def evaluate(framework: Framework, job: Job, argv: Sequence[str]) -> int:
    """Measure a run as its arguments say; returns the exit code."""
    given = evaluate_parser(job, framework.devices).parse_args(argv)
    try:
        if given.threads is not None:
            framework.use_threads(given.threads)
        found = evaluate_run(framework, given.out, given.split, given.data, given.device)
    except RunError as error:
        complain(error)
        return error.exit_code
    tell(measured(given.split, found.numbers()))
    return 0


def evaluate_parser(job: Job, devices: str) -> argparse.ArgumentParser:
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


def predict(framework: Framework, job: Job, argv: Sequence[str]) -> int:
    """Predict as the arguments say; returns the exit code."""
    given = predict_parser(job, framework.devices).parse_args(argv)
    try:
        found = pictures(given.images)
        if given.threads is not None:
            framework.use_threads(given.threads)
        run = open_run(framework, given.out)
        answers = predictions(run, found, given.device, given.top)
        return print_all(answers, given.format, [picture.name for picture in found], run.class_names)
    except RunError as error:
        complain(error)
        return error.exit_code


def predict_parser(job: Job, devices: str) -> argparse.ArgumentParser:
    """The command line after `python train.py predict`."""
    made = argparse.ArgumentParser(
        prog=f"train.py {PREDICT}",
        description=f"The most probable classes of pictures, by the newest checkpoint of a run of {job.name}. "
        "Exit code 1 where a picture cannot be read; the others go on. `archspec predict RUN` also takes folders.",
    )
    made.add_argument("images", nargs="+", metavar="IMAGE", help="an image file, or - for standard input")
    made.add_argument("--out", type=Path, default=Path("run"), help="the run's folder (default: %(default)s)")
    made.add_argument("--top", type=_count, help=f"how many classes of each (default: {TOP})")
    made.add_argument("--format", choices=FORMS, default="table", help="(default: %(default)s)")
    made.add_argument("--device", default="auto", help=f"{devices} (default: the best there is)")
    made.add_argument("--threads", type=int, help="CPU threads")
    return made


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it takes a number from 1 on, not {text!r}")
    return int(text)
