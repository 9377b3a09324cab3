"""`archspec train`: the emitted files go into the run's folder, and what is imported from there is run."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.files import FolderError, write_folder
from archspec.network import Network
from archspec_runtime.errors import RunError
from archspec_runtime.job import Options
from archspec_runtime.run_folder import prepare


def train_emitted(net: Network, files: Mapping[str, str], given: Mapping[str, Any]) -> int:
    """Write the files, import their `train.py`, and train. Returns the exit code; raises RunError."""
    options = Options(**given)
    run = options.out or Path(net.name)
    with tempfile.TemporaryDirectory(prefix="archspec-") as aside:
        code = run / "code"
        if options.dry_run or options.resume:
            # nothing of the run is touched before the trainer has seen that what is resumed is the same
            same = all((code / n).is_file() and (code / n).read_text("utf-8") == t for n, t in files.items())
            code = code if same and not options.dry_run else Path(aside)
        else:
            prepare(run, resume=False, force=options.force)
        if not (options.resume and code == run / "code"):
            try:
                write_folder(code, files, force=True)
            except FolderError as error:
                raise RunError(f"{error}", error.help, 2) from None
        sys.path.insert(0, str(code))
        try:
            emitted = importlib.import_module("train")
            from archspec_torch.trainer import train

            return train(getattr(emitted, net.class_name), emitted.JOB, options).exit_code
        finally:
            sys.path.remove(str(code))
            for name in ("train", "model"):
                sys.modules.pop(name, None)
