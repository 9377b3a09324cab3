"""From the bytes of an image file to pixels, as a person sees it: upright, first frame, transparency on white.

JPEGs, which most training images are, are decoded by simplejpeg where it is installed, and by Pillow otherwise: both call
libjpeg-turbo, and give the same pixels, at full size and at a half, a quarter and an eighth. Everything else is Pillow's.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError, RunError
from ..geometry import Window

Bytes = NDArray[np.uint8]

FRACTIONS = (8, 4, 2)  # of its size that a JPEG can be decoded at for less than the whole
ANTIALIASED = (
    2  # so much larger than shown a JPEG is decoded at least: the filter then hides what the decoder left out
)
UNREADABLE = (
    OSError, UnidentifiedImageError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError,
    Image.DecompressionBombWarning, struct.error,
)  # fmt: skip


@cache
def optional(name: str) -> ModuleType | None:
    """A library that makes reading faster, where it is installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def needed(name: str) -> ModuleType:
    """A library that a recipe asks for. Raises RunError where it is not installed."""
    module = optional(name)
    if module is None:
        message = f"`data.antialias: false` resizes by {name}, which is not installed"
        raise RunError(message, "pip install 'archspec-nn[images]'")
    return module


def libraries(antialias: bool) -> dict[str, str]:
    """The libraries that make pixels of files here, with their versions: part of the record of a run."""
    used = {"pillow": "PIL", "simplejpeg": "simplejpeg"} | ({} if antialias else {"opencv-python-headless": "cv2"})
    return {name: _version(name, module) for name, module in used.items() if optional(module) is not None}


def _version(name: str, module: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # another distribution of the same library
        return str(getattr(optional(module), "__version__", "unknown"))


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
            return _upright(_opened(self.raw), self.channels)

    def view(
        self, window: Window, antialias: bool = True, how: Image.Resampling = Image.Resampling.BILINEAR
    ) -> Bytes:
        """What a window shows (height, width, channels): antialiased as Pillow does it, or bilinear and not antialiased.

        A large JPEG that is shown small is decoded at a fraction of its size: at least twice what is shown; without
        antialiasing at least what is shown. Raises DataError.
        """
        factor = self._fraction(window.scale / (ANTIALIASED if antialias else 1))
        pixels = self._decoded(factor)
        if antialias:
            return _resampled(pixels, window, factor, how)
        return _interpolated(pixels, window, factor)

    def _fraction(self, scale: float) -> int:
        return next((n for n in FRACTIONS if n <= scale), 1) if self._in_colour else 1

    @property
    def _in_colour(self) -> bool:
        # libjpeg's grey is the luma of the file, and Pillow's that of the colours: one of them for everybody
        return self.plain_jpeg and self.channels == 3

    def _decoded(self, factor: int) -> Bytes:
        simplejpeg = optional("simplejpeg") if self._in_colour else None
        width, height = self.size
        with _named(self.name):
            if simplejpeg is not None:
                least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
                pixels: Bytes = simplejpeg.decode_jpeg(self.raw, "RGB", **least)
                return pixels
            image = _opened(self.raw)
            if factor > 1:
                image.draft("RGB", (width // factor, height // factor))
            pixels = np.asarray(_upright(image, self.channels))
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

    def view(
        self, window: Window, antialias: bool = True, how: Image.Resampling = Image.Resampling.BILINEAR
    ) -> Bytes:
        """What a window shows (height, width, channels)."""
        return _resampled(self.pixels, window, 1, how) if antialias else _interpolated(self.pixels, window, 1)


def _plain_size(raw: bytes) -> tuple[int, int] | None:
    """(width, height) of a grey or colour JPEG without EXIF data, from its header alone; None for what Pillow is to look at."""
    simplejpeg = optional("simplejpeg")
    if simplejpeg is None or raw[:2] != b"\xff\xd8" or _has_exif(raw):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(raw)
    except ValueError:
        return None
    within = width * height <= (Image.MAX_IMAGE_PIXELS or width * height)
    return (width, height) if colours in ("Gray", "YCbCr") and within else None


def _has_exif(raw: bytes) -> bool:
    """Whether a JPEG has a segment of EXIF data; one that is damaged counts as having it."""
    place = 2
    while raw[place : place + 1] == b"\xff" and place + 10 <= len(raw):
        marker = raw[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame, which EXIF data stand before
            return False
        if marker == 0xE1 and raw[place + 4 : place + 10] == b"Exif\0\0":
            return True
        place += 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return True


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


def _upright(opened: Image.Image, channels: int) -> Image.Image:
    image: Image.Image = ImageOps.exif_transpose(opened)
    if image.mode in ("I;16", "I;16B", "I", "F"):  # 16-bit grey: the high byte
        image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("P", "LA", "PA", "RGBA") and (image.mode != "P" or "transparency" in image.info):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _resampled(pixels: Bytes, window: Window, factor: int, how: Image.Resampling) -> Bytes:
    """Pillow's bilinear or bicubic filter, as wide as what a pixel stands for, over no more of the photo than it looks at."""
    height, width, _ = pixels.shape
    box = [edge / factor for edge in window.box]
    across, down = (box[2] - box[0]) / window.size[0], (box[3] - box[1]) / window.size[1]
    left, top, right, bottom = (edge / factor for edge in window.limits)
    support = 2 if how == Image.Resampling.BICUBIC else 1
    reach_x, reach_y = support * max(across, 1) + 1, support * max(down, 1) + 1
    x0, y0 = math.floor(max(box[0] - reach_x, left, 0)), math.floor(max(box[1] - reach_y, top, 0))
    x1, y1 = math.ceil(min(box[2] + reach_x, right, width)), math.ceil(min(box[3] + reach_y, bottom, height))
    part = pixels[y0:y1, x0:x1]
    if window.plain and factor == 1 and part.shape[:2] == window.size[::-1]:
        return part
    seen = (box[0] - x0, box[1] - y0, min(box[2] - x0, x1 - x0), min(box[3] - y0, y1 - y0))
    image = Image.fromarray(part if part.shape[2] == 3 else part[:, :, 0])
    shown: Bytes = np.asarray(image.resize(window.size, how, box=seen))
    return shown if shown.ndim == 3 else shown[:, :, None]


def _interpolated(pixels: Bytes, window: Window, factor: int) -> Bytes:
    """OpenCV's bilinear interpolation of the nearest whole box: two pixels along each axis, however far they are apart."""
    height, width, channels = pixels.shape
    x0, y0 = (min(max(round(edge / factor), 0), most - 1) for edge, most in
              zip(window.box[:2], (width, height), strict=True))  # fmt: skip
    x1, y1 = (min(max(round(edge / factor), low + 1), most) for edge, low, most in
              zip(window.box[2:], (x0, y0), (width, height), strict=True))  # fmt: skip
    part = pixels[y0:y1, x0:x1]
    if part.shape[:2] == window.size[::-1]:
        return part
    cv2 = needed("cv2")
    shown: Bytes = cv2.resize(part, window.size, interpolation=cv2.INTER_LINEAR)
    return shown.reshape(window.size[1], window.size[0], channels)
