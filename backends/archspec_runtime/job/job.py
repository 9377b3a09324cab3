"""What is trained, and how this run of it was asked for."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from archspec_runtime.errors import RunError
from archspec_runtime.parts import part
from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import Recipe

Compile = Literal["auto", "on", "off", "graph"]
TIMEOUT = 600  # seconds that a process waits for the others of its run
EVALUATED_ROOM = 256 << 20
"""Bytes of images to evaluate on that stay on a device from one evaluation to the next."""


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
    averages: bool = False  # whether there are averages of the weights, where `train.py` states them in code
    slots: int = 1  # numbers that the optimizer keeps of each parameter, where `train.py` states it in code
    recipe: Recipe

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
            part("archspec_runtime.schedule.scaling", "--scale-schedule").scaled(recipe, options.steps, per_epoch)
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


def frozen_text(frozen: int, params: int) -> str:
    """How many parameters are not trained."""
    return f"{frozen:,} of {params:,} parameters are frozen"


FILE = "net.json"
NUMBERS = ("macs", "params", "kept", "slots", "frozen")


def with_net_facts(job: Job, text: str, where: object = FILE) -> Job:
    """A stated job with its facts. Raises RunError for a text that is no `net.json`."""
    try:
        found: Mapping[str, Any] = json.loads(text)
        numbers = {name: found[name] for name in NUMBERS if name != "frozen" or name in found}
        if not all(type(number) is int and number >= 0 for number in numbers.values()):
            raise TypeError
        outputs = tuple(map(str, found.get("outputs", ())))
        averages = found.get("averages", False) is True
        return replace(job, fingerprint=str(found["fingerprint"]), outputs=outputs, averages=averages, **numbers)
    except (ValueError, LookupError, TypeError):
        raise RunError(f"{where} does not say what archspec counted of the net", _anew(), 2) from None


def beside(make_model: Callable[..., Any], job: Job) -> Job:
    """The job of a `train.py` with the facts beside the model, unless it states them. Raises RunError."""
    if job.fingerprint:
        return job
    path = Path(inspect.getfile(make_model)).with_name(FILE)
    try:
        return with_net_facts(job, path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise RunError(f"{path} {why}: it says what archspec counted of the net", _anew(), 2) from None


def _anew() -> str:
    return "take it from the folder that model.py is of; `archspec build spec.yaml --backend torch|flax --out NEW` writes it anew"
