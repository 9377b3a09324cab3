"""A folder of images: ROOT/train/<class>/* and ROOT/test or val/<class>/*, or ROOT/<class>/*, read as they are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archspec_runtime.data import scanning
from archspec_runtime.data.encoded import EncodedSplit, Skipped
from archspec_runtime.data.membership import UNKNOWN_CLASS, LeftOut
from archspec_runtime.data.packed import is_packed, read_packed
from archspec_runtime.data.sources import Files, Names
from archspec_runtime.data.splits import ArraySplit, Raw, Split, listed
from archspec_runtime.data.suffixes import SUFFIXES
from archspec_runtime.data.test_split import nothing, set_aside
from archspec_runtime.errors import DataError
from archspec_runtime.images.pillow import to_array
from archspec_runtime.recipe.augmentations import RandomCrop, RandomResizedCrop, ResizeShorter
from archspec_runtime.recipe.data_sets import DataSet
from archspec_runtime.recipe.images import Data

LAYOUT = (
    "give --data ROOT, where images lie in ROOT/train/<class>/ and ROOT/val/<class>/, a folder a class "
    "(ImageNet: image-net.org/download; CIFAR-10: `archspec data fetch cifar10`, and a spec of it; for a first run without "
    "images: --set train.data.dataset=synthetic)"
)
IN_MEMORY = 1 << 30  # bytes of decoded images up to which a folder of equal sizes is read at once
HELD = ("test", "val")


def read_folder(
    folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data, names: Sequence[str] | None = None
) -> Raw:
    """The splits of an image folder. Its classes are the folders of train/, or its own, in sorted order.

    With the `names` of a run's classes those are its classes; some of them may be missing, as train/ may.
    """
    root = _root(folder)
    channels = _channels(shape)
    if is_packed(root):
        return read_packed(root, channels)
    left_out, run = LeftOut(), names is not None
    where = {name: root / name for name in ("train", *HELD) if scanning.has_folder(root, name)}
    if "train" not in where and (names is None or not where):
        where["test" if names is not None and data.test_share is None else "train"] = _flat(
            root, where, alone=names is not None or data.test_share is not None
        )
    found = {name: scanning.class_folders(path, left_out) for name, path in where.items()}
    if names is None:
        names = found["train"]
    for name, others in found.items():
        for other in others:
            if other not in names:
                left_out.add(where[name] / other, UNKNOWN_CLASS, doubtful=True)
    splits = {name: _list(path, found[name], names, channels, left_out) for name, path in where.items()}
    held = [name for name in HELD if name in where]
    if data.test_share is not None and "train" in splits and not (run and held):
        if held:
            raise DataError(
                f"{root} has {held[0]}/, and the recipe sets {data.test} of train/ aside to test on",
                "leave out `data.test`",
            )
        splits["train"], splits["test"] = set_aside(splits["train"], data.test_share)
        held = ["test"]
    if not held:
        raise DataError(
            f"{root} has neither test/ nor val/, and images to measure the error on are needed",
            "--set train.data.test=20% sets a fifth of each class aside",
        )
    read = _in_memory(splits, shape, data)
    measured = {name: read[name] for name in held}
    return Raw.of(read.get("train", nothing(shape)), measured, tuple(names), left_out)


def _root(folder: Path | None) -> Path:
    what = "the recipe trains on a folder of images"
    if folder is None:
        raise DataError(f"{what}, and --data does not say which", LAYOUT)
    if not folder.is_dir():
        raise DataError(f"{what}, and {folder} {'is none' if folder.exists() else 'does not exist'}", LAYOUT)
    return folder


def _flat(root: Path, splits: dict[str, Path], *, alone: bool) -> Path:
    """A folder without train/, if its own folders are those of classes, which will do `alone`. Raises DataError for others."""
    classes = [] if splits else [name for name in scanning.class_folders(root, LeftOut())
                                 if scanning.images(root / name, LeftOut())]  # fmt: skip
    layout = "an image folder is ROOT/train/<class>/* and ROOT/test or ROOT/val/<class>/*, or ROOT/<class>/*"
    if not classes:
        raise DataError(f"{root} has no train/", layout)
    if not alone:
        held = f"{root} holds folders of classes ({listed(classes, 5)}), and no images to measure the error on"
        raise DataError(held, f"--set train.data.test=20% sets a fifth of each class aside; or {layout}")
    return root


def _channels(shape: tuple[int, int, int]) -> int:
    if shape[0] not in (1, 3):
        raise DataError(f"images have 1 or 3 channels, and the net takes {shape[0]}", "--set input.channels=3")
    return shape[0]


def _list(
    folder: Path, found: Sequence[str], names: Sequence[str], channels: int, left_out: LeftOut
) -> EncodedSplit:
    files, labels = list[str](), list[int]()
    numbers = {name: label for label, name in enumerate(names)}
    for name in found:
        if name in numbers:
            inside = scanning.images(folder / name, left_out)
            files += [f"{name}/{file}" for file in inside]
            labels += [numbers[name]] * len(inside)
    if not files and not (found and numbers.keys().isdisjoint(found)):  # of whose classes the caller speaks
        why = "; ".join(left_out.reasons())
        raise DataError(
            f"{folder} holds no images" + (f"; left out: {why}" if why else ""),
            f"images lie in {folder}/<class>/ and end in {', '.join(sorted(SUFFIXES))}",
        )
    return EncodedSplit.of(Files(folder, Names.of(files)), np.asarray(labels, np.int64), channels)


def _in_memory(splits: dict[str, EncodedSplit], shape: tuple[int, int, int], data: Data) -> dict[str, Split]:
    """The splits, read at once where they are small and every image is to have the net's size."""
    crops = (ResizeShorter, RandomCrop, RandomResizedCrop)
    cropped = any(isinstance(a, crops) for a in data.augment) or data.eval_resize is not None
    if cropped or math.prod(shape) * sum(map(len, splits.values())) > IN_MEMORY:
        return dict(splits)
    return {name: _load(s, shape, data.corrupt == "skip" and name == "train") for name, s in splits.items()}


def _load(split: EncodedSplit, shape: tuple[int, int, int], skip: bool) -> ArraySplit:
    images, labels = np.empty((len(split), *shape), np.uint8), split.labels.copy()
    skipped = Skipped()
    for index in range(len(split)):
        used, image = split.readable(index, lambda photo: photo.image(), skip, skipped.append)
        pixels = to_array(image)
        if pixels.shape != shape:
            has, takes = ("x".join(map(str, s)) for s in (pixels.shape, shape))
            fix = "resize the images, or add `resize_shorter`, `random_crop` and `eval_resize` to the recipe"
            raise DataError(f"{split.name(used)} is {has}, and the net takes {takes}", fix)
        images[index], labels[index] = pixels, split.labels[used]
    return ArraySplit(images, labels, split.names)


image_folder = DataSet("image_folder", read_folder, read_named=read_folder)
