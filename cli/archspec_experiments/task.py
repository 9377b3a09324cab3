"""A run of a sweep that is to be made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Task:
    """The words of its command line, and where it and its output go."""

    name: str
    folder: Path
    log: Path
    arguments: tuple[str, ...]  # of `archspec`
