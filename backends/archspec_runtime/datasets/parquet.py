"""Parquet files with a column of image bytes and one of labels, as Hugging Face's data sets have them.

Parquet is compressed in groups of rows, so that one image costs the reading of its group. The images are therefore unpacked
once, as they are, into a packed data set in the cache, and read from there in any order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import DataError, RunError
from ..recipe import Data
from .packed import Item, is_packed, read_packed, write_manifest, write_split, written_aside
from .remote import cache_folder
from .shards import check_highest, expand
from .splits import Raw

ROWS = 64  # that are held in memory at a time


def read_parquet(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """The splits of Parquet files with the columns `image` and `label`."""
    files = {
        "train": expand(data.train, folder, "train*.parquet", "data/train*.parquet"),
        "test": expand(
            data.test, folder, *(f"{place}{name}*.parquet" for name in ("test", "val") for place in ("", "data/"))
        ),
    }
    state = [
        (name, str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for name, ps in files.items() for p in ps
    ]
    target = cache_folder() / "parquet" / hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
    if not is_packed(target):
        _unpack(files, target, classes)
    return read_packed(target, shape[0])


def _unpack(files: dict[str, tuple[Path, ...]], target: Path, classes: int) -> None:
    pyarrow = _pyarrow()
    names = _class_names(pyarrow, files["train"][0])
    with written_aside(target) as aside:
        highest = most = 0
        sizes = {}
        for split, paths in files.items():
            labels = Counter[int]()
            sizes[split] = write_split(aside, split, _rows(pyarrow, paths, labels))
            highest, most = max(highest, *labels, 0), most + labels.total()
            if not labels:
                raise DataError(f"{paths[0]} and the other files of {split} have no rows", "fetch them again")
        check_highest(highest, max(classes, len(names), most), f"a row of {files['train'][0]} or the others")
        known = names or tuple(map(str, range(max(classes, highest + 1))))
        if highest >= len(known):
            raise DataError(
                f"a label is {highest}, and {files['train'][0]} names {len(known)} classes", "fetch it again"
            )
        write_manifest(aside, known, sizes, {"from": [str(p) for paths in files.values() for p in paths]})


def _rows(pyarrow: ModuleType, paths: tuple[Path, ...], labels: Counter[int]) -> Iterator[Item]:
    for path in paths:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                missing = {"image", "label"} - set(file.schema_arrow.names)
                if missing:
                    message = f"{path} has no column {' and no column '.join(sorted(missing))}"
                    raise DataError(
                        message, "`image` holds bytes, or a struct with `bytes`; `label` a whole number"
                    )
                number = 0
                for batch in file.iter_batches(ROWS, columns=["image", "label"]):
                    for row in batch.to_pylist():
                        raw, label = _bytes(row["image"]), row["label"]
                        if raw is None or not isinstance(label, int) or label < 0:
                            raise DataError(
                                f"{path}: row {number} has no image bytes, or no label", "fetch it again"
                            )
                        labels[label] += 1
                        yield f"{path.name}:{number}", label, raw
                        number += 1
        except (OSError, pyarrow.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                raise  # of the cache that is written, not of the file that is read
            raise DataError(f"{path} cannot be read as Parquet: {error}", "fetch it again") from None


def _bytes(value: Any) -> bytes | None:
    raw = value.get("bytes") if isinstance(value, dict) else value
    return raw if isinstance(raw, bytes) else None


def _class_names(pyarrow: ModuleType, path: Path) -> tuple[str, ...]:
    """The names that Hugging Face keeps in a file's metadata; none where there are none."""
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
        return tuple(map(str, names))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}", "fetch it again") from None
    except (KeyError, TypeError, ValueError):
        return ()


def _pyarrow() -> ModuleType:
    try:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        message = "Parquet is read by pyarrow, which is not installed"
        raise RunError(message, "pip install 'archspec-nn[parquet]'") from None
    module: ModuleType = pyarrow
    return module
