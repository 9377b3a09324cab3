"""What a run's folder says of the run, whatever backend trained it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from archspec.backends.folders import folder_of, trained_by
from archspec_runtime.console import warn
from archspec_runtime.errors import RunError

LOGS = "logs"  # of a sweep, beside its runs
DEEPEST = 3  # levels of folders that runs are looked for in


def runs_below(folder: Path, levels: int = DEEPEST) -> Iterator[Path]:
    """The folder itself if it is that of a run, else those of runs in it, in order."""
    if (folder / "run.json").is_file():
        yield folder
    elif levels and folder.is_dir():
        for inner in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != LOGS):
            yield from runs_below(inner, levels - 1)


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """The runs in some folders, each once; a folder without any stands for itself, of which a reader will say what is wrong.

    A run that is met again, also by another path, is said and left out: it would count twice.
    """
    met: dict[Path, Path] = {}
    for run in (found for folder in folders for found in list(runs_below(folder)) or [folder]):
        first = met.setdefault(run.resolve(), run)
        if first is not run:
            other = "" if str(first) == str(run) else f", by the path {run}"
            warn(f"the run {first} is given twice{other}: it is taken once")
    return list(met.values())


def labels_of(named: Sequence[tuple[str, Path]]) -> list[str]:
    """What tells runs apart in a table or a picture: their names, and where several have one the folder, as far as it differs."""
    names = Counter(name for name, _ in named)
    alike = [path.absolute() for name, path in named if names[name] > 1]
    top = Path(os.path.commonpath(alike)) if alike else Path()
    top = top.parent if top in alike else top
    return [name if names[name] == 1 else f"{name} ({path.absolute().relative_to(top)})" for name, path in named]


def backend_of(path: Path) -> str:
    """The backend that a run, or the run of a checkpoint, was trained with; torch where it does not say."""
    return trained_by(path) or "torch"  # which will say what is wrong with the folder


def spec_of(path: Path) -> Path:
    """The resolved spec that a run keeps. Raises RunError where it keeps none."""
    spec = folder_of(path) / "code" / "spec.yaml"
    if not spec.is_file():
        raise RunError(f"{spec} is missing", "a run that `archspec train` made keeps its resolved spec there")
    return spec
