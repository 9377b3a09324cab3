"""What a user should know of a data set: what is left out of it, which may be a class, and classes without images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from archspec_runtime.data.class_names import other_class, present
from archspec_runtime.data.membership import UNKNOWN_CLASS
from archspec_runtime.data.splits import Raw, listed
from archspec_runtime.data.suffixes import HIDDEN, OF_A_SYSTEM
from archspec_runtime.errors import DataError


def refuse_unknown(raw: Raw, *, named: bool = False) -> None:
    """Raise DataError for images of a class that train/ has not, or that is not among those that a net was trained on."""
    omissions = raw.left_out.omissions if raw.left_out is not None else []
    # Where a net is measured, a split to measure on is named before train/.
    for one in sorted(omissions, key=lambda one: named and Path(one.where).parent.name == "train"):
        if one.why == UNKNOWN_CLASS:
            if named:
                raise other_class(Path(one.where).name, raw.classes, present(raw), str(Path(one.where).parent))
            message = f"{one.where}: there is no class {Path(one.where).name!r} in train/"
            raise DataError(message, "give both splits the same folders")


def passed_over_folders(raw: Raw, classes: int) -> str:
    """The folders that may be the missing classes, and are none by their names."""
    omissions = raw.left_out.omissions if raw.left_out is not None else []
    names = [one.where for one in omissions if one.why in (HIDDEN, OF_A_SYSTEM) and Path(one.where).is_dir()]
    return f"; left out by their names: {listed(names, 3)}" if names and len(raw.classes) < classes else ""


def about_classes(raw: Raw, classes: int) -> str:
    """Why a data set may have other classes than a net."""
    return _odd_classes(raw) + passed_over_folders(raw, classes)


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


def remedy(raw: Raw) -> str:
    """What helps where a data set has other classes than a net."""
    set_ = f"--set classes={len(raw.classes)}"
    if _odd_classes(raw):
        return f"take those folders out where they are no classes; otherwise train or build the net with {set_}"
    return f"train or build the net with {set_}; the classes are {listed(raw.classes)}"


def _quoted(raw: Raw, labels: Iterable[int]) -> str:
    return listed([repr(raw.classes[label]) for label in sorted(labels)])


def notices_of(raw: Raw, folder: Path | None, *, trains: bool) -> tuple[str, ...]:
    """What a user should know of a data set that can be used: what is left out, and classes without images."""
    notices = []
    if raw.left_out is not None and (left_out := raw.left_out.summary(folder)):
        notices.append(left_out)
    for name, split in raw.splits.items() if trains else ():
        empty = np.flatnonzero(np.bincount(split.labels, minlength=len(raw.classes)) == 0)
        if len(empty):
            what = "classes have" if len(empty) > 1 else "class has"
            notices.append(f"{len(empty):,} {what} no images in {name}: {_quoted(raw, empty)}")
    return tuple(notices)
