"""What a page shows of some runs: read from their folders, and gathered by net over the seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import archspec
from archspec import Program, SpecError
from archspec.analysis.summary import TableRow, table_rows
from archspec.ir import Block, Chain
from archspec_experiments.layer_responses import Responses, kept
from archspec_experiments.mistakes import Shown, kept_mistakes
from archspec_experiments.plan import SWEEP, read_sweep
from archspec_experiments.runs import LOGS, runs_below, runs_in
from archspec_experiments.state import State, progress_of
from archspec_experiments.sweep import failure
from archspec_runtime.errors import RunError
from archspec_runtime.record.folder import Row
from archspec_runtime.record.identity import read_identity
from archspec_runtime.record.source_notes import shown_name
from archspec_runtime.run.curves import Summary


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what it measured, and where it stands."""

    name: str
    net: str
    state: State
    failure: str | None
    seed: int | None
    length: str
    rows: Sequence[Row]
    summary: Summary
    responses: Responses | None
    mistakes: Shown | None = None
    memory: int | None = None  # the most bytes that it took at once, where its record says it


@dataclass(frozen=True, slots=True)
class Net:
    """A net with a recipe, and the runs of it that differ in the seed alone."""

    label: str
    kind: str  # "plain", or the shortcut of a residual net
    images: str  # what it is trained on
    backend: str
    compiled: Program | None  # None where the run keeps no spec
    spec: str
    model: str
    runs: tuple[Run, ...]
    test: str = ""  # which test images, where the run says it

    @property
    def depth(self) -> int | None:
        """Convolutions and linear layers on the longest path."""
        return self.compiled.cost.depth if self.compiled else None

    @property
    def stages(self) -> list[TableRow]:
        """The modules of the net, stages opened into their blocks."""
        return list(table_rows(self.compiled, 2)) if self.compiled else []

    @property
    def finished(self) -> list[Run]:
        """The runs that came to their end, whose numbers the table is of."""
        return [run for run in self.runs if run.state is State.finished]

    def spread(self, what: str) -> str:
        """Mean and sample standard deviation of a number of the summaries, over the finished runs."""
        values = [v for run in self.finished if (v := getattr(run.summary, what)) is not None]
        if not values:
            return "–"
        mean = f"{statistics.fmean(values):.2f}"
        return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


@dataclass(frozen=True, slots=True)
class Collection:
    """All that a page is made of."""

    nets: tuple[Net, ...]
    missing: tuple[Run, ...]  # of a sweep, not started


def collect(folders: Sequence[Path]) -> Collection:
    """Read the runs in these folders, and the grids of sweeps. Raises RunError where there is none."""
    found = runs_in([folder for folder in folders if any(runs_below(folder))])
    missing: list[Run] = []
    for folder in folders:
        if (folder / SWEEP).is_file():
            missing += _missing(folder)
    if not found and not missing:
        raise RunError(
            f"there are no runs in {', '.join(map(str, folders))}", "give the folder of a run or of a sweep"
        )
    root = folders[0] if len(folders) == 1 else None
    gathered: dict[str, Net] = {}
    for folder in found:
        key, net = _read(folder, root)
        before = gathered.get(key)
        gathered[key] = replace(before, runs=(*before.runs, *net.runs)) if before else net
    nets = sorted(
        _by_images(list(gathered.values())),
        key=lambda n: (n.images, n.kind != "plain", n.kind, n.depth or 0, n.label),
    )
    return Collection(tuple(_told_apart(nets)), tuple(missing))


def _missing(folder: Path) -> Iterator[Run]:
    for point in read_sweep(folder)["points"]:
        name = point["name"]
        if not (folder / name / "run.json").is_file():
            why = failure(folder / LOGS / f"{name}.log")
            empty = Summary(name, 0, None, None, None)
            yield Run(name, str(point.get("net", "")), State.absent, why, point.get("seed"), "", [], empty, None)


def _read(folder: Path, root: Path | None) -> tuple[str, Net]:
    """A run as the only one of its net, and what runs of the same net and recipe have in common."""
    progress = progress_of(folder)
    assert progress.run is not None, "it was found by its run.json"
    job = progress.run["job"]
    shown, known = shown_name(folder, progress.run), read_identity(progress.run, folder / "run.json") or {}
    recipe = dict(job["recipe"])
    name = str(folder.relative_to(root)) if root and root != folder else folder.name
    log = folder.parent / LOGS / f"{folder.name}.log"
    run = Run(
        name, shown, progress.state, None if progress.state is State.finished else failure(log),
        recipe.pop("seed", None), f"{recipe['steps']:,} steps" if recipe.get("steps") else f"{recipe.get('epochs') or 1} epochs",
        progress.rows, progress.summary(name), kept(folder), kept_mistakes(folder, name), _memory(progress.run),
    )  # fmt: skip
    compiled = _compiled(folder / "code" / "spec.yaml")
    backend = progress.run["backend"]
    identity = [
        shown,
        job.get("fingerprint"),
        recipe,
        backend,
        known.get("classes"),
        known.get("data"),
        known.get("source"),
    ]
    net = Net(
        shown, kind_of(compiled) if compiled else "unknown", _images(job), backend, compiled,
        _text(folder / "code" / "spec.yaml"), _text(folder / "code" / "model.py"), (run,),
        _tested(known),
    )  # fmt: skip
    return json.dumps(identity, sort_keys=True), net


def _memory(record: Mapping[str, Any]) -> int | None:
    peak = (record.get("memory") or {}).get("peak")
    return peak if isinstance(peak, int) else None


def kind_of(net: Program) -> str:
    """`plain` for a net without shortcuts, else what they are, as the spec says it."""
    if not any(block.branch is not None for block in _blocks(net.root)):
        return "plain"
    shortcut: Any = net.spec.shortcut
    if shortcut == "none":
        return "residual"
    return shortcut if isinstance(shortcut, str) else ", ".join(map(str, shortcut)) or "residual"


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for call in block.calls:
        if isinstance(call.target, Block):
            yield from _blocks(call.target)
        elif isinstance(call.target, Chain):
            for run in call.target.runs:
                yield from _blocks(run.block)


def _told_apart(nets: Sequence[Net]) -> Iterator[Net]:
    """Nets of one name, which differ in structure or recipe, are called after their runs as well."""
    labels = [net.label for net in nets]
    shared = [_shared([run.name for run in net.runs]) for net in nets]
    for net, words in zip(nets, shared, strict=True):
        called = words if words and shared.count(words) == 1 else net.runs[0].name
        yield net if labels.count(net.label) == 1 else replace(net, label=f"{net.label} ({called})")


def _shared(names: Sequence[str]) -> str:
    """What the names of runs have in common, such as `n=3` of `n=3,seed=0` and `n=3,seed=1`."""
    first, *others = [name.split(",") for name in names]
    return ",".join(part for part in first if all(part in other for other in others))


def _tested(identity: Mapping[str, Any]) -> str:
    """A few words that tell the test images of runs apart."""
    test = identity["data"]["splits"].get("test") if identity else None
    return f"{test['images']:,} test images, listing {test['sha256'][:8]}" if test else ""


def _by_images(nets: Sequence[Net]) -> Iterator[Net]:
    """Nets that were not measured on the same test images stand in figures of their own."""
    kinds: dict[str, set[str]] = {}
    for net in nets:
        kinds.setdefault(net.images, set()).add(net.test)
    for net in nets:
        several = len(kinds[net.images] - {""}) > 1 and net.test
        yield replace(net, images=f"{net.images} ({net.test})") if several else net


def _images(job: dict[str, Any]) -> str:
    shape = "x".join(map(str, job["input_shape"]))
    return f"{job['recipe']['data']['dataset']}, {shape}"


def _compiled(spec: Path) -> Program | None:
    try:
        return archspec.load(spec) if spec.is_file() else None
    except SpecError:  # of another version of the language
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
