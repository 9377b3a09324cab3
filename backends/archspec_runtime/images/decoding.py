"""From the bytes of an image file to pixels, as a person sees it: upright, first frame, transparency on white.

JPEGs, which most training images are, are decoded by simplejpeg where it is installed, and by Pillow otherwise: both call
libjpeg-turbo, and give the same pixels, at full size and at a half, a quarter and an eighth. Everything else is Pillow's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.images import jpegs, libraries
from archspec_runtime.images.geometry import Window
from archspec_runtime.images.pillow import is_deep, named_in_errors, opened, read_image, upright
from archspec_runtime.images.resampling import BILINEAR, Filter, Resizing, lowest, show

Bytes = NDArray[np.uint8]

FRACTIONS = (8, 4, 2)  # of its size that a JPEG can be decoded at for less than the whole
ANTIALIASED = 2
"""So much larger than shown a JPEG is decoded at least: the filter then hides what the decoder left out."""


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
        with named_in_errors(name):
            header = opened(raw)
            turn = header.getexif().get(0x0112, 1)
            size = header.size if turn not in (5, 6, 7, 8) else header.size[::-1]
            plain = header.format == "JPEG" and header.mode in ("L", "RGB") and turn not in range(2, 9)
        return Photo(raw, name, channels, size, plain)

    def image(self) -> Image.Image:
        """All of it, decoded at full size."""
        return read_image(self.raw, self.name, self.channels)

    def verified(self) -> Image.Image:
        """All of it, where what decodes it in training finds no damage either: Pillow passes over bits that were flipped."""
        if self._in_colour:
            self._decoded(1, self.size[1])
        with named_in_errors(self.name):
            if is_deep(image := opened(self.raw)) and 0 < np.asarray(image).max() < 256:
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
        with named_in_errors(self.name):
            if simplejpeg is not None:
                return jpegs.decode(simplejpeg, self.raw, self.size, factor, rows)
            image = opened(self.raw)
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
