"""`--dry-run`: what the run would refuse, or the resolved recipe, the schedule as a table and a plot, and estimates."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec_runtime.console import tell, warn
from archspec_runtime.job.curve import curve
from archspec_runtime.job.job import Job, Options, frozen_text
from archspec_runtime.job.memory import (
    CPU_RATE,
    Memory,
    areas,
    bytes_as_text,
    memory,
    multiply_adds,
    on_cpu,
    steps_per_epoch,
    total_steps,
)
from archspec_runtime.processes.world import World
from archspec_runtime.recipe.text import as_spec, inline
from archspec_runtime.record.folder import check_room
from archspec_runtime.record.identity import ModelSource, TrainerSource
from archspec_runtime.run.preflight import ready, warn_before
from archspec_runtime.schedule.timeline import timeline

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel

WIDTH, HEIGHT = 60, 8  # characters of the plot
LOGARITHMIC = 20.0  # ratio of rates from which the plot's axis is logarithmic


def dry_run(
    job: Job, options: Options, has: Collection[str], world: World, framework: str, *, spec_checked: bool = True,
    for_cpu: bool = True, stated: Sequence[str] = (),
) -> None:  # fmt: skip
    """Print how a job would run, with warnings. Raises RunError for what the run would refuse before it loads a framework.

    `stated` are the lines of a `train.py` that make its optimizer, where the recipe does not say it.
    With `for_cpu` also what it takes there, which says nothing to who asks about an accelerator.
    A folder that is taken is refused last, so that a run that is there can still be looked at.
    """
    runs, per_epoch = ready(job, options, has, world)
    if world.leads:
        devices = devices_of(options, world)
        needed = memory(runs, devices, framework, sharded=options.shard)
        tell(*describe(runs, needed, devices, framework, per_epoch, for_cpu=for_cpu, stated=stated))
        warn_before(job, runs, options, has, per_epoch, spec_checked=spec_checked)
    check_room(options.out or Path("run"), resume=options.resume, force=options.force)


def of_trainer(
    framework: Framework, make_model: MakeModel, job: Job, options: Options, world: World, *, emitted: bool
) -> None:
    """The same of what a `train.py` states: `emitted` just now, or one that somebody may have edited."""
    stated = optimizer_of(framework.training) if job.recipe.optimizer is None else []
    dry_run(job, options, framework.options, world, framework.name, spec_checked=emitted, stated=stated)
    if world.leads and (files := edited_files(framework.training, make_model, emitted=emitted)):
        warn(
            f"{' and '.join(files)} was edited: the estimates are of the net and the optimizer as archspec wrote them"
        )


def edited_files(training: Any, make_model: Callable[..., Any], *, emitted: bool) -> list[str]:
    """Which files of a folder, of the two that say what is trained, are not as archspec wrote them."""
    trainer = TrainerSource.of(training, emitted=emitted)
    edits = {
        "model.py": ModelSource.of(make_model, emitted=emitted).edited,
        "train.py": trainer is not None and trainer.edited,
    }
    return [name for name, edit in edits.items() if edit]


def optimizer_of(training: Any) -> list[str]:
    """The lines by which a `train.py` makes its optimizer, without its documentation; none where there is no source of them."""
    with suppress(OSError, TypeError, SyntaxError, AttributeError):
        text = textwrap.dedent(inspect.getsource(training.make_optimizer))
        function = ast.parse(text).body[0]
        assert isinstance(function, ast.FunctionDef)
        first = function.body[1:] if ast.get_docstring(function) is not None else function.body
        return textwrap.dedent("\n".join(text.splitlines()[first[0].lineno - 1 :])).splitlines()
    return []


def devices_of(options: Options, world: World) -> int:
    """How many devices share each batch of a run."""
    return (options.nproc or world.size) * options.devices


def describe(
    job: Job, needed: Memory, devices: int, framework: str, per_epoch: int | None = None, *, for_cpu: bool = True,
    stated: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """All of it, as lines; `per_epoch` are the steps of an epoch, where the images were looked at."""
    recipe = job.recipe
    length = _counted(recipe.steps, "step") if recipe.steps else _counted(recipe.epochs or 1, "epoch")
    end = f"step {recipe.steps:,}" if recipe.steps else f"epoch {recipe.epochs}"
    lines = [
        f"{job.name}: {length} {_batches(recipe.batch_size, of_epochs=not recipe.steps)}",
        *_recipe(job),
        *(["  optimizer, as train.py makes it:"] if stated else []),
        *(f"    {line}".rstrip() for line in stated),
        *([f"  # {frozen_text(job.frozen, job.params)}"] if recipe.freeze else []),
        *([f"  # {losses_text(job)}"] if len(job.outputs) > 1 else []),
        "learning rate",
    ]
    lines += [f"  {line}" for line in timeline(recipe.lr, end, None)]
    return [
        *lines,
        *(f"  {line}" for line in plot(job)),
        "estimates",
        *(f"  {e}" for e in _estimates(job, needed, devices, framework, per_epoch, for_cpu=for_cpu)),
    ]


def losses_text(job: Job) -> str:
    """Of which outputs the losses are summed."""
    if not job.loss_weights:
        return f"the losses of {', '.join(job.outputs)} are summed as train_step says"
    terms = (
        f"{weight:g} x {name}" if weight != 1 else name
        for name, weight in zip(job.outputs, job.loss_weights, strict=True)
    )
    return f"the loss is that of {' + '.join(terms)}"


def _batches(size: int, *, of_epochs: bool) -> str:
    images = _counted(size, "image")
    return f"in batches of {images}" if of_epochs else f"of {images}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# --- the recipe ----------------------------------------------------------------------------------------


def _recipe(job: Job) -> Iterator[str]:
    plain = as_spec(job.recipe)
    yield "  data:"
    for key, value in plain.pop("data").items():
        if key == "augment":
            yield "    augment:"
            yield from (f"      - {inline(step)}" for step in value)
        else:
            yield f"    {key}: {inline(value)}"
    yield from (f"  {key}: {inline(value)}" for key, value in plain.items())


# --- the schedule --------------------------------------------------------------------------------------


def plot(job: Job) -> list[str]:
    """The rate over the run, unless it is one; ends that are measured are drawn where nothing is known of them."""
    recipe = job.recipe
    found = curve(job, WIDTH)
    rates, total = found.rates, found.total
    top, low = max(rates), min((r for r in rates if r > 0), default=0.0)
    if top <= 0 or len(set(rates)) == 1:
        return []
    logarithmic = top / low > LOGARITHMIC

    def row(rate: float) -> int:
        if logarithmic:
            return 0 if rate <= 0 else round((HEIGHT - 1) * math.log(rate / low) / math.log(top / low))
        return round((HEIGHT - 1) * rate / top)

    bottom = low if logarithmic else 0.0
    labels = {HEIGHT - 1: f"{top:.3g}", 0: f"{bottom:.3g}"}
    lines = []
    for y in reversed(range(HEIGHT)):
        points = "".join("*" if row(rate) == y else " " for rate in rates)
        lines.append(f"{labels.get(y, ''):>8} |{points}".rstrip())
    unit, last = ("epoch", recipe.epochs) if recipe.epochs else ("step", total)
    lines += [f"{'':>8} +{'-' * WIDTH}", f"{'':>9}0{f'{unit} {last:,}':>{WIDTH}}"]
    notes = [
        *(["logarithmic"] if logarithmic else []),
        *(["ends that are measured are drawn evenly"] if found.guessed else []),
    ]
    return [*lines, *([f"{'':>10}({'; '.join(notes)})"] if notes else [])]


# --- estimates -----------------------------------------------------------------------------------------


def _estimates(
    job: Job, needed: Memory, devices: int, framework: str, per_epoch: int | None, *, for_cpu: bool
) -> Iterator[str]:
    each_device = f" on each of {devices} devices" if devices > 1 else ""
    yield f"memory{each_device}: about {needed.as_text()}"
    if for_cpu:
        yield f"  where it trains on a CPU, the whole process takes about {bytes_as_text(on_cpu(needed, framework))}"
    recipe = job.recipe
    split = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    each = job.kept * max(areas(job))
    yield f"  activations are {each:,.0f} numbers kept for each image of {recipe.batch_size}{split} until its gradient is taken"
    if not for_cpu:
        return
    steps = total_steps(recipe, per_epoch or steps_per_epoch(job))
    if steps is None:
        work, what = multiply_adds(job, 1_000), "1,000 steps (the number of images is not known without --data)"
    else:
        work, what = multiply_adds(job, steps), _counted(steps, "step")
    yield f"time: about {_time(work / CPU_RATE)} for {what} at {CPU_RATE:.2g} multiply-adds a second, as two CPU cores do"
    yield f"  {work:.3g} multiply-adds in all, backward passes counted as two forward ones; reading images is not counted"
    if (
        job.recipe.data.dataset not in ("digits", "cifar10", "cifar100")
        and recipe.steps is None
        and steps is not None
        and per_epoch is None
    ):
        yield "  for ImageNet's 1,281,167 training images"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return "a second" if round(seconds) <= 1 else f"{seconds:.0f} seconds"
