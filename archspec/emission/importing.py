"""Emitted source as a module, so that what one reads is what runs."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType


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
