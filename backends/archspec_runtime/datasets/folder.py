"""A folder of images: ROOT/train/<class>/* and ROOT/test or val/<class>/*, read as they are needed."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError
from ..recipe import Data, RandomCrop, ResizeShorter
from .splits import ArraySplit, Ints, Labels, Raw, Split

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
IN_MEMORY = 1 << 30  # bytes of decoded images up to which a folder of equal sizes is read at once


@dataclass(frozen=True, slots=True)
class FolderSplit:
    """Files with labels (N,), decoded when asked for."""

    paths: tuple[Path, ...]
    labels: Labels
    channels: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> None:
        """Images of many sizes, cropped when read."""
        return None

    def subset(self, indices: Ints) -> FolderSplit:
        """The files at these indices."""
        return FolderSplit(tuple(self.paths[i] for i in indices), self.labels[indices], self.channels)

    def image(self, index: int) -> Image.Image:
        """One image, upright, in the net's number of channels."""
        return read_image(self.paths[index], self.channels)


def read_image(path: Path, channels: int) -> Image.Image:
    """Decode a file as a person sees it: turned as EXIF says, first frame, transparency on white. Raises DataError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(path.read_bytes()))
            image: Image.Image = ImageOps.exif_transpose(opened)
            if image.mode in ("I;16", "I;16B", "I", "F"):  # 16-bit grey: the high byte
                image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
            if image.mode in ("P", "LA", "PA", "RGBA") and (image.mode != "P" or "transparency" in image.info):
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return image.convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError,
            Image.DecompressionBombWarning) as error:  # fmt: skip
        raise DataError(f"{path} cannot be read as an image: {error}", "replace or remove the file") from None


def read_folder(folder: Path | None, shape: tuple[int, int, int], classes: int, data: Data) -> Raw:
    """The splits of an image folder; classes are its folders in sorted order."""
    if folder is None or not folder.is_dir():
        raise DataError(
            f"{folder or 'no folder'}: an image folder is needed", "give --data ROOT with ROOT/train/<class>/*.jpg"
        )
    if not (folder / "train").is_dir():
        raise DataError(
            f"{folder} has no train/", "an image folder is ROOT/train/<class>/* and ROOT/test or ROOT/val/<class>/*"
        )
    names = tuple(sorted(p.name for p in (folder / "train").iterdir() if p.is_dir()))
    held = next((folder / n for n in ("test", "val") if (folder / n).is_dir()), None)
    if held is None:
        raise DataError(f"{folder} has neither test/ nor val/", "set some images aside to measure the error on")
    channels = shape[0]
    if channels not in (1, 3):
        raise DataError(f"images have 1 or 3 channels, and the net takes {channels}", "--set input.channels=3")
    has_both = (folder / "test").is_dir() and (folder / "val").is_dir()
    splits = {n: _list(folder / n, names, channels) for n in ("train", held.name, *(["val"] if has_both else []))}
    cropped = any(isinstance(a, (ResizeShorter, RandomCrop)) for a in data.augment) or data.eval_resize is not None
    in_memory = math.prod(shape) * sum(len(s) for s in splits.values()) <= IN_MEMORY
    read: dict[str, Split] = {n: _load(s, shape) if in_memory and not cropped else s for n, s in splits.items()}
    return Raw(read["train"], read[held.name], names, read["val"] if has_both else None)


def _list(folder: Path, names: tuple[str, ...], channels: int) -> FolderSplit:
    paths, labels = list[Path](), list[int]()
    for other in sorted(p.name for p in folder.iterdir() if p.is_dir()):
        if other not in names:
            raise DataError(
                f"{folder / other}: there is no class {other!r} in train/", "give both splits the same folders"
            )
    for label, name in enumerate(names):
        found = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in SUFFIXES)
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise DataError(f"{folder} holds no images", f"files end in {', '.join(sorted(SUFFIXES))}")
    return FolderSplit(tuple(paths), np.asarray(labels, np.int64), channels)


def _load(split: FolderSplit, shape: tuple[int, int, int]) -> ArraySplit:
    images = np.empty((len(split), *shape), np.uint8)
    for index, path in enumerate(split.paths):
        pixels = to_array(split.image(index))
        if pixels.shape != shape:
            has, takes = ("x".join(map(str, s)) for s in (pixels.shape, shape))
            fix = "resize the images, or add `resize_shorter`, `random_crop` and `eval_resize` to the recipe"
            raise DataError(f"{path} is {has}, and the net takes {takes}", fix)
        images[index] = pixels
    return ArraySplit(images, split.labels)


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """An image as bytes (C, H, W)."""
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
