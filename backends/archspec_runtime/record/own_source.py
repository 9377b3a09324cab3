"""The source of a run, which is the user's: imported, and named where it is at fault."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.errors import CheckpointError, RunError, UnfitError
from archspec_runtime.record.identity import arithmetic, digest_of, digest_of_file, listed


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a run: `model.py`, the spec that another backend compiles instead of it, or `train.py`."""

    path: Path
    backend: str
    trained: str | None = None  # the SHA-256 of what was trained, where the run says it

    def model(self, name: str) -> Callable[..., Any]:
        """The class of this name. Raises RunError."""
        made: Callable[..., Any] | None = getattr(self._module("archspec_run_model"), name, None)
        if not callable(made):
            raise RunError(f"{self.path} has no class {name}, which run.json names", self._undo())
        return made

    def training(self, make_model: Callable[..., Any]) -> Any:
        """What a `train.py` states for the net of a class; None where it states nothing. Raises RunError."""
        model = ModuleType("model")  # which it imports
        setattr(model, make_model.__name__, make_model)
        before, sys.modules["model"] = sys.modules.get("model"), model
        try:
            return getattr(self._module("archspec_run_train"), "TRAINING", None)
        finally:
            sys.modules.pop("model")
            if before is not None:
                sys.modules["model"] = before

    def _module(self, name: str) -> ModuleType:
        path = self.path
        spec = importlib.util.spec_from_file_location(name, path.absolute())
        if spec is None or spec.loader is None or not path.is_file():
            raise RunError(f"{path} is missing", f"a run keeps its source there; {self._anew()}")
        if self._changed():
            warn(f"{path} was changed after it was written, and may not be what was trained")
        module = importlib.util.module_from_spec(spec)
        with self.blamed():
            spec.loader.exec_module(module)
        return module

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Raise RunError for an exception that comes out of the file, with its line; and where its net has other weights."""
        try:
            yield
        except UnfitError as error:
            raise CheckpointError(
                error.message, f"if {self.path} was edited, undo that; else {error.hint}"
            ) from None
        except (Exception, SystemExit) as error:  # of whatever kind; a file may have kinds of its own
            line = None if isinstance(error, RunError) else self._line(error)
            if line is None:
                raise
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            why = next(iter(said.splitlines()), "")[:200]
            message = f"{self.path}, line {line}: {type(error).__name__}{': ' if why else ''}{why}"
            raise RunError(message, self._undo()) from None

    def _line(self, error: BaseException) -> int | None:
        """The last line of the file that an exception went through; None where it comes from elsewhere."""
        file = str(self.path.absolute())
        if isinstance(error, SyntaxError) and error.filename in (file, None):  # of what is no text there is no name
            return error.lineno or 1
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        return frames[-1].lineno if frames else None

    def _changed(self) -> bool:
        """Whether the file is another than was trained, or than its folder lists where the run does not say."""
        before, now = self.trained or listed(self.path), digest_of_file(self.path)
        if self.trained is not None and self.path.name == "train.py":  # of which a run knows the code alone
            with suppress(OSError, SyntaxError, ValueError):
                now = digest_of(arithmetic(self.path.read_text(encoding="utf-8")))
        return None not in (before, now) and before != now

    def _undo(self) -> str:
        return f"undo what was edited there; {self._anew()}"

    def _anew(self) -> str:
        spec = self.path.with_name("spec.yaml")
        return f"`archspec build {spec} --backend {self.backend} --out NEW` writes it anew, as NEW/{self.path.name}"
