"""The loggers of a run: opened where it begins, continued where it is resumed, closed where it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from archspec_runtime.console import warn
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job
from archspec_runtime.loggers.scalars import KINDS, scalars
from archspec_runtime.record.folder import Row, read_metrics, write_json

LOGGERS = {"tensorboard": "TensorBoard", "wandb": "Wandb", "mlflow": "Mlflow"}
"""By name, which is that of the library, of the extra and of the module: its class."""
FILE = "loggers.json"  # of a run's folder: by logger its run, and what it was given


class Logger(Protocol):
    """A run of a library that shows metrics."""

    run: str
    """By which a resumed run finds it again."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take values of a step."""

    def close(self, ending: str) -> None:
        """End: FINISHED, KILLED or FAILED."""


def check_loggers(names: Sequence[str]) -> None:
    """Raise RunError for a logger that there is not, or whose library is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise RunError(f"there is no logger {name!r}", f"--log takes {', '.join(LOGGERS)}", 2)
        found = find_spec(name)
        if found is None or found.origin is None:  # a folder of that name, as runs have, is no package
            raise RunError(f"--log {name} needs the package {name}, which is not installed",
                           f"pip install {name}")  # fmt: skip


class Loggers:
    """All loggers of a run. One that fails is said and left out from then on: the run goes on.

    A resumed run repeats the steps after its checkpoint, with the same numbers. What a logger was given of them before is not
    given again.
    """

    def __init__(self, names: Sequence[str], folder: Path, job: Job, *, resumed: bool, repeats: bool) -> None:
        self.ending = "FAILED"
        self.open: dict[str, Logger] = {}
        before = _record(folder) if resumed else {}
        reached = _reached(read_metrics(folder)) if resumed else {}
        self.given: dict[str, dict[str, int]] = {}
        config = {"name": job.name, "parameters": job.params, "recipe": job.recipe.to_dict()}
        for name in dict.fromkeys(names):
            begun = before.get(name) or {}
            make = getattr(import_module(f"archspec_runtime.loggers.{name}"), LOGGERS[name])
            try:
                self.open[name] = make(folder, job.name, config, begun.get("run"))
            except Exception as error:
                self.close()
                raise RunError(f"--log {name}: {_line(error)}", f"mend that, or leave out --log {name}") from error
            given = {key: max(step, reached.get(key, 0)) for key, step in begun.get("given", {}).items()}
            self.given[name] = {} if repeats else {**(reached if begun else {}), **given}
        runs = {name: {"run": logger.run, "given": self.given[name]} for name, logger in self.open.items()}
        write_json(folder / FILE, {**before, **runs})

    def log(self, row: Row) -> None:
        """Hand a row of metrics to all, unless it has it."""
        if row.get("kind") not in KINDS or not (values := scalars(row)):
            return
        for name, logger in list(self.open.items()):
            if row["step"] <= self.given[name].get(_key(row), 0):
                continue
            try:
                logger.log(row["step"], values)
            except Exception as error:  # noqa: BLE001 (no library of others ends a run)
                warn(f"--log {name}: {_line(error)}; it gets no more of this run, metrics.jsonl has all")
                del self.open[name]

    def close(self) -> None:
        """End all."""
        for name, logger in self.open.items():
            try:
                logger.close(self.ending)
            except Exception as error:  # noqa: BLE001 (the run is over)
                warn(f"--log {name}: {_line(error)}")

    def __enter__(self) -> Loggers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key(row: Row) -> str:
    return str(row.get("split", "train"))


def _reached(rows: Sequence[Row]) -> dict[str, int]:
    """The last step at which rows of a kind were written."""
    return {_key(row): row["step"] for row in sorted(rows, key=lambda row: row["step"]) if row.get("kind") in KINDS}


def _record(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
