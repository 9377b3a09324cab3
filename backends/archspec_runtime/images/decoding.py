"""From the bytes of an image file to pixels, as a person sees it: upright, first frame, transparency on white.

JPEGs, which most training images are, are decoded by simplejpeg where it is installed, and by Pillow otherwise: both call
libjpeg-turbo, and give the same pixels, at full size and at a half, a quarter and an eighth. Everything else is Pillow's.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from archspec_runtime.errors import DataError
from archspec_runtime.images import jpegs, libraries
from archspec_runtime.images.geometry import Window
from archspec_runtime.images.resampling import BILINEAR, Filter, Resizing, lowest, show

Bytes = NDArray[np.uint8]

FRACTIONS = (8, 4, 2)  # of its size that a JPEG can be decoded at for less than the whole
ANTIALIASED = 2
"""So much larger than shown a JPEG is decoded at least: the filter then hides what the decoder left out."""

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


@dataclass(frozen=True, slots=True)
class Photo:
    """An image file whose header has been read and whose pixels have not.

    `size` is (width, height), upright; `channels` 1 or 3; `name` is for messages.
    """

    raw: bytes
    name: str
    channels: int
    size: tuple[int, int]
    plain_jpeg: bool  # grey or colour, and upright as it is stored

    @staticmethod
    def open(raw: bytes, name: str, channels: int) -> Photo:
        """Read the header. Raises DataError where these are not the bytes of an image."""
        if (size := _plain_size(raw)) is not None:
            return Photo(raw, name, channels, size, True)
        with _named(name):
            header = _opened(raw)
            turn = header.getexif().get(0x0112, 1)
            size = header.size if turn not in (5, 6, 7, 8) else header.size[::-1]
            plain = header.format == "JPEG" and header.mode in ("L", "RGB") and turn not in range(2, 9)
        return Photo(raw, name, channels, size, plain)

    def image(self) -> Image.Image:
        """All of it, decoded at full size."""
        with _named(self.name):
            return upright(_opened(self.raw), self.channels)

    def verified(self) -> Image.Image:
        """All of it, where what decodes it in training finds no damage either: Pillow passes over bits that were flipped."""
        if self._in_colour:
            self._decoded(1, self.size[1])
        with _named(self.name):
            if _is_deep(opened := _opened(self.raw)) and 0 < np.asarray(opened).max() < 256:
                raise ValueError("all of its 16-bit values are below 256, which is black: store it with 8 bits")
        return self.image()

    def view(self, window: Window, resizing: Resizing = "fastest", how: Filter = BILINEAR) -> Bytes:
        """What a window shows (height, width, channels).

        A large JPEG that is shown small is decoded at a fraction of its size: at least twice what is shown; without
        antialiasing at least what is shown. Raises DataError.
        """
        factor = self._fraction(window.scale / (1 if resizing == "plain" else ANTIALIASED))
        return show(self._decoded(factor, lowest(window, factor, how)), window, factor, resizing, how)

    def _fraction(self, scale: float) -> int:
        return next((n for n in FRACTIONS if n <= scale), 1) if self._in_colour else 1

    @property
    def _in_colour(self) -> bool:
        # libjpeg's grey is the luma of the file, and Pillow's that of the colours: one of them for everybody
        return self.plain_jpeg and self.channels == 3

    def _decoded(self, factor: int, rows: int) -> Bytes:
        simplejpeg = libraries.optional("simplejpeg") if self._in_colour else None
        width, height = self.size
        with _named(self.name):
            if simplejpeg is not None:
                return jpegs.decode(simplejpeg, self.raw, self.size, factor, rows)
            image = _opened(self.raw)
            if factor > 1:
                image.draft("RGB", (width // factor, height // factor))
            pixels = np.asarray(upright(image, self.channels))
        return pixels if pixels.ndim == 3 else pixels[:, :, None]


@dataclass(frozen=True, slots=True)
class Pixels:
    """An image in memory (H, W, C), to be looked at as a photo is."""

    pixels: Bytes

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width, _ = self.pixels.shape
        return width, height

    def view(self, window: Window, resizing: Resizing = "fastest", how: Filter = BILINEAR) -> Bytes:
        """What a window shows (height, width, channels)."""
        return show(self.pixels, window, 1, resizing, how)


def _plain_size(raw: bytes) -> tuple[int, int] | None:
    """(width, height) of a grey or colour JPEG without EXIF data, from its header alone; None for what Pillow is to look at."""
    simplejpeg = libraries.optional("simplejpeg")
    if simplejpeg is None or raw[:2] != jpegs.START or jpegs.frame(raw) is None:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(raw)
    except ValueError:
        return None
    within = width * height <= (Image.MAX_IMAGE_PIXELS or width * height)
    return (width, height) if colours in ("Gray", "YCbCr") and within else None


class _named:  # noqa: N801  (a context manager that is used as a function)
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


def _opened(raw: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(raw))


def upright(opened: Image.Image, channels: int) -> Image.Image:
    """An image as a person sees it, in grey or in colour. Raises ValueError where that would be a guess."""
    if (why := UNCLEAR.get(opened.mode)) is not None and not _is_deep(opened):
        raise ValueError(f"{why}; convert it to 8 or 16 bits of grey, or to RGB")
    image: Image.Image = ImageOps.exif_transpose(opened)
    if _is_deep(opened):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _is_deep(opened: Image.Image) -> bool:
    """Whether it is grey of 16 bits, of which the high byte is seen; Pillow reads those of PGM into 32 bits."""
    return opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM"))
