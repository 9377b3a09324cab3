"""Training what was emitted: the text that goes into the run's folder is imported, and run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from .console import warn
from .errors import RunError
from .job import Options
from .loop import Result
from .run_folder import read_run
from .session import Framework, train

MODULES = ("model", "train")  # which imports the former

ImportSource = Callable[[str, str, Path], ModuleType]
"""Makes a module of a text, a name, and the file that the text is or will be."""


def train_emitted(
    framework: Framework, files: Mapping[str, str], class_name: str, options: Options, write: Callable[[Path], None],
    import_source: ImportSource,
) -> Result:  # fmt: skip
    """Import an emitted `train.py` and train, and have the files written into the run's folder. Raises RunError.

    The text is imported, not a file: nothing of a run is touched before the trainer has seen that the new one can begin, or
    that it is the same, and nothing of it is left elsewhere however the process ends.
    """
    code = (options.out or Path(class_name)) / "code"
    if options.resume and not options.dry_run and os.environ.get("RANK", "0") == "0":
        _warn(framework, code / "model.py", files["model.py"])
    try:
        for name in MODULES:
            emitted = import_source(files[f"{name}.py"], name, code.absolute() / f"{name}.py")
        return train(framework, getattr(emitted, class_name), emitted.JOB, options, write)
    finally:
        for name in MODULES:
            sys.modules.pop(name, None)


def _warn(framework: Framework, kept: Path, source: str) -> None:
    """Say that the model in a run's folder is not the one that it goes on with; that of another framework is refused anyhow."""
    with suppress(OSError, ValueError, RunError):
        if read_run(kept.parent.parent)["backend"] == framework.name and kept.read_text("utf-8") != source:
            warn(f"{kept} is not what this spec compiles to, and is not what is trained")
