"""What is in a data set, and everything that is wrong with it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from archspec_runtime.data import scanning
from archspec_runtime.data.cifar import CLASSES, read_cifar
from archspec_runtime.data.cifar_files import inspect_cifar
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.folder import HELD, read_folder
from archspec_runtime.data.membership import OTHER_SUFFIX, LeftOut, in_it
from archspec_runtime.data.packed import is_packed
from archspec_runtime.data.parquet import read_parquet
from archspec_runtime.data.shards import read_shards
from archspec_runtime.data.splits import ArraySplit, Raw
from archspec_runtime.data.suffixes import passed_over
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import entries, regular
from archspec_runtime.images.pillow import UNREADABLE
from archspec_runtime.processes.platforms import cores
from archspec_runtime.recipe.images import Data

ENCODED = {"image_folder": read_folder, "webdataset": read_shards, "parquet": read_parquet}
KINDS = (*ENCODED, *CLASSES)
FLAT = "20%"  # of a folder of classes
DOCUMENTS = ("PDF", "EPS", "WMF")  # which Pillow opens, and which are no photographs
NOT_DECODED = "cannot be read as an image: "


@dataclass(slots=True)
class Report:
    """What was found: facts by name, and faults as (where, what), what was left out and may be so, and images that are equal."""

    facts: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, ...]] = field(default_factory=list)


def guess(folder: Path) -> str:
    """Which kind of data set a folder or an archive holds. Raises DataError where none is recognised."""
    if not folder.is_dir():
        regular(folder, "a folder or an archive")
        return "cifar100" if "cifar-100" in folder.name else "cifar10"
    inside = entries(folder)  # which says if it may not be read
    if is_packed(folder) or any((folder / name).is_dir() for name in ("train", "test", "val")):
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
    if any(
        entry.is_dir() and not passed_over(entry.name) and scanning.images(Path(entry.path), LeftOut())
        for entry in inside
    ):
        return "image_folder"
    raise DataError(
        f"{folder} holds no data set that is known",
        _near(folder) or f"say which it is with --dataset: {', '.join(KINDS)}",
    )


def _near(folder: Path) -> str | None:
    """Where below a folder tars or Parquet files lie, as in what was fetched of Hugging Face's hub."""
    below = next((path for kind in ("tar", "parquet") for path in sorted(folder.glob(f"*/*.{kind}"))), None)
    return f"there are files of data in {below.parent}: give that" if below else None


def verify(folder: Path, data: Data, classes: int | None = None) -> Report:
    """Read all of a data set, of a kind that a recipe can name; `classes` is how many the net tells apart."""
    report = Report({"kind": data.dataset})
    try:
        if data.dataset in CLASSES:
            _verify_cifar(report, folder, data.dataset, classes)
        else:
            _verify_encoded(report, folder, data, classes)
    except DataError as error:
        report.faults.append((str(folder), f"{error.message}; {error.hint}" if error.hint else error.message))
    except OSError as error:
        report.faults.append((str(error.filename or folder), f"cannot be read: {error.strerror or error}"))
    return report


def _verify_cifar(report: Report, folder: Path, name: str, classes: int | None) -> None:
    total = 0
    for file, count, fault in inspect_cifar(name, folder):
        total += count
        if fault:
            report.faults.append((file, fault))
    report.facts["images"] = f"{total:,}"
    _count(report, folder, len(CLASSES[name]), classes)
    if report.faults:
        return
    raw = read_cifar(name)(folder, (3, 32, 32), 0, Data(dataset=name))
    seen: dict[bytes, list[str]] = {}
    for split, images in raw.splits.items():
        assert isinstance(images, ArraySplit)
        for index, image in enumerate(images.images):
            seen.setdefault(_digest(image.tobytes()), []).append(f"{split} image {index}")
    _tell_equal(report, seen)


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def _tell_equal(report: Report, seen: dict[bytes, list[str]]) -> None:
    report.duplicates += [tuple(names) for names in seen.values() if len(names) > 1]
    report.facts["equal images"] = f"{sum(len(names) - 1 for names in report.duplicates):,}"


def _verify_encoded(report: Report, folder: Path, data: Data, classes: int | None) -> None:
    # any resizing, so that images are not put into memory
    plain = replace(data, augment=(), eval_resize=1)
    if data.dataset == "image_folder" and not is_packed(folder):
        raw = _read_folder(report, folder, plain)
    else:
        raw = ENCODED[data.dataset](folder, (3, 1, 1), classes or 0, plain)
    splits = {_on_disk(folder, data, name): split for name, split in _splits(raw)}
    filled = {name: np.bincount(split.labels, minlength=len(raw.classes)) > 0 for name, split in splits.items()}
    some = int(np.any(list(filled.values()), axis=0).sum())
    # classes without any image are told as such, and not once more by the number of classes
    _count(report, folder, len(raw.classes), None if some == classes else classes)
    report.faults += _empty(folder, raw.classes, filled)
    seen: dict[bytes, list[str]] = {}
    for name, split in splits.items():
        report.facts[f"{name} images"] = f"{len(split):,}"
        counts = np.bincount(split.labels, minlength=len(raw.classes))
        report.facts[f"{name} images of a class"] = f"{counts.min():,} to {counts.max():,}"
        with ThreadPoolExecutor(cores()) as pool:
            for index, (digest, fault) in enumerate(pool.map(partial(_decode, split), range(len(split)))):
                if fault:
                    report.faults.append((split.name(index), fault))
                elif digest:
                    seen.setdefault(digest, []).append(split.name(index))
    _tell_equal(report, seen)
    _tell_left_out(report, raw.left_out or LeftOut())


def _on_disk(folder: Path, data: Data, split: str) -> str:
    """What a split is called where it lies: a folder val/ alone is what is tested on."""
    alone = data.dataset == "image_folder" and scanning.has_folder(folder, "val") and not is_packed(folder)
    return "val" if split == "test" and alone and not scanning.has_folder(folder, "test") else split


def _empty(folder: Path, classes: Sequence[str], filled: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Classes without images: one that has none at all is told once, by its folder where there is one."""
    for label, name in enumerate(classes):
        lacks = [split for split, has in filled.items() if not has[label]]
        places = [folder / split / name for split in lacks] + [folder / name] * (len(lacks) == len(filled))
        there = next((str(path) for path in places if path.is_dir()), None)
        if lacks and len(lacks) == len(filled):
            yield there or f"class {name}", f"has no images in {' or '.join(lacks)}"
        else:
            yield from ((f"{split}, class {name}", "has no images") for split in lacks)


def _read_folder(report: Report, folder: Path, data: Data) -> Raw:
    """An image folder in whichever form it comes: of a flat one all is read, and of one without train/ what there is."""
    held = [name for name in HELD if scanning.has_folder(folder, name)]
    if scanning.has_folder(folder, "train"):
        if not held and data.test is None:
            report.faults.append((str(folder), "has neither test/ nor val/: train with data.test=20%"))
            data = replace(data, test=FLAT)
        return read_folder(folder, (3, 1, 1), 0, data)
    if held:
        report.faults.append((str(folder), "has no train/"))
        names = scanning.class_folders(folder / held[0], LeftOut())
        return read_folder(folder, (3, 1, 1), 0, replace(data, test=None), names)
    return read_folder(folder, (3, 1, 1), 0, data if data.test is not None else replace(data, test=FLAT))


def _tell_left_out(report: Report, left_out: LeftOut) -> None:
    report.facts["left out"] = f"{len(left_out):,}"
    for one in left_out.omissions:
        why = f"{one.why}{in_it(one.images)}"
        if one.doubtful or (one.why == OTHER_SUFFIX and _seems_image(one.where)):
            report.faults.append((one.where, f"is left out: {why}"))
        else:
            report.left_out.append((one.where, why))


def _seems_image(path: str) -> bool:
    """Whether a file is an image by its first bytes, whatever its suffix."""
    try:
        if not Path(path).is_file():
            return False
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            return image.format not in DOCUMENTS
    except (*UNREADABLE, LookupError, ArithmeticError, TypeError, AttributeError, MemoryError):
        return False


def _decode(split: EncodedSplit, index: int) -> tuple[bytes, str]:
    """A hash of an image's bytes, and what is wrong with it."""
    try:
        raw = split.source.read(int(split.chosen[index]))
        split.opened(index, raw).verified()
    except OSError as error:
        return b"", str(error.strerror or error)
    except DataError as error:
        return b"", error.message.partition(NOT_DECODED)[2] or error.message
    return _digest(raw), ""


def _splits(raw: Raw) -> Iterator[tuple[str, EncodedSplit]]:
    for name, split in raw.splits.items():
        if isinstance(split, EncodedSplit):
            yield name, split


def _count(report: Report, folder: Path, found: int, classes: int | None) -> None:
    report.facts["classes"] = f"{found:,}"
    if classes is not None and classes != found:
        has = "1 class" if found == 1 else f"{found:,} classes"
        report.faults.append((str(folder), f"has {has}, and the net tells {classes:,} apart"))
