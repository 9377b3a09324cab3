"""A folder of images: ROOT/train/<class>/* and ROOT/test or val/<class>/*, read as they are needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..recipe import Data, RandomCrop, RandomResizedCrop, ResizeShorter
from .encoded import EncodedSplit, Skipped, to_array
from .packed import is_packed, read_packed
from .sources import Files, Names
from .splits import ArraySplit, Raw, Split

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
LAYOUT = (
    "give --data ROOT, where images lie in ROOT/train/<class>/ and ROOT/val/<class>/, a folder a class "
    "(ImageNet: image-net.org/download; for a first run without it: --set train.data.dataset=synthetic)"
)
IN_MEMORY = 1 << 30  # bytes of decoded images up to which a folder of equal sizes is read at once


def refuse(folder: Path) -> None:
    """Raise DataError for a folder of images whose class is not among those of train/."""
    raise DataError(f"{folder}: there is no class {folder.name!r} in train/", "give both splits the same folders")


def read_folder(
    folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data,
    unmatched: Callable[[Path], None] = refuse,
) -> Raw:  # fmt: skip
    """The splits of an image folder; classes are its folders in sorted order.

    `unmatched` is called with each folder whose class train/ has not; what it lets pass is left out.
    """
    if folder is None or not folder.is_dir():
        what = "the recipe trains on a folder of images"
        raise DataError(
            f"{what}, and --data does not say which" if folder is None else f"{what}, and {folder} is none", LAYOUT
        )
    channels = _channels(shape)
    if is_packed(folder):
        return read_packed(folder, channels)
    if not (folder / "train").is_dir():
        raise DataError(
            f"{folder} has no train/", "an image folder is ROOT/train/<class>/* and ROOT/test or ROOT/val/<class>/*"
        )
    names = tuple(sorted(p.name for p in (folder / "train").iterdir() if p.is_dir()))
    held = [n for n in ("test", "val") if (folder / n).is_dir()]
    if not held:
        raise DataError(f"{folder} has neither test/ nor val/", "set some images aside to measure the error on")
    for other in (p for n in held for p in sorted((folder / n).iterdir()) if p.is_dir()):
        if other.name not in names:
            unmatched(other)
    splits = {n: _list(folder / n, names, channels) for n in ("train", *held)}
    crops = (ResizeShorter, RandomCrop, RandomResizedCrop)
    cropped = any(isinstance(a, crops) for a in data.augment) or data.eval_resize is not None
    in_memory = math.prod(shape) * sum(len(s) for s in splits.values()) <= IN_MEMORY
    skip = data.corrupt == "skip"
    read: dict[str, Split] = {
        n: _load(s, shape, skip and n == "train") if in_memory and not cropped else s for n, s in splits.items()
    }
    return Raw(read["train"], read[held[0]], names, read["val"] if len(held) == 2 else None)


def _channels(shape: tuple[int, int, int]) -> int:
    if shape[0] not in (1, 3):
        raise DataError(f"images have 1 or 3 channels, and the net takes {shape[0]}", "--set input.channels=3")
    return shape[0]


def _list(folder: Path, names: tuple[str, ...], channels: int) -> EncodedSplit:
    found, labels = list[str](), list[int]()
    for label, name in enumerate(names):
        files = sorted(p.name for p in (folder / name).glob("*") if p.suffix.lower() in SUFFIXES)
        found += [f"{name}/{file}" for file in files]
        labels += [label] * len(files)
    if not found:
        raise DataError(f"{folder} holds no images", f"files end in {', '.join(sorted(SUFFIXES))}")
    return EncodedSplit.of(Files(folder, Names.of(found)), np.asarray(labels, np.int64), channels)


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
    return ArraySplit(images, labels, split.names())
