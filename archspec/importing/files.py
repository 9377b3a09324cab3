"""Files that hold a model, by suffix: what reads them, and how they are spoken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from archspec.errors import ModelError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file; `backend` reads it, or archspec itself, and `told` says what is done with it."""

    noun: str
    backend: str | None
    told: str
    has_weights: bool = True


KINDS: Mapping[str, Kind] = {
    ".onnx": Kind("an ONNX file", "onnx", "read, and compared by ONNX Runtime"),
    ".prototxt": Kind("a prototxt", None, "read; it has no weights, so that shapes and counts are compared", False),
    ".pt2": Kind("an exported program", "torch", "read, and compared with its graph"),
}


def kind_of(source: str) -> Kind | None:
    """The kind of a source that is a file, by its suffix; None of all others."""
    return KINDS.get(PurePath(source).suffix.lower())


def check_file(path: Path) -> None:
    """Raise ModelError where a path is not that of a file, such as of a pipe, which would be waited for."""
    if path.is_dir():
        raise ModelError(f"{path} is a folder, where a file is expected", "give the file itself")
    if not path.exists():
        raise ModelError(f"there is no file {path}", "check the path")
    if not path.is_file():
        raise ModelError(f"{path} is a device or a pipe, where a file is expected", "save it as a file")
