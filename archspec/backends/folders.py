"""Which backend a folder is of: a run's by its record, a built one's by what its `model.py` imports."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from archspec.backends.registry import backend_names


def folder_of(path: Path) -> Path:
    """The folder of a run, given that or one of its checkpoints; any other path as it is."""
    return path.parent.parent if (path / "manifest.json").is_file() else path


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run, or of one of its checkpoints."""
    return any((path / name).is_file() for name in ("run.json", "manifest.json"))


def trained_by(path: Path) -> str | None:
    """The backend that a run, or the run of a checkpoint, was trained with; None where nothing says it."""
    try:
        backend = json.loads((folder_of(path) / "run.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return backend if isinstance(backend, str) else None


def built_with(folder: Path) -> str | None:
    """The backend that a folder was built with, whose framework its model imports; None where it has none."""
    try:
        tree = ast.parse((folder / "model.py").read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return None
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    imported = {name.partition(".")[0] for name in names}
    return next((name for name in backend_names() if name in imported), None)
