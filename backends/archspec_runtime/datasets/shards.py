"""WebDataset tars: samples whose files share a name up to the first dot, `0001.jpg` with `0001.cls`.

A plain tar holds each file as it is, so its images are read where they lie, in any order, by an index of where each begins. No
sample is reached by reading others, so order, shuffling and resuming are those of an image folder.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import numpy as np

from ..errors import DataError, RunError
from ..recipe import Data
from .encoded import EncodedSplit
from .remote import cached, is_url
from .sources import Names, Ranges
from .splits import Raw

IMAGES = {"jpg", "jpeg", "png", "webp", "bmp", "ppm", "gif", "tif", "tiff"}
Entry = tuple[int, int, int, str, str]  # file, start, size, name, label


def read_shards(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """The splits of tars; labels are whole numbers in `.cls` files, or the folders of the images where there are none."""
    train = expand(data.train, folder, "train*.tar")
    test = expand(data.test, folder, "test*.tar", "val*.tar")
    learnt, held = list(_entries(train, "train")), list(_entries(test, "test"))
    labels = {entry[4] for entry in learnt}
    if all(label.isdigit() for label in labels):
        highest = max(map(int, labels))
        place = next(f"{train[e[0]]}:{e[3]}" for e in learnt if int(e[4]) == highest)
        check_highest(highest, max(classes, len(learnt)), place)
        names = tuple(map(str, range(max(classes, 1 + highest))))
    else:
        names = tuple(sorted(labels))
    return Raw(_split(learnt, train, names, shape[0]), _split(held, test, names, shape[0]), names)


def check_highest(label: int, most: int, name: str) -> None:
    """Raise DataError where a label would make for more classes than the net or the images can have."""
    if label >= most:
        message = f"the label of {name} is {label}, and there are fewer images"
        raise DataError(message, "labels count classes from 0: mend it, or fetch it again")


def expand(pattern: str | None, folder: Path | None, *usual: str) -> tuple[Path, ...]:
    """The files of a pattern with braces (`train-{000..146}.tar`) and, in a folder, `*`; those of the web are fetched.

    Without a pattern, those of the usual ones. Raises DataError where there are none, where they would lie outside the
    folder, or where a folder is given that is not there.
    """
    patterns = list(usual) if pattern is None else sorted(_braces(pattern))
    if pattern is not None and is_url(pattern):
        if folder is not None and not folder.exists():
            raise DataError(f"{folder} does not exist", f"{pattern} is fetched: leave --data out")
        return tuple(cached(url) for url in patterns)
    form = pattern or " or ".join(usual)
    if folder is None or not folder.is_dir():
        raise DataError(f"{folder or 'no folder'}: a folder of {form} is needed", "give it with --data")
    if any(Path(p).is_absolute() or ".." in Path(p).parts for p in patterns):
        raise DataError(f"{form!r} leads out of {folder}", "patterns are relative to --data, or addresses")
    found = sorted({name for p in patterns for name in glob(p, root_dir=folder)})
    if not found:
        raise DataError(
            f"{folder} holds nothing of the form {form}", "see `data.train` and `data.test` of the recipe"
        )
    return tuple(folder / name for name in found)


def _braces(pattern: str) -> list[str]:
    if "{" not in pattern:
        return [pattern]
    try:
        import braceexpand  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        message = f"braces as in {pattern!r} are expanded by braceexpand, which is not installed"
        raise RunError(message, "pip install 'archspec-nn[webdataset]'") from None
    try:
        return list(braceexpand.braceexpand(pattern))
    except ValueError as error:
        raise DataError(f"{pattern!r}: {error}", "as in train-{000..146}.tar") from None


def _entries(shards: tuple[Path, ...], split: str) -> Iterator[Entry]:
    count = 0
    for number, path in enumerate(shards):
        for entry in _members(path, number):
            yield entry
            count += 1
    if not count:
        raise DataError(
            f"{shards[0]} and the other tars of {split} hold no images",
            f"members end in {', '.join(sorted(IMAGES))}",
        )


def _members(path: Path, number: int) -> Iterator[Entry]:
    images: dict[str, tuple[int, int, str]] = {}
    labels: dict[str, str] = {}
    try:
        length = path.stat().st_size
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isreg() or member.issparse():  # links and devices are nobody's sample
                    continue
                folder, _, base = member.name.removeprefix("./").rpartition("/")
                stem, _, extension = base.partition(".")
                key = f"{folder}/{stem}"
                if member.offset_data + member.size > length:
                    raise DataError(f"{path} is cut off in {member.name}", "fetch it again")
                if extension.lower() == "cls":
                    labels[key] = _label(archive, member, path)
                elif extension.lower().rpartition(".")[2] in IMAGES:
                    if key in images:
                        raise DataError(
                            f"{path} has two images of the name {key}", "a sample is one image with its label"
                        )
                    images[key] = member.offset_data, member.size, member.name
            ends = archive.offset
        with open(path, "rb") as file:
            file.seek(ends)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # which every tar ends with
                raise DataError(f"{path} is cut off after {ends:,} bytes", "fetch it again")
    except (OSError, tarfile.TarError) as error:
        message = f"{path} is not a plain tar: {getattr(error, 'strerror', None) or error}"
        raise DataError(message, "tars of images are not compressed: unpack .gz, or fetch it again") from None
    for key, (start, size, name) in images.items():
        label = labels.get(key, key.rpartition("/")[0].rpartition("/")[2])
        if not label:
            raise DataError(f"{path}: {name} has no label", f"{key}.cls beside it holds its class as a number")
        yield number, start, size, name, label


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    file = archive.extractfile(member)
    text = file.read(64).decode("ascii", "replace").strip() if file and member.size <= 64 else ""
    if not (text.isascii() and text.isdigit()):
        raise DataError(f"{path}: {member.name} is not a whole number", "a .cls file holds the class of its image")
    return str(int(text))


def _split(entries: list[Entry], paths: tuple[Path, ...], names: tuple[str, ...], channels: int) -> EncodedSplit:
    numbers = {name: label for label, name in enumerate(names)}
    for file, _, _, name, label in entries:
        if label not in numbers:
            raise DataError(
                f"{paths[file]}: {name} is of class {label}, and there are {len(names)}",
                "the label is not the net's",
            )
    table = np.array([(e[0], e[1], e[2], numbers[e[4]]) for e in entries], np.int64)
    files, starts, sizes, labels = (np.ascontiguousarray(column) for column in table.T)
    source = Ranges(paths, files, starts, sizes, Names.of([e[3] for e in entries]))
    return EncodedSplit.of(source, labels, channels)
