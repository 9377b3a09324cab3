"""Parquet files with a column of image bytes and one of labels, as Hugging Face's data sets have them.

Parquet is compressed in groups of rows, so that one image costs the reading of its group. The images are therefore unpacked
once, as they are, into a packed data set in the cache, and read from there in any order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from archspec_runtime.data.columns import Columns, check_columns, find_columns
from archspec_runtime.data.membership import UNREAD_SPLIT, LeftOut
from archspec_runtime.data.packed import Item, is_packed, read_packed, write_manifest, write_split, written_aside
from archspec_runtime.data.remote import cache_folder
from archspec_runtime.data.shards import check_highest, expand, held_files, unlabelled
from archspec_runtime.data.splits import Raw
from archspec_runtime.data.suffixes import passed_over
from archspec_runtime.data.test_only import tests_alone
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.files.os_errors import not_read, regular
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

ROWS = 64  # that are held in memory at a time
LARGEST_GROUP = 16 << 30  # bytes of a group of rows, uncompressed


def read_parquet(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """The splits of Parquet files with a column of images and one of labels."""
    files = {"train": expand(data.train, folder, "train*.parquet", "data/train*.parquet")}
    if data.test_share is None:
        files |= held_files(data, folder, ".parquet", "data/")
    state = [
        (name, str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns)
        for name, ps in files.items() for p in ps if regular(p, "a Parquet file")
    ]  # fmt: skip
    told = [*state, (data.image, data.label, data.test)]
    target = cache_folder() / "parquet" / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    if not is_packed(target):
        _unpack(files, target, classes, data)
    raw = read_packed(target, shape[0], data.test_share)
    return raw if folder is None or data.test is not None else replace(raw, left_out=_left_out(folder, files))


def _left_out(folder: Path, files: dict[str, tuple[Path, ...]]) -> LeftOut:
    """Other Parquet files of the folder: splits that are not read."""
    left_out, read = LeftOut(), {path for paths in files.values() for path in paths}
    for path in sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")]):
        if path not in read:
            left_out.add(path, passed_over(path.name) or UNREAD_SPLIT)
    return left_out


def _unpack(files: dict[str, tuple[Path, ...]], target: Path, classes: int, data: Data) -> None:
    pyarrow = _pyarrow()
    columns = find_columns(pyarrow, files["train"][0], data.image, data.label)
    with written_aside(target, "set XDG_CACHE_HOME to another folder for what is unpacked") as aside:
        highest = most = 0
        sizes = {}
        for split, paths in files.items():
            labels = Counter[int]()
            sizes[split] = write_split(aside, split, _rows(pyarrow, paths, columns, labels))
            highest, most = max(highest, *labels, 0), most + labels.total()
            if not labels:
                raise DataError(f"{paths[0]} and the other files of {split} have no rows", "fetch them again")
        check_highest(
            highest, max(classes, len(columns.names), most), f"a row of {files['train'][0]} or the others"
        )
        known = columns.names or tuple(map(str, range(max(classes, highest + 1))))
        if highest >= len(known):
            raise DataError(
                f"a label is {highest}, and the classes that {files['train'][0]} names are {len(known)}",
                "fetch it again",
            )
        write_manifest(aside, known, sizes, {"from": [str(p) for paths in files.values() for p in paths]})


def _rows(pyarrow: ModuleType, paths: tuple[Path, ...], columns: Columns, labels: Counter[int]) -> Iterator[Item]:
    for path in paths:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                check_columns(path, file.schema_arrow.names, columns)
                _check_sizes(path, file.metadata)
                number = 0
                for batch in file.iter_batches(ROWS, columns=[columns.image, columns.label]):
                    for row in batch.to_pylist():
                        where = f"{path}: row {number}"
                        raw, label = _bytes(row[columns.image], where), _label(row[columns.label], where, columns)
                        labels[label] += 1
                        yield f"{path.name}:{number}", label, raw
                        number += 1
        except PermissionError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}", not_read(error)) from None
        except (OSError, pyarrow.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                raise  # of the cache that is written, not of the file that is read
            raise DataError(f"{path} cannot be read as Parquet: {error}", "fetch it again") from None


def _check_sizes(path: Path, metadata: Any) -> None:
    """Raise DataError where a group of rows says that it grows beyond what images can: Parquet is compressed."""
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).total_byte_size
        if size > LARGEST_GROUP:
            message = f"{path}: a group of rows has {size:,} bytes, of which {LARGEST_GROUP:,} are read at most"
            raise DataError(message, "write it again with fewer rows in a group")


def _bytes(value: Any, where: str) -> bytes:
    raw = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(raw, bytes) and raw:
        return raw
    if isinstance(value, dict) and value.get("path"):
        message = f"{where} has no bytes of an image, only the path {value['path']!r}"
        raise DataError(
            message, "the images lie elsewhere: embed them (`embed_table_storage` of Hugging Face's datasets)"
        )
    message = f"{where} has no bytes of an image, but {'empty bytes' if raw == b'' else _shown(value)}"
    raise DataError(
        message, "the column of images holds bytes, or a struct with `bytes`: --set train.data.image=COLUMN"
    )


def _label(value: Any, where: str, columns: Columns) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    message = f"{where}: the label in {columns.label!r} is {_shown(value)}, not a whole number from 0"
    if isinstance(value, str):
        help_ = (
            f"`class_encode_column({columns.label!r})` of Hugging Face's datasets makes numbers with names of text"
        )
    elif value is None:
        help_ = "the row has no label: leave it out, or take a split that has labels"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        help_ = unlabelled(value)
    else:
        help_ = "choose the column of labels: --set train.data.label=COLUMN"
    raise DataError(message, help_)


def _shown(value: Any) -> str:
    """A value with its type, as a message shows it."""
    if value is None:
        return "null"
    text = repr(value)
    kind = {str: "text", bool: "a truth value", float: "a floating-point number", int: "a number", bytes: "bytes",
            list: "a list", dict: "a struct"}.get(type(value), type(value).__name__)  # fmt: skip
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({kind})"


def _pyarrow() -> ModuleType:
    try:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        message = "Parquet is read by pyarrow, which is not installed"
        raise RunError(message, "pip install pyarrow") from None
    module: ModuleType = pyarrow
    return module


parquet = DataSet("parquet", read_parquet, read_named=tests_alone(read_parquet, "parquet", "", "data/"))
