"""JPEG files by simplejpeg, no further down than they are looked at.

A JPEG's rows are coded one after the other, and nobody sees those below a crop: a frame header that tells of fewer rows
makes libjpeg-turbo end there. The rows above come out as they would of the whole file.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

START, END = b"\xff\xd8", b"\xff\xd9"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of frame headers, ITU-T T.81, table B.1
SEQUENTIAL = (0xC0, 0xC1)  # frames in which all of a row is coded before the next
EXIF = 0xE1

BELOW = 2
"""Rows below a pixel that its colours may be interpolated from, where there are half as many of those as of brightness."""

UNREAD = "extraneous bytes before marker"
"""What libjpeg says of the rows that it was not told of; of damage before them it says that, and not this."""


def frame(raw: bytes) -> int | None:
    """Where the frame header of a JPEG begins; None where EXIF data stand before it, or there is none."""
    place = len(START)
    while raw[place : place + 1] == b"\xff" and place + 10 <= len(raw):
        marker = raw[place + 1]
        if marker in FRAMES:
            return place
        if marker == EXIF and raw[place + 4 : place + 10] == b"Exif\0\0":
            return None
        place += 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return None


def decode(simplejpeg: ModuleType, raw: bytes, size: tuple[int, int], factor: int, rows: int) -> Bytes:
    """The colours (H, W, 3) of a JPEG at 1/factor of its `size` (width, height), at least its upper `rows` of that size.

    Raises ValueError where what is decoded is damaged, or the file cut short.
    """
    width, height = size
    wanted = rows + BELOW * factor
    if wanted < height and (place := frame(raw)) is not None and raw[place + 1] in SEQUENTIAL and raw.endswith(END):
        shortened = bytearray(raw)
        shortened[place + 5 : place + 7] = wanted.to_bytes(2, "big")
        pixels = np.empty((-(-wanted // factor), -(-width // factor), 3), np.uint8)
        try:
            return _decode(simplejpeg, shortened, (width, wanted), factor, pixels)
        except ValueError as error:
            if UNREAD in str(error):
                return pixels
    return _decode(simplejpeg, raw, size, factor)


def _decode(
    simplejpeg: ModuleType, raw: bytes | bytearray, size: tuple[int, int], factor: int, into: Bytes | None = None
) -> Bytes:
    width, height = size
    least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
    pixels: Bytes = simplejpeg.decode_jpeg(raw, "RGB", buffer=into, **least)
    return pixels
