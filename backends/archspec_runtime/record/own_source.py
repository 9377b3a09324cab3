"""The source of a run, which is the user's: imported, and named where it is at fault."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from archspec_runtime.console import warn
from archspec_runtime.errors import CheckpointError, RunError, UnfitError
from archspec_runtime.record import identity


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
        with _imported(model):
            return getattr(self._module("archspec_run_train"), "TRAINING", None)

    def _module(self, name: str, beside: bool = False) -> ModuleType:
        path = self.path
        spec = importlib.util.spec_from_file_location(name, path.absolute())
        if spec is None or spec.loader is None or not path.is_file():
            raise RunError(f"{path} is missing", f"a run keeps its source there; {self._anew()}")
        for file in [] if beside else self._changed():
            warn(f"{file} was changed after it was written, and may not be what was trained")
        module = importlib.util.module_from_spec(spec)
        with self.blamed(), ExitStack() as stack:
            for file in identity.source_files(path)[1:]:
                stack.enter_context(_imported(Source(file, self.backend)._module(file.stem, beside=True)))
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
            place = None if isinstance(error, RunError) else self._place(error)
            if place is None:
                raise
            file, line = place
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            why = next(iter(said.splitlines()), "")[:200]
            message = f"{file}, line {line}: {type(error).__name__}{': ' if why else ''}{why}"
            raise RunError(message, self._undo()) from None

    def _place(self, error: BaseException) -> tuple[Path, int] | None:
        """The last line of its files that an exception went through; None where it comes from elsewhere."""
        if isinstance(error, SyntaxError) and error.filename in (str(self.path.absolute()), None):
            return self.path, error.lineno or 1  # of what is no text there is no name
        files = {str(file.absolute()): file for file in (self.path, self.path.with_name(identity.LAYERS))}
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
        return (files[frames[-1].filename], frames[-1].lineno or 1) if frames else None

    def _changed(self) -> list[Path]:
        """The files that are others than were trained, or than their folder lists where the run does not say."""
        now = identity.digest_of_source(self.path)
        if self.path.name == "train.py":  # of which a run knows the code alone
            with suppress(OSError, SyntaxError, ValueError):
                now = identity.digest_of(identity.arithmetic(self.path.read_text(encoding="utf-8")))
        elif self.trained is None or self.trained != now:
            files = identity.source_files(self.path)
            files = [f for f in files if identity.listed(f) not in (None, identity.digest_of_file(f))]
            return files if files or self.trained is None else [self.path]
        return [self.path] if None not in (self.trained, now) and self.trained != now else []

    def _undo(self) -> str:
        return f"undo what was edited there; {self._anew()}"

    def _anew(self) -> str:
        spec = self.path.with_name("spec.yaml")
        return f"`archspec build {spec} --backend {self.backend} --out NEW` writes it anew, as NEW/{self.path.name}"


@contextmanager
def _imported(module: ModuleType) -> Iterator[None]:
    """Have a module be what files import by its name, which other runs have for theirs."""
    name = module.__name__
    before, sys.modules[name] = sys.modules.get(name), module
    try:
        yield
    finally:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
