"""The columns of Parquet that hold images and labels: those that are asked for, or those that Hugging Face's metadata tell of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read

USUAL = {"Image": ("image", "img"), "ClassLabel": ("label", "labels")}
SETTING = {"Image": "image", "ClassLabel": "label"}
WHAT = {"Image": "images", "ClassLabel": "labels"}


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of images and labels are called, and the names of classes, where the file tells them."""

    image: str
    label: str
    names: tuple[str, ...]


def find_columns(pyarrow: ModuleType, path: Path, image: str | None, label: str | None) -> Columns:
    """The columns of a file. Raises DataError where the ones asked for are not there, or none or several may be meant."""
    try:
        schema = pyarrow.parquet.read_schema(path)
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", not_read(error)) from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}", "fetch it again") from None
    features = _features(schema.metadata or {})
    chosen = {"Image": image, "ClassLabel": label}
    for kind, asked in chosen.items():
        if asked is None:
            chosen[kind] = _only(path, kind, schema.names, features)
    columns = Columns(str(chosen["Image"]), str(chosen["ClassLabel"]), _names(features, str(chosen["ClassLabel"])))
    check_columns(path, schema.names, columns)
    return columns


def check_columns(path: Path, names: Sequence[str], columns: Columns) -> None:
    """Raise DataError where a file lacks one of the columns."""
    for kind, column in (("Image", columns.image), ("ClassLabel", columns.label)):
        if column not in names:
            raise DataError(f"{path} has no column {column!r} of {WHAT[kind]}", _choose(kind, names))


def _only(path: Path, kind: str, names: Sequence[str], features: dict[str, Any]) -> str:
    told = [name for name in names if isinstance(f := features.get(name), dict) and f.get("_type") == kind]
    if len(told) == 1:
        return told[0]
    usual = [name for name in USUAL[kind] if name in (told or names)]
    if usual:
        return usual[0]
    if told:
        message = f"{path} has {len(told)} columns of {WHAT[kind]}: {', '.join(told)}"
        raise DataError(message, f"say which: --set train.data.{SETTING[kind]}={told[0]}")
    raise DataError(f"{path} has no column {USUAL[kind][0]!r} of {WHAT[kind]}", _choose(kind, names))


def _choose(kind: str, names: Sequence[str]) -> str:
    return f"its columns are {', '.join(names)}: say which with --set train.data.{SETTING[kind]}=COLUMN"


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """What Hugging Face's metadata tell of the columns; empty where there are none."""
    try:
        found = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _names(features: dict[str, Any], label: str) -> tuple[str, ...]:
    feature = features.get(label)
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()
