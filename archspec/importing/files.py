"""Files that hold a model, by suffix: what reads them, and how they are spoken of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath


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
