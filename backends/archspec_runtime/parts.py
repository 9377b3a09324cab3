"""Parts of the trainers that not every run needs. A built folder carries those that its `train.py` has use for.

What an import statement imports is carried along. What is asked for by name, here, is not, unless the folder's job asks for it
in each run (`job/carried.py`): a run of an option or a recipe that a folder was not built for is the installed archspec's, which
has all parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from archspec_runtime.console import complain
from archspec_runtime.errors import RunError

INSTALLED = "ARCHSPEC_INSTALLED"
"""The variable by which `archspec train --from` says in which folder the installed packages are."""
ELSEWHERE = "`archspec train --from FOLDER`, `archspec eval RUN`"


def part(module: str, what: str) -> Any:
    """A module by its name, `archspec_runtime.data.parquet`. Raises RunError in a folder that does not carry it."""
    found = extra(module)
    if found is None:
        message = f"{what} is not carried along by this folder: its train.py has no use for it"
        raise RunError(message, f"the installed archspec has it: {ELSEWHERE}", 2)
    return found


def extra(module: str) -> Any:
    """The same for what a run goes on without: None in a folder that does not carry it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
    return extra(module) if _join(os.environ.get(INSTALLED)) else None


def named(package: str, name: str, homes: Mapping[str, str]) -> Any:
    """What a package has under a name that not every `train.py` imports, by the module that it stands in.

    Ends the process with a message in a folder that does not carry it, for that is while its `train.py` is read.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    try:
        return getattr(part(homes[name], name), name)
    except RunError as error:
        complain(error)
        raise SystemExit(error.exit_code) from None


def _join(installed: str | None) -> bool:
    """Let what this folder does not carry be found in the installed packages; False where it is already, or there are none."""
    if installed is None:
        return False
    _load_rooms()
    found = False
    for name, package in [*sys.modules.items()]:
        house = Path(installed, *name.split(".")[:1])
        room = Path(installed, *name.split("."))
        if house.name.startswith("archspec_") and room.is_dir() and str(room) not in package.__path__:
            package.__path__.append(str(room))
            found = True
    return found


def _load_rooms() -> None:
    """Import this folder's rooms, which have no `__init__.py`: later, those of the installed packages would be found instead."""
    for house in [name for name in sys.modules if name.startswith("archspec_") and "." not in name]:
        for room in [*sys.modules[house].__path__]:
            for path in Path(room).iterdir():
                if path.is_dir() and not path.name.startswith("_"):
                    import_module(f"{house}.{path.name}")
