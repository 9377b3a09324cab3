"""Training what was emitted: the files go into the run's folder, and what is imported from there is run."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from .errors import RunError
from .job import Options
from .loop import Result
from .run_folder import read_run
from .session import Framework, train
from .undoing import undone


def train_emitted(
    framework: Framework, files: Mapping[str, str], class_name: str, options: Options, write: Callable[[Path], None]
) -> Result:
    """Have the files written into the run's folder, import their `train.py`, and train. Raises RunError."""
    code = (options.out or Path(class_name)) / "code"
    temporary = tempfile.TemporaryDirectory(prefix="archspec-", ignore_cleanup_errors=True)
    with undone(temporary.cleanup):
        # nothing of a run is touched before the trainer has seen that the new one can begin, or that it is the same
        same = options.resume and not options.dry_run and _holds(code, files)
        source = code.resolve() if same else Path(temporary.name)
        if not same:
            write(source)
            if options.resume and not options.dry_run and os.environ.get("RANK", "0") == "0":
                _warn(framework, code, source)
        sys.path.insert(0, str(source))
        try:
            emitted = importlib.import_module("train")
            return train(framework, getattr(emitted, class_name), emitted.JOB, options, write)
        finally:
            sys.path.remove(str(source))
            for name in ("train", "model"):
                sys.modules.pop(name, None)


def _warn(framework: Framework, code: Path, source: Path) -> None:
    """Say that the model in a run's folder is not the one that it goes on with; that of another framework is refused anyhow."""
    with suppress(OSError, ValueError, RunError):
        if read_run(code.parent)["backend"] == framework.name and (code / "model.py").read_text("utf-8") != (
            source / "model.py"
        ).read_text("utf-8"):
            print(f"warning: {code / 'model.py'} is not what this spec compiles to, and is not what is trained",
                  file=sys.stderr)  # fmt: skip


def _holds(folder: Path, files: Mapping[str, str]) -> bool:
    try:
        return all((folder / name).read_text("utf-8") == text for name, text in files.items())
    except (OSError, ValueError):
        return False
