"""Emitted source as a module, so that what one reads is what runs."""

from __future__ import annotations

import atexit
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from archspec.api import load
from archspec.network import Network


def import_source(source: str, name: str) -> ModuleType:
    """Import a source text from a file, so that tracebacks show its lines; the file lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="archspec-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "model.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def foreign_class(run: Path, backend: str, source: Callable[[Network], str]) -> Any | None:
    """The class of a run's net in this backend, from the spec that the run keeps; None where the backend trained it itself.

    `run` is the folder of a run or one of its checkpoints, whose weights have the same names in every backend.
    """
    folder = run.parent.parent if (run / "manifest.json").is_file() else run
    try:
        trained_by = json.loads((folder / "run.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the runtime says what is wrong with it
    if trained_by == backend:
        return None
    net = load(folder / "code" / "spec.yaml")
    module = import_source(source(net), f"archspec_foreign_{backend}_{net.fingerprint}")
    return getattr(module, net.class_name)
