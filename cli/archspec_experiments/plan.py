"""A sweep as it will be run: every point compiled and checked before anything trains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import archspec
from archspec import Diagnostic, Program, SpecError
from archspec.analysis.untrained import why_untrained
from archspec.backends import check_supported, find_trainer
from archspec.diagnostics import Diagnostics
from archspec.emission.folder import job_fields
from archspec.syntax.reader import read_value
from archspec.version import __version__
from archspec_experiments.grid import GridError, Point, named, overridden
from archspec_experiments.overrides import check_given_once
from archspec_experiments.trial import check_before
from archspec_runtime.batches.order import check_filled
from archspec_runtime.data.splits import check_folder
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job, Options, effective
from archspec_runtime.record.folder import write_json
from archspec_runtime.run.preflight import known_images
from archspec_runtime.run.session import check_split, open_for

SWEEP = "sweep.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """A point with the job that it is, once its spec was compiled."""

    point: Point
    net: Program
    job: Job
    weights: str | None = None  # the digest of those that it begins with


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for besides the grid: what every run is told."""

    backend: str = "torch"
    sets: Mapping[str, str] = field(default_factory=dict)
    preset: str | None = None
    include: tuple[Path, ...] = ()
    steps: int | None = None
    scale_schedule: bool = False
    data: Path | None = None
    weights: Path | None = None
    fresh: tuple[str, ...] = ()
    loggers: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)  # of `archspec train`, by name

    def arguments(self) -> list[str]:
        """What `archspec train` is told for every point."""
        words = ["--backend", self.backend]
        for key, text in self.sets.items():
            words += ["--set", f"{key}={text}"]
        if self.preset is not None:
            words += ["--preset", self.preset]
        for folder in self.include:
            words += ["--include", str(folder)]
        if self.steps is not None:
            words += ["--steps", str(self.steps)]
        if self.scale_schedule:
            words += ["--scale-schedule"]
        if self.data is not None:
            words += ["--data", str(self.data)]
        if self.weights is not None:
            words += ["--weights", str(self.weights)]
        for module in self.fresh:
            words += ["--fresh", module]
        for logger in self.loggers:
            words += ["--log", logger]
        for name, value in self.options.items():
            words += [f"--{name}", value]
        return words

    def asked(self, point: Point) -> Options:
        """What of this changes a point's recipe."""
        seed = point.seed if point.counted else None
        return Options(steps=self.steps, seed=seed, scale_schedule=self.scale_schedule, data=self.data)


def make_plan(points: Sequence[Point], request: Request) -> list[Planned]:
    """Compile every point.

    Raises SpecError with the mistakes of all of them, those of one place said once, RunError, GridError for what is
    given twice, and WeightsError where the weights do not fit a net.
    """
    twice = overridden([*request.sets, *(points[0].sets if points else ())])
    if twice is not None:
        raise GridError(f"--set {twice[0]} would be replaced by --over {twice[1]}", "give one of them")
    backend = find_trainer(request.backend)
    compile_: Any = request.options.get("compile", "auto")
    about = Options(
        steps=request.steps, scale_schedule=request.scale_schedule, compile=compile_,
        weights=request.weights, fresh=request.fresh,
    )  # fmt: skip
    mistakes: dict[tuple[str, str], tuple[Diagnostic, list[str]]] = {}
    found: list[tuple[Point, Program]] = []
    for point in points:
        try:
            net = _load(point, request)
            check_supported(net, backend)
        except SpecError as error:
            for d in error.diagnostics:
                mistakes.setdefault((d.code, str(d.span)), (d, []))[1].append(point.name)
            continue
        if (why := why_untrained(net)) is not None:
            raise RunError(*why)
        if net.recipe is None:
            raise RunError(f"{net.name} has no `train`, so it does not say how it is trained",
                           "add `train: {recipe: cifar_resnet}`")  # fmt: skip
        if not found:
            check_before(net, backend, about)
        check_given_once(net, [*(["--seeds"] if point.counted else []), *(["--steps"] if request.steps else [])])
        found.append((point if point.counted else replace(point, seed=net.recipe["seed"]), net))
    if mistakes:
        raise SpecError([_told(mistake, where) for mistake, where in mistakes.values()])
    counts: dict[str, int] = {}
    digests: dict[str, str] = {}
    return [
        Planned(
            point,
            net,
            _as_it_runs(Job.from_dict(job_fields(net)), request.asked(point), counts),
            _begun_with(net, request, digests),
        )
        for point, (_, net) in zip(named([point for point, _ in found]), found, strict=True)
    ]


def _as_it_runs(job: Job, options: Options, counts: dict[str, int]) -> Job:
    """The job of a run, which is refused as the run would; `counts` are the images of data sets that were looked at."""
    plain = effective(job, options, scale=False)
    data = plain.recipe.data
    check_folder(data, options.data)
    count = known_images(plain)
    if count is None and options.data is not None:
        key = repr((data, job.input_shape, job.classes, plain.recipe.asks_for_validation))
        if key not in counts:
            dataset = open_for(plain, options.data)
            check_split(plain, dataset)
            counts[key] = len(dataset.train)
        count = counts[key]
    if count is not None:
        check_filled(count, plain.recipe.batch_size)
    return effective(job, options, None if count is None else count // plain.recipe.batch_size)


def _begun_with(net: Program, request: Request, digests: dict[str, str]) -> str | None:
    """What tells the weights apart that a net begins with; `digests` are those of nets that were looked at."""
    if request.weights is None:
        return None
    if net.fingerprint not in digests:
        from archspec.api import read_weights
        from archspec.weights.for_training import as_safetensors
        from archspec_runtime.checkpoints.initial_weights import digest

        with as_safetensors(read_weights(net, request.weights, request.fresh), request.weights) as file:
            digests[net.fingerprint] = digest(file)
    return digests[net.fingerprint]


def warnings(planned: Sequence[Planned]) -> list[Diagnostic]:
    """What is to be warned of in the nets of a sweep, that of one place once."""
    found: dict[tuple[str, str], tuple[Diagnostic, list[str]]] = {}
    for one in planned:
        for d in one.net.warnings:
            found.setdefault((d.code, str(d.span)), (d, []))[1].append(one.point.name)
    return [_told(warning, where) for warning, where in found.values()]


def _told(mistake: Diagnostic, where: Sequence[str]) -> Diagnostic:
    """A mistake with the runs that have it."""
    more = f" and {len(where) - 1:,} more" if len(where) > 1 else ""
    return replace(mistake, message=f"{mistake.message} (in {where[0]}{more})")


def _load(point: Point, request: Request) -> Program:
    problems = Diagnostics()
    sets: dict[str, object] = {}
    for option, given in (("--set", request.sets), ("--over", point.sets)):
        for key, text in given.items():
            node = read_value(text, f"{option} {key}", problems)
            if node is not None:
                node.origin = option
                sets[key] = node
    problems.raise_if_any()
    return archspec.load(point.spec, set=sets, preset=request.preset, include=request.include)


def record(out: Path, planned: Sequence[Planned], request: Request) -> None:
    """Write the grid to `sweep.json`, beside the points of earlier calls: a sweep can be widened. Raises RunError."""
    before = {point["name"]: point for point in read_sweep(out)["points"]} if (out / SWEEP).is_file() else {}
    now = {p.point.name: _entry(p) for p in planned}
    write_json(out / SWEEP, {
        "format": FORMAT,
        "archspec": __version__,
        "arguments": request.arguments(),
        "points": list({**before, **now}.values()),
    })  # fmt: skip


def _entry(planned: Planned) -> dict[str, Any]:
    point, job = planned.point, planned.job
    return {
        "name": point.name, "spec": point.spec, "set": dict(point.sets), "seed": point.seed, "net": job.name,
        "params": planned.net.cost.params, "macs": job.macs, "fingerprint": job.fingerprint,
    }  # fmt: skip


def read_sweep(out: Path) -> dict[str, Any]:
    """What `sweep.json` says. Raises RunError where it is not the record of a sweep."""
    path = out / SWEEP
    try:
        sweep: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = [point["name"] for point in sweep["points"]]
        sound = sweep["format"] == FORMAT and all(isinstance(name, str) for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise RunError(f"{path} is not the record of a sweep", "give another --out")
    return sweep


def grid_lines(planned: Sequence[Planned]) -> Iterator[str]:
    """The grid as a table."""
    width = max(len("run"), *(len(p.point.name) for p in planned))
    name = max(len("net"), *(len(p.job.name) for p in planned))
    yield f"{'run':<{width}}  {'net':<{name}}  {'parameters':>13}  {'multiply-adds':>17}  {'length':>14}"
    for p in planned:
        recipe = p.job.recipe
        length = f"{recipe.steps:,} steps" if recipe.steps else f"{recipe.epochs:,} epochs"
        yield f"{p.point.name:<{width}}  {p.job.name:<{name}}  {p.net.cost.params:>13,}  {p.job.macs:>17,}  {length:>14}"
