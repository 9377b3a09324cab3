"""Parts of the runtime that not every run needs. A built folder carries those that its `train.py` imports."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from archspec_runtime.errors import RunError


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
        message = f"{what} is not carried along by this folder: its train.py has no use for it"
        raise RunError(
            message, "the installed archspec has it: `archspec train --from FOLDER`, `archspec eval RUN`", 2
        ) from None
