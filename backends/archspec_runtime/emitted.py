"""Training what was emitted: the files go into the run's folder, and what is imported from there is run."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .job import Options
from .loop import Result
from .run_folder import prepare
from .session import Framework, train


def train_emitted(
    framework: Framework, files: Mapping[str, str], class_name: str, options: Options, write: Callable[[Path], None]
) -> Result:
    """Have the files written into the run's folder, import their `train.py`, and train. Raises RunError."""
    run = options.out or Path(class_name)
    with tempfile.TemporaryDirectory(prefix="archspec-") as aside:
        code = run / "code"
        if options.dry_run or options.resume:
            # nothing of the run is touched before the trainer has seen that what is resumed is the same
            same = all((code / n).is_file() and (code / n).read_text("utf-8") == t for n, t in files.items())
            code = code if same and not options.dry_run else Path(aside)
        else:
            prepare(run, resume=False, force=options.force)
        if not (options.resume and code == run / "code"):
            write(code)
        sys.path.insert(0, str(code))
        try:
            emitted = importlib.import_module("train")
            return train(framework, getattr(emitted, class_name), emitted.JOB, options)
        finally:
            sys.path.remove(str(code))
            for name in ("train", "model"):
                sys.modules.pop(name, None)
