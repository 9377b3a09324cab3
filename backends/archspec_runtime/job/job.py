"""What is trained, and how this run of it was asked for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from archspec_runtime.errors import RunError
from archspec_runtime.printable import printable
from archspec_runtime.recipe.data_sets import Imported
from archspec_runtime.recipe.recipe import SGD, Epoch, Recipe, Step
from archspec_runtime.schedule.scaling import scaled

Compile = Literal["auto", "on", "off", "graph"]
DETERMINISTIC = "compute the same bits each time on a GPU as well, which takes longer"
TIMEOUT = 600  # seconds that a process waits for the others of its run


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A net and its recipe, as the emitted `train.py` states them, and the facts of the net that lie beside it."""

    name: str
    input_shape: tuple[int, int, int]  # (C, H, W)
    classes: int
    macs: int = 0  # multiply-adds for one image
    params: int = 0  # learned numbers
    kept: int = 0  # numbers for one image that are kept from the forward pass for the gradient
    fingerprint: str = ""  # of the net's structure: what a checkpoint must fit
    frozen: int = 0  # of the learned numbers those that are not trained
    outputs: tuple[
        str, ...
    ] = ()  # the names of what the net gives, that which is measured first; none of a net without names
    loss_weights: tuple[float, ...] = ()  # of their losses, where `train.py` does not state them in code
    slots: int = 1  # numbers that the optimizer keeps of each parameter, where `train.py` states it in code
    recipe: Recipe

    @property
    def optimizer_slots(self) -> int:
        """How many numbers the optimizer keeps of each parameter: the momentum of SGD, two moments of the others."""
        optimizer = self.recipe.optimizer
        if optimizer is None:
            return self.slots
        return int(optimizer.momentum > 0) if isinstance(optimizer, SGD) else 2

    def without_arithmetic(self) -> Job:
        """The job as the literal of a `train.py`, which states optimizer and loss in code."""
        recipe = self.recipe.without_arithmetic()
        data = replace(recipe.data, dataset=Imported.of(recipe.data.dataset))
        return replace(self, recipe=replace(recipe, data=data))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(replace(self, recipe=Recipe())), "recipe": self.recipe.to_dict()}

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Job:
        """The inverse of `to_dict`. Raises KeyError, TypeError, ValueError or AttributeError where it is not a job's."""
        several = {key: tuple(raw.get(key, ())) for key in ("input_shape", "outputs", "loss_weights")}
        return Job(**{**raw, **several, "recipe": Recipe.from_dict(raw["recipe"])})

    def scores(self, given: Any) -> Any:
        """The scores of the classes that are measured, of what the net gives."""
        return given[self.outputs[0]] if self.outputs else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line adds to a job."""

    data: Path | None = None
    weights: Path | None = None  # safetensors by the spec's names, to start from
    fresh: Sequence[str] = ()  # modules that start from what is drawn all the same
    out: Path | None = None
    steps: int | None = None
    seed: int | None = None
    device: str = "auto"
    compile: Compile = "auto"
    resume: bool = False
    override: bool = False
    force: bool = False
    dry_run: bool = False
    checkpoint_every: int | None = None
    eval_every: Step | Epoch | None = None  # instead of the recipe's
    log: Sequence[str] = ()  # loggers beside metrics.jsonl
    threads: int | None = None
    workers: int | None = None
    nproc: int | None = None  # processes to start; what follows is of those that share a run
    max_restarts: int = 0
    timeout: int | None = None  # seconds; `patience` where it is not given
    shard: bool = False
    devices: int = 1  # of each process, where the framework drives several from one
    deterministic: bool = False  # on GPUs, where it costs time
    scale_schedule: bool = False  # to the length that `steps` gives

    @property
    def patience(self) -> int:
        """Seconds that a process waits for the others of its run."""
        return TIMEOUT if self.timeout is None else self.timeout


def parse_every(text: str) -> Step | Epoch:
    """`500 steps` or `2 epochs`, as `--eval-every` takes them; a number alone is of epochs. Raises RunError."""
    match = re.fullmatch(r"\s*(\d{1,12})\s*(?:(step)s?|epochs?)?\s*", text, re.ASCII)
    if match is None or int(match[1]) == 0:
        raise RunError(
            f"--eval-every takes `500 steps` or `2 epochs`, not {text!r}", "a number alone is of epochs", 2
        )
    return Step(int(match[1])) if match[2] else Epoch(int(match[1]))


def effective(job: Job, options: Options, per_epoch: int | None = None, *, scale: bool = True) -> Job:
    """The job with what the options change in its recipe; scaling its schedule may take the steps of an epoch.

    With `scale` off the schedule is left as it is. Raises RunError.
    """
    recipe = job.recipe
    if options.steps is not None:
        if options.steps < 1:
            raise RunError(f"a run has at least one step, not {options.steps}", exit_code=2)
        scaling = options.scale_schedule and scale
        recipe = (
            scaled(recipe, options.steps, per_epoch)
            if scaling
            else replace(recipe, steps=options.steps, epochs=None)
        )
    if options.seed is not None:
        recipe = replace(recipe, seed=options.seed)
    if options.eval_every is not None:
        recipe = replace(recipe, eval_every=options.eval_every)
    if not 0 <= recipe.seed < 2**63:
        raise RunError(f"{recipe.seed} cannot be a seed", "give one from 0 to 2**63 - 1", exit_code=2)
    return replace(job, recipe=recipe)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are printable: they repeat what stands on the command line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        super().error(printable(message))


def parser(job: Job, devices: str, own: Collection[str]) -> argparse.ArgumentParser:
    """The command line of an emitted `train.py`; a framework names its `devices`, and options that others lack."""
    made = _Parser(
        description=f"Train {job.name} on {job.recipe.data.dataset}.",
        epilog="A run is measured by `python train.py eval`, and used by `python train.py predict IMAGE`; see --help of each.",
    )
    made.add_argument("--data", type=Path, help="the folder or archive of the images")
    made.add_argument(
        "--weights", type=Path, help="start from these weights, a safetensors file by the spec's names"
    )
    made.add_argument("--fresh", action="append", default=[], metavar="MODULE",
                      help="with --weights: reinitialize this module, such as fc; can be repeated")  # fmt: skip
    made.add_argument("--out", type=Path, default=Path("run"), help="the run's folder (default: %(default)s)")
    made.add_argument("--steps", type=_positive, help="end after this many steps instead of the recipe's")
    made.add_argument("--scale-schedule", action="store_true",
                      help="with --steps: scale phases, warm-up and whatever happens at a step to that length")  # fmt: skip
    made.add_argument("--seed", type=int, help="instead of the recipe's")
    made.add_argument("--device", default="auto", help=f"{devices} (default: the best there is)")
    if "compile" in own:
        made.add_argument("--compile", choices=("auto", "on", "off", "graph"), default="auto",
                          help="compile the model (default: where it pays); graph also records it as a CUDA graph")  # fmt: skip
    made.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    made.add_argument("--override", action="store_true",
                      help="resume although recipe, images, class names or model.py have changed; the run's model.py, where "
                           "it is another than the one beside train.py, is kept as model.before.py")  # fmt: skip
    made.add_argument("--force", action="store_true", help="write into a folder that holds something else")
    made.add_argument(
        "--dry-run", action="store_true", help="print the recipe, the schedule and what it needs, and end"
    )
    made.add_argument(
        "--checkpoint-every", type=_positive, help="steps between checkpoints (default: once a minute)"
    )
    made.add_argument(
        "--eval-every",
        type=_every,
        metavar="EVERY",
        help="how often is evaluated: `500 steps`, `2 epochs`, or a number of epochs (default: the recipe's)",
    )
    made.add_argument("--log", action="append", default=[], metavar="LOGGER",
                      help="log metrics to tensorboard, wandb or mlflow as well, offline; can be repeated")  # fmt: skip
    made.add_argument("--threads", type=_positive, help="CPU threads")
    made.add_argument(
        "--workers", type=_natural, help="processes that read images, 0 for none (default: one a core, at most 8)"
    )
    made.add_argument(
        "--nproc", type=_positive, help="processes on this machine that share the run (or use torchrun)"
    )
    made.add_argument(
        "--max-restarts", type=int, default=0, help="how often --nproc restarts all processes if one dies"
    )
    made.add_argument("--timeout", type=_positive,
                      help=f"seconds that a process waits for the others (default: {TIMEOUT})")  # fmt: skip
    if "devices" in own:
        made.add_argument(
            "--devices", type=_positive, default=1, help="devices of each process (default: %(default)s)"
        )
    if "deterministic" in own:
        made.add_argument("--deterministic", action="store_true", help=DETERMINISTIC)
    if "shard" in own:
        made.add_argument("--shard", action="store_true", help="split parameters and optimizer over the processes")
    return made


def _positive(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count


def _natural(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return count


def _every(text: str) -> Step | Epoch:
    try:
        return parse_every(text)
    except RunError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_options(job: Job, argv: Sequence[str] | None, devices: str, own: Collection[str]) -> Options:
    """Read a command line; exits with code 2 where it is wrong."""
    return Options(**vars(parser(job, devices, own).parse_args(argv)))
