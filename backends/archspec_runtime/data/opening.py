"""Opening a data set: reading it, checking that it is the net's, and setting its holdout aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from archspec_runtime.data.membership import HIDDEN, OF_A_SYSTEM, UNKNOWN_CLASS
from archspec_runtime.data.splits import Dataset, Raw, listed, other_class
from archspec_runtime.draws import holdout_split
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read
from archspec_runtime.parts import part
from archspec_runtime.recipe.data_sets import HOMES, DataSet
from archspec_runtime.recipe.recipe import Data

Shape = tuple[int, int, int]

EMBEDDED = ("digits", "synthetic")
"""What comes with a library, or is made here."""


def data_set(data: Data) -> DataSet:
    """What reads the images of a recipe: what its `train.py` states, or one of the runtime's by its name. Raises RunError."""
    if isinstance(data.dataset, DataSet):
        return data.dataset
    if data.dataset not in HOMES:
        raise DataError(f"there is no data set {data.dataset!r}", f"one of {', '.join(HOMES)}")
    found: DataSet = getattr(part(f"data.{HOMES[data.dataset]}", f"the data set {data.dataset}"), data.dataset)
    return found


def check_folder(data: Data, folder: Path | None) -> None:
    """Raise DataError where a folder is given that is not there, or for a data set that takes none."""
    source = data_set(data)
    if folder is not None and data.dataset in EMBEDDED:
        message = f"the data set {data.dataset} takes no folder, and --data is {folder}"
        raise DataError(message, "leave --data out; images in a folder are the data set `image_folder`", 2)
    if folder is not None and not folder.exists():
        source.read(folder, (3, 1, 1), 1, data)  # raises: it says first what it needs there


def open_dataset(
    data: Data,
    folder: Path | None,
    *,
    input_shape: Shape,
    classes: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Read a data set and set its holdout aside.

    With `names`, the classes that a net was trained on by label, those of the data set are matched by name; some of them may be
    missing, and so may train/. Raises DataError where files are missing or damaged, or where images (C, H, W) or classes are
    not the net's.
    """
    try:
        check_folder(data, folder)
        source = data_set(data)
        if names is not None and source.read_named is not None:
            raw = source.read_named(folder, input_shape, classes, data, names)
        else:
            raw = source.read(folder, input_shape, classes, data)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}", not_read(error)
        ) from None
    if names is not None:
        raw = raw.renumbered(names)
    _check(raw, data, input_shape, classes, named=names is not None)
    kept, held = holdout_split(seed, len(raw.train), data.holdout if len(raw.train) else 0)
    validation = raw.train.subset(held) if len(held) else raw.validation
    train = raw.train.subset(kept) if len(held) else raw.train
    notices = notices_of(raw, folder, trains=names is None)
    alone = raw.val_is_test and validation is None
    return Dataset(train, validation, raw.test, raw.classes, raw.listings(), notices, alone)


def refuse_unknown(raw: Raw, *, named: bool = False) -> None:
    """Raise DataError for images of a class that train/ has not, or that is not among those that a net was trained on."""
    # Where a net is measured, a split to measure on is named before train/.
    for one in sorted(raw.left_out.omissions, key=lambda one: named and Path(one.where).parent.name == "train"):
        if one.why == UNKNOWN_CLASS:
            if named:
                raise other_class(Path(one.where).name, raw.classes, raw.present, str(Path(one.where).parent))
            message = f"{one.where}: there is no class {Path(one.where).name!r} in train/"
            raise DataError(message, "give both splits the same folders")


def _check(raw: Raw, data: Data, input_shape: Shape, classes: int, *, named: bool) -> None:
    refuse_unknown(raw, named=named)
    if len(raw.classes) != classes:
        has = "1 class" if len(raw.classes) == 1 else f"{len(raw.classes):,} classes"
        raise DataError(f"{data.dataset} has {has}, and the net {classes}{_odd_classes(raw)}"
                        f"{_passed_over(raw, classes)}",
                        _remedy(raw))  # fmt: skip
    shape = raw.test.shape
    if shape is not None and shape != input_shape:
        has, takes = ("x".join(map(str, s)) for s in (shape, input_shape))
        raise DataError(
            f"{data.dataset} has images of {has}, and the net takes {takes}",
            f"train or build it with --set input.channels={shape[0]} --set input.size={shape[1]}",
        )
    if len(raw.train) and data.holdout >= len(raw.train):
        raise DataError(
            f"a holdout of {data.holdout} leaves nothing of {len(raw.train)} training images", "hold out fewer"
        )


def _odd_classes(raw: Raw) -> str:
    """Which classes may be none: those without images, or else those that one split alone has."""
    found = {
        name: set(np.flatnonzero(split.listing(len(raw.classes)).of_classes)) for name, split in raw.splits.items()
    }
    every = set(range(len(raw.classes)))
    if empty := every - found["train"]:
        return f"; without training images: {_quoted(raw, empty)}"
    if alone := every - found["test"]:
        return f"; without images in test: {_quoted(raw, alone)}"
    return ""


def _passed_over(raw: Raw, classes: int) -> str:
    """The folders that may be the missing classes, and are none by their names."""
    names = [
        one.where for one in raw.left_out.omissions if one.why in (HIDDEN, OF_A_SYSTEM) and Path(one.where).is_dir()
    ]
    return f"; left out by their names: {listed(names, 3)}" if names and len(raw.classes) < classes else ""


def _remedy(raw: Raw) -> str:
    set_ = f"--set classes={len(raw.classes)}"
    if _odd_classes(raw):
        return f"take those folders out where they are no classes; otherwise train or build the net with {set_}"
    return f"train or build the net with {set_}; the classes are {listed(raw.classes)}"


def _quoted(raw: Raw, labels: Iterable[int]) -> str:
    return listed([repr(raw.classes[label]) for label in sorted(labels)])


def notices_of(raw: Raw, folder: Path | None, *, trains: bool) -> tuple[str, ...]:
    """What a user should know of a data set that can be used: what is left out, and classes without images."""
    notices = []
    if left_out := raw.left_out.summary(folder):
        notices.append(left_out)
    for name, split in raw.splits.items() if trains else ():
        empty = np.flatnonzero(np.bincount(split.labels, minlength=len(raw.classes)) == 0)
        if len(empty):
            what = "classes have" if len(empty) > 1 else "class has"
            notices.append(f"{len(empty):,} {what} no images in {name}: {_quoted(raw, empty)}")
    return tuple(notices)
