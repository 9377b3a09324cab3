"""WebDataset tars: samples whose files share a name up to the first dot, `0001.jpg` with `0001.cls`.

A plain tar holds each file as it is, so its images are read where they lie, in any order, by an index of where each begins. No
sample is reached by reading others, so order, shuffling and resuming are those of an image folder.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

import numpy as np

from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.membership import (
    LINK,
    NESTED,
    NO_IMAGE,
    OTHER_MEMBER,
    LeftOut,
)
from archspec_runtime.data.remote import cached, is_url
from archspec_runtime.data.sources import Names, Ranges
from archspec_runtime.data.splits import Raw, listed
from archspec_runtime.data.suffixes import SUFFIXES, is_image, passed_over
from archspec_runtime.data.test_only import tests_alone
from archspec_runtime.data.test_split import set_aside
from archspec_runtime.errors import DataError, RunError
from archspec_runtime.files.os_errors import entries, not_read, regular
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

LABEL = "cls"
TEXT, JSON = 256, 1 << 20  # bytes that a member with a label has at most, and a member of JSON
Entry = tuple[int, int, int, str, str, bool]  # file, start, size, name, label, whether a member says so


def read_shards(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """The splits of tars; labels are whole numbers in `.cls` files, or the folders of the images where there are none."""
    share, left_out = data.test_share, LeftOut()
    train = expand(data.train, folder, "train*.tar")
    learnt = list(_entries(train, "train", data, left_out))
    files = held_files(data, folder, ".tar") if share is None else {}
    held = {name: list(_entries(paths, name, data, left_out)) for name, paths in files.items()}
    names = _class_names(learnt, train, classes)
    split = _split(learnt, train, names, shape[0])
    if share is not None:
        return Raw(*set_aside(split, share), names, None, left_out)
    splits = {name: _split(entries, files[name], names, shape[0]) for name, entries in held.items()}
    return Raw.of(split, splits, names, left_out)


def held_files(data: Data, folder: Path | None, suffix: str, *places: str) -> dict[str, tuple[Path, ...]]:
    """The files of images to measure on: those of `data.test`, or test*, val* or both. Raises DataError where there are none."""
    if data.test is not None or folder is None or not folder.is_dir():
        return {"test": expand(data.test, folder, f"test*{suffix}", f"val*{suffix}")}
    patterns = {name: [f"{place}{name}*{suffix}" for place in ("", *places)] for name in ("test", "val")}
    found = {name: some for name in patterns if (some := _matching(folder, patterns[name]))}
    if not found:
        form = " or ".join(pattern for some in patterns.values() for pattern in some)
        help_ = "--set train.data.test=PATTERN says which they are, and 20% sets a fifth of each class aside"
        raise DataError(f"{folder} holds nothing of the form {form} to measure the error on", help_)
    return found


def _matching(folder: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files of patterns. Raises DataError where a folder may not be read, of which `glob` says nothing."""
    for place in {folder / Path(pattern).parent for pattern in patterns}:
        if place.is_dir():
            entries(place)
    return tuple(folder / name for name in sorted({name for p in patterns for name in glob(p, root_dir=folder)}))


def _class_names(entries: list[Entry], paths: tuple[Path, ...], classes: int) -> tuple[str, ...]:
    """The classes of training images: numbers up to the highest, or names in sorted order, as those of folders are."""
    for entry in entries:
        if entry[5] != entries[0][5]:
            _, (file, _, _, name, _, _) = sorted([entries[0], entry], key=lambda e: -e[5])
            message = f"{paths[file]}: {name} has no label of its own, and other images have"
            raise DataError(message, "either all samples have a member with their class, or it is their folder")
    labels = {entry[4] for entry in entries}
    numbered = [entry for entry in entries if entry[5] and entry[4].isdecimal()]
    if not numbered:
        return tuple(sorted(labels))
    for file, _, _, name, label, _ in entries:
        if not label.isdecimal():
            message = f"{paths[file]}: the label of {name} is {label!r}, not a whole number, as those of others are"
            raise DataError(message, "labels are numbers from 0, or all of them names")
    top = max(numbered, key=lambda entry: int(entry[4]))
    check_highest(int(top[4]), max(classes, len(entries)), f"{paths[top[0]]}:{top[3]}")
    return tuple(map(str, range(max(classes, 1 + int(top[4])))))


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
    found = _matching(folder, patterns)
    if not found:
        below = next(iter(_matching(folder, [f"*/{p}" for p in patterns])), None)
        near = f"there are such files in {below.parent}: give that with --data" if below else None
        raise DataError(
            f"{folder} holds nothing of the form {form}", near or "see `data.train` and `data.test` of the recipe"
        )
    return found


def _braces(pattern: str) -> list[str]:
    if "{" not in pattern:
        return [pattern]
    try:
        import braceexpand  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        message = f"braces as in {pattern!r} are expanded by braceexpand, which is not installed"
        raise RunError(message, "pip install braceexpand") from None
    try:
        return list(braceexpand.braceexpand(pattern))
    except ValueError as error:
        raise DataError(f"{pattern!r}: {error}", "as in train-{000..146}.tar") from None


def _entries(shards: tuple[Path, ...], split: str, data: Data, left_out: LeftOut) -> Iterator[Entry]:
    count = 0
    for number, path in enumerate(shards):
        for entry in _members(path, number, data, left_out):
            yield entry
            count += 1
    if not count:
        why = "; ".join(left_out.reasons())
        raise DataError(
            f"{shards[0]} and the other tars of {split} hold no images" + (f"; left out: {why}" if why else ""),
            f"members end in {f'.{data.image}' if data.image else ', '.join(sorted(SUFFIXES))}",
        )


def _members(path: Path, number: int, data: Data, left_out: LeftOut) -> Iterator[Entry]:
    found: dict[str, list[tuple[str, int, int, str]]] = {}  # by sample: extension, start, size, name
    labels: dict[str, str] = {}
    wanted, _, key_of_json = (data.label or LABEL).partition(":")
    length = regular(path, "a tar").stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                folder, _, base = member.name.removeprefix("./").rpartition("/")
                parts = [part for part in (*folder.split("/"), base) if part not in ("", ".", "..")]
                if why := next(filter(None, map(passed_over, parts)), None):
                    left_out.add(f"{path}:{member.name}", why)
                    continue
                stem, _, extension = base.partition(".")
                sample, extension = f"{folder}/{stem}", extension.lower()
                image = is_image(base) if data.image is None else extension == data.image.lower().lstrip(".")
                if not member.isreg() or member.issparse():
                    left_out.add(f"{path}:{member.name}", LINK, doubtful=image)
                    continue
                if member.offset_data + member.size > length:
                    raise DataError(f"{path} is cut off in {member.name}", "fetch it again")
                if extension == wanted:
                    labels[sample] = _label(archive, member, path, key_of_json)
                elif image:
                    one = (extension, member.offset_data, member.size, member.name)
                    found.setdefault(sample, []).append(one)
                elif is_image(base):
                    left_out.add(f"{path}:{member.name}", OTHER_MEMBER)
            ends = archive.offset
        with open(path, "rb") as file:
            file.seek(ends)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # which every tar ends with
                raise DataError(f"{path} is cut off after {ends:,} bytes", "fetch it again")
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", not_read(error)) from None
    except (OSError, tarfile.TarError) as error:
        message = f"{path} is not a plain tar: {getattr(error, 'strerror', None) or error}"
        raise DataError(message, "tars of images are not compressed: unpack .gz, or fetch it again") from None
    top = min((sample.count("/") for sample in found if sample not in labels), default=0)
    for sample, images in found.items():
        start, size, name = _chosen(path, sample, images, left_out)
        said = sample in labels
        label = labels.pop(sample) if said else sample.rpartition("/")[0].rpartition("/")[2]
        if not label or (not said and data.label):
            wants = f"{sample.strip('/')}.{wanted} beside it holds its class"
            raise DataError(f"{path}: {name} has no label", f"{wants}, as a number or a name; or set `data.label`")
        if not said and sample.count("/") > top:
            left_out.add(f"{path}:{name}", NESTED, doubtful=True)
        else:
            yield number, start, size, name, label, said
    for sample in labels:
        left_out.add(f"{path}:{sample.strip('/')}.{wanted}", NO_IMAGE, doubtful=True)


def _chosen(
    path: Path, sample: str, images: list[tuple[str, int, int, str]], left_out: LeftOut
) -> tuple[int, int, str]:
    """Which member is the image of a sample: the one whose extension has no dot, as `.jpg` beside `.seg.png`."""
    plain = [one for one in images if "." not in one[0]] if len(images) > 1 else images
    if len(plain) != 1:
        which = ", ".join(name for _, _, _, name in images)
        raise DataError(
            f"{path} has {len(images)} images of the name {sample.strip('/')}: {which}",
            f"a sample is one image with its label: --set train.data.image={images[0][0]} says which member it is; "
            "the name of a sample ends at its first dot",
        )
    for one in images:
        if one is not plain[0]:
            left_out.add(f"{path}:{one[3]}", OTHER_MEMBER)
    return plain[0][1:]


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, key: str) -> str:
    """The label in a member: a whole number or the name of a class, as text or as a value in JSON."""
    where, most = f"{path}: {member.name}", JSON if key else TEXT
    if member.size > most:
        raise DataError(f"{where} has {member.size:,} bytes, and a label at most {most:,}", "set `data.label`")
    file = archive.extractfile(member)
    text = file.read().decode("utf-8", "replace").strip() if file else ""
    if key:
        try:
            value = json.loads(text)
            text = str(value[key]) if isinstance(value[key], int | str) and not isinstance(value[key], bool) else ""
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(
                f"{where} has no {key!r}", "set `data.label` to json:KEY, of a KEY that it has"
            ) from None
    return checked_label(text, where)


def checked_label(text: str, where: str) -> str:
    """A label as it is written: `7` or `cat`. Raises DataError for one that is none, such as -1."""
    if not text:
        raise DataError(f"{where} holds no label", "it holds the class of its image, as a number from 0 or a name")
    if text.isascii() and text.isdigit():
        return str(int(text))
    try:
        negative = float(text)
    except ValueError:
        if text.isprintable():
            return text
        raise DataError(
            f"{where} holds no label", "it holds the class of its image, as a number from 0 or a name"
        ) from None
    raise DataError(f"{where}: the label is {text}, not a whole number from 0", unlabelled(negative))


def unlabelled(label: float) -> str:
    """What helps against a label that is no class."""
    if label == -1:
        return "-1 stands for images without a label, as in the test splits of some data sets: take a split that has labels"
    return "labels count classes from 0: fix it, or fetch it again"


def _split(entries: list[Entry], paths: tuple[Path, ...], names: tuple[str, ...], channels: int) -> EncodedSplit:
    numbers = {name: label for label, name in enumerate(names)}
    for file, _, _, name, label, _ in entries:
        if label not in numbers:
            raise DataError(
                f"{paths[file]}: {name} is of class {label}, and there are {len(names)}: {listed(names)}",
                "the label is not the net's",
            )
    table = np.array([(e[0], e[1], e[2], numbers[e[4]]) for e in entries], np.int64)
    files, starts, sizes, labels = (np.ascontiguousarray(column) for column in table.T)
    source = Ranges(paths, files, starts, sizes, Names.of([e[3] for e in entries]))
    return EncodedSplit.of(source, labels, channels)


webdataset = DataSet("webdataset", read_shards, read_named=tests_alone(read_shards, "tar", ""))
