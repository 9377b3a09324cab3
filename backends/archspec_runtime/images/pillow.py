"""An image by Pillow: a file as a person sees it, upright and on white, and its centre, which evaluation shows."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from archspec_runtime.errors import DataError
from archspec_runtime.recipe.images import Data

UNREADABLE = (
    OSError, UnidentifiedImageError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError,
    Image.DecompressionBombWarning, struct.error,
)  # fmt: skip


UNCLEAR = {
    "F": "its pixels are 32-bit floating-point numbers, and no file says which of them is white",
    "I": "its pixels are 32-bit whole numbers, and no file says which of them is white",
    "LAB": "its colours are in the space L*a*b*",
}
"""Modes of Pillow whose pixels cannot be shown without a guess."""


def read_image(raw: bytes, name: str, channels: int) -> Image.Image:
    """All of a file, decoded at full size, in 1 or 3 channels; `name` is for messages. Raises DataError."""
    with named_in_errors(name):
        return upright(opened(raw), channels)


class named_in_errors:  # noqa: N801  (a context manager that is used as a function)
    """Says which file it is that cannot be read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UNREADABLE):
            why = "it is of no known format" if isinstance(error, UnidentifiedImageError) else error
            message = f"{self.name} cannot be read as an image: {why}"
            raise DataError(message, "replace or remove the file") from None


def opened(raw: bytes) -> Image.Image:
    """An image whose header has been read. Raises what Pillow raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(raw))


def upright(opened: Image.Image, channels: int) -> Image.Image:
    """An image as a person sees it, in grey or in colour. Raises ValueError where that would be a guess."""
    if (why := UNCLEAR.get(opened.mode)) is not None and not is_deep(opened):
        raise ValueError(f"{why}; convert it to 8 or 16 bits of grey, or to RGB")
    image: Image.Image = ImageOps.exif_transpose(opened)
    if is_deep(opened):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def is_deep(opened: Image.Image) -> bool:
    """Whether it is grey of 16 bits, of which the high byte is seen; Pillow reads those of PGM into 32 bits."""
    return opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM"))


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """An image as bytes (C, H, W)."""
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


FILTERS = {
    "nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
}  # fmt: skip


def centre(image: Image.Image, shape: tuple[int, int, int], data: Data) -> Image.Image:
    """The centre crop (C, H, W) after the resizing of a recipe's evaluation: the pixels of torchvision and timm."""
    _, height, width = shape
    image = for_evaluation(image, height, width, data)
    left, top = middle(image.width, width), middle(image.height, height)
    return image.crop((left, top, left + width, top + height))


def for_evaluation(image: Image.Image, height: int, width: int, data: Data) -> Image.Image:
    """An image whose short edge has `eval_resize` pixels where that is given, and that a crop of this size fits into."""
    if data.eval_resize:
        image = resize_shorter(image, data.eval_resize, data.eval_interpolation)
    scale = max(width / image.width, height / image.height)
    if scale <= 1:
        return image
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    return image.resize(size, FILTERS[data.eval_interpolation])


def resize_shorter(image: Image.Image, side: int, interpolation: str) -> Image.Image:
    """Resize so that the short edge is `side` pixels, by a filter of Pillow's, which antialiases."""
    return image.resize(with_shorter_side(image.size, side), FILTERS[interpolation])


def with_shorter_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size (width, height) made to a short edge of `side`; of the longer, parts of a pixel are cut off, as by torchvision."""
    shorter = min(size)
    return side * size[0] // shorter, side * size[1] // shorter


def middle(length: int, part: int) -> int:
    """Where the middle part of a length begins; half a pixel goes to the even side, as in torchvision's CenterCrop."""
    return round((length - part) / 2)
