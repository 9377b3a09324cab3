"""Parts of the runtime that not every run needs. A built folder carries those that its `train.py` imports."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from archspec_runtime.errors import RunError

INSTALLED = "ARCHSPEC_INSTALLED"
"""The variable by which `archspec train --from` says where the installed runtime is, which has all parts."""


def part(name: str, what: str) -> Any:
    """A module of the runtime, asked for by name: `data.parquet`. Raises RunError in a folder that does not carry it.

    What is imported by an import statement is carried along; what is asked for here is left to who has use for it.
    """
    module = f"{__package__}.{name}"
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        if (installed := os.environ.get(INSTALLED)) and _join(Path(installed)):
            return import_module(module)
        message = f"{what} is not carried along by this folder: its train.py has no use for it"
        raise RunError(
            message, "the installed archspec has it: `archspec train --from FOLDER`, `archspec eval RUN`", 2
        ) from None


def _join(installed: Path) -> bool:
    """Let what this folder does not carry be found in the installed runtime; False where it is already."""
    here = import_module(str(__package__))
    if str(installed) in here.__path__:
        return False
    for room in (installed, *(path.parent for path in installed.glob("*/__init__.py"))):
        there = ".".join([here.__name__, *room.relative_to(installed).parts])
        if room == installed or any(Path(folder, room.name).is_dir() for folder in here.__path__[:1]):
            import_module(there).__path__.append(str(room))
    return True
