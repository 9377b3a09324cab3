"""The source of a run's model, which is the user's: imported, and named where it is at fault."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.errors import CheckpointError, RunError, UnfitError
from archspec_runtime.record.identity import digest_of_file, listed


@dataclass(frozen=True, slots=True)
class Source:
    """A file with the source of a net, `model.py` for a backend or the spec that another backend compiles."""

    path: Path
    backend: str
    trained: str | None = None  # the SHA-256 of what was trained, where the run says it

    def model(self, name: str) -> Callable[..., Any]:
        """The class of this name. Raises RunError."""
        path = self.path
        spec = importlib.util.spec_from_file_location("archspec_run_model", path.absolute())
        if spec is None or spec.loader is None or not path.is_file():
            raise RunError(f"{path} is missing", f"a run keeps the source of its model there; {self._anew()}")
        if self._changed():
            warn(f"{path} was changed after it was written, and may not be what was trained")
        module = importlib.util.module_from_spec(spec)
        with self.blamed():
            spec.loader.exec_module(module)
        made: Callable[..., Any] | None = getattr(module, name, None)
        if not callable(made):
            raise RunError(f"{path} has no class {name}, which run.json names", self._undo())
        return made

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
        return None not in (before, now) and before != now

    def _undo(self) -> str:
        return f"undo what was edited there; {self._anew()}"

    def _anew(self) -> str:
        spec = self.path.with_name("spec.yaml")
        return f"`archspec build {spec} --backend {self.backend} --out NEW` writes it anew, as NEW/{self.path.name}"
