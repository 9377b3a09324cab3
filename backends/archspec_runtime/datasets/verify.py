"""What is in a data set, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..recipe import Data
from ..shared import cores
from .cifar import CLASSES, inspect_cifar
from .encoded import EncodedSplit
from .folder import read_folder
from .packed import is_packed
from .parquet import read_parquet
from .shards import read_shards
from .splits import Raw

ENCODED = {"image_folder": read_folder, "webdataset": read_shards, "parquet": read_parquet}
KINDS = (*ENCODED, *CLASSES)
NOT_DECODED = "cannot be read as an image: "


@dataclass(slots=True)
class Report:
    """What was found: facts by name, and faults as (where, what)."""

    facts: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)


def guess(folder: Path) -> str:
    """Which kind of data set a folder or an archive holds. Raises DataError where none is recognised."""
    if folder.is_file():
        return "cifar100" if "cifar-100" in folder.name else "cifar10"
    if is_packed(folder) or (folder / "train").is_dir():
        return "image_folder"
    for kind, pattern in (("webdataset", "*.tar"), ("parquet", "*.parquet"), ("parquet", "data/*.parquet")):
        if any(folder.glob(pattern)):
            return kind
    for path in (folder, *filter(Path.is_dir, folder.glob("cifar-*"))):
        if any(file.name.startswith(("data_batch", "test_batch")) for file in path.iterdir()):
            return "cifar10"
        if (path / "train.bin").exists() or (path / "train").is_file():
            return "cifar100"
    for archive in folder.glob("cifar-*.tar.gz"):
        return guess(archive)
    raise DataError(
        f"{folder} holds no data set that is known", f"say which it is with --dataset: {', '.join(KINDS)}"
    )


def verify(folder: Path, data: Data, classes: int | None = None) -> Report:
    """Read all of a data set, of a kind that a recipe can name; `classes` is how many the net tells apart."""
    report = Report({"kind": data.dataset})
    try:
        if data.dataset in CLASSES:
            _verify_cifar(report, folder, data.dataset, classes)
        else:
            _verify_encoded(report, folder, data, classes)
    except DataError as error:
        report.faults.append((str(folder), error.message))
    return report


def _verify_cifar(report: Report, folder: Path, name: str, classes: int | None) -> None:
    total = 0
    for file, count, fault in inspect_cifar(name, folder):
        total += count
        if fault:
            report.faults.append((file, fault))
    report.facts["images"] = f"{total:,}"
    _count(report, folder, len(CLASSES[name]), classes)


def _verify_encoded(report: Report, folder: Path, data: Data, classes: int | None) -> None:
    # any resizing, so that images are not put into memory
    plain = Data(dataset=data.dataset, train=data.train, test=data.test, eval_resize=1)
    shape = (3, 1, 1)

    def note(other: Path) -> None:
        report.faults.append((str(other), "its class is not in train/"))

    if data.dataset == "image_folder":
        raw = read_folder(folder, shape, classes or 0, plain, note)
    else:
        raw = ENCODED[data.dataset](folder, shape, classes or 0, plain)
    _count(report, folder, len(raw.classes), classes)
    for name, split in _splits(raw):
        report.facts[f"{name} images"] = f"{len(split):,}"
        counts = np.bincount(split.labels, minlength=len(raw.classes))
        report.facts[f"{name} images of a class"] = f"{counts.min():,} to {counts.max():,}"
        report.faults += [(f"{name}, class {raw.classes[c]}", "has no images") for c in np.flatnonzero(counts == 0)]
        with ThreadPoolExecutor(cores()) as pool:
            report.faults += filter(None, pool.map(partial(_decode, split), range(len(split))))


def _decode(split: EncodedSplit, index: int) -> tuple[str, str] | None:
    try:
        raw = split.source.read(int(split.chosen[index]))
        split.opened(index, raw).verified()
    except OSError as error:
        return split.name(index), str(error.strerror or error)
    except DataError as error:
        return split.name(index), error.message.partition(NOT_DECODED)[2] or error.message
    return None


def _splits(raw: Raw) -> Iterator[tuple[str, EncodedSplit]]:
    for name, split in (("train", raw.train), ("test", raw.test), ("val", raw.validation)):
        if isinstance(split, EncodedSplit):
            yield name, split


def _count(report: Report, folder: Path, found: int, classes: int | None) -> None:
    report.facts["classes"] = f"{found:,}"
    if classes is not None and classes != found:
        report.faults.append((str(folder), f"has {found:,} classes, and the net tells {classes:,} apart"))
