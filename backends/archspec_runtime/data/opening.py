"""Opening a data set: reading it, checking that it is the net's, and setting its holdout aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec_runtime.data.splits import Dataset, Raw
from archspec_runtime.draws import holdout_split
from archspec_runtime.errors import DataError
from archspec_runtime.files.os_errors import not_read
from archspec_runtime.parts import extra, part
from archspec_runtime.recipe.data_sets import HOMES, DataSet
from archspec_runtime.recipe.images import Data

Shape = tuple[int, int, int]

LEFT_OUT = "archspec_runtime.data.left_out"
EMBEDDED = ("digits", "synthetic")
"""What comes with a library, or is made here."""


def data_set(data: Data) -> DataSet:
    """What reads the images of a recipe: what its `train.py` states, or one of the runtime's by its name. Raises RunError."""
    if isinstance(data.dataset, DataSet):
        return data.dataset
    if data.dataset not in HOMES:
        raise DataError(f"there is no data set {data.dataset!r}", f"one of {', '.join(HOMES)}")
    found: DataSet = getattr(
        part(f"archspec_runtime.data.{HOMES[data.dataset]}", f"the data set {data.dataset}"), data.dataset
    )
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
    left_out = extra(LEFT_OUT)
    notices = () if left_out is None else left_out.notices_of(raw, folder, trains=names is None)
    alone = raw.val_is_test and validation is None
    return Dataset(train, validation, raw.test, raw.classes, raw.listings(), notices, alone)


def _check(raw: Raw, data: Data, input_shape: Shape, classes: int, *, named: bool) -> None:
    left_out = extra(LEFT_OUT)
    if left_out is not None:
        left_out.refuse_unknown(raw, named=named)
    if len(raw.classes) != classes:
        has = "1 class" if len(raw.classes) == 1 else f"{len(raw.classes):,} classes"
        more = left_out.about_classes(raw, classes) if left_out else ""
        set_ = left_out.remedy(raw) if left_out else f"train or build the net with --set classes={len(raw.classes)}"
        raise DataError(f"{data.dataset} has {has}, and the net {classes}{more}", set_)
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
