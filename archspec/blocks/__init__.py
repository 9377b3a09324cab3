"""The library's blocks and shortcuts: YAML files, each found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def blocks() -> Mapping[str, Path]:
    """The files of the blocks by name; listed, so that case counts on every disk."""
    return {path.stem: path for path in FOLDER.glob("*.yaml")}


@cache
def shortcuts() -> Mapping[str, Path]:
    """The files of the shortcuts by name."""
    return {path.stem: path for path in (FOLDER / "shortcuts").glob("*.yaml")}
