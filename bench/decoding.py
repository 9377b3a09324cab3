"""Which library decodes JPEGs fastest, and whether they agree on the pixels: on one core, in turns.

pip install simplejpeg opencv-python-headless imagecodecs kornia-rs
python bench/decoding.py --photos PHOTOS     (a folder or a tar of JPEGs)
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import statistics
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pairs import in_turn
from photos import photographs
from PIL import Image

Decode = Callable[[bytes], np.ndarray]


def pillow(raw: bytes, factor: int = 1) -> np.ndarray:
    image = Image.open(io.BytesIO(raw))
    if factor > 1:
        image.draft("RGB", (image.width // factor, image.height // factor))
    return np.asarray(image.convert("RGB"))


def simplejpeg(raw: bytes, factor: int = 1) -> np.ndarray:
    library = importlib.import_module("simplejpeg")
    if factor == 1:
        return library.decode_jpeg(raw)
    height, width, *_ = library.decode_jpeg_header(raw)
    return library.decode_jpeg(raw, min_height=-(-height // factor), min_width=-(-width // factor))


def opencv(raw: bytes) -> np.ndarray:
    cv2 = importlib.import_module("cv2")
    return cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def imagecodecs(raw: bytes) -> np.ndarray:
    return importlib.import_module("imagecodecs").jpeg8_decode(raw)


def kornia(raw: bytes) -> np.ndarray:
    return np.asarray(importlib.import_module("kornia_rs").io.ImageDecoder().decode(raw))


LIBRARIES: dict[str, tuple[str, str, Decode]] = {
    "Pillow": ("PIL", "pillow", pillow),
    "simplejpeg": ("simplejpeg", "simplejpeg", simplejpeg),
    "OpenCV": ("cv2", "opencv-python-headless", opencv),
    "imagecodecs": ("imagecodecs", "imagecodecs", imagecodecs),
    "kornia-rs": ("kornia_rs", "kornia-rs", kornia),
}


def there() -> Iterator[tuple[str, str, Decode]]:
    for name, (module, distribution, decode) in LIBRARIES.items():
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"{name}: not installed")
            continue
        yield name, version(distribution), decode


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    raws = [raw for raw in photographs(options.photos) if Image.open(io.BytesIO(raw)).mode == "RGB"]
    found = list(there())
    expected = [pillow(raw) for raw in raws]
    for name, number, decode in found:
        equal = sum(np.array_equal(decode(raw), pixels) for raw, pixels in zip(raws, expected, strict=True))
        print(f"{name} {number}: {equal} of {len(raws)} photos have Pillow's pixels, bit for bit")
    actions: dict[str, Callable[[], object]] = {
        name: (lambda decode=decode: [decode(raw) for raw in raws]) for name, _, decode in found
    }
    for factor in (2, 4, 8):
        for name, scaled in (("Pillow", pillow), ("simplejpeg", simplejpeg)):
            if name in actions:
                actions[f"{name} 1/{factor}"] = lambda scaled=scaled, factor=factor: [
                    scaled(r, factor) for r in raws
                ]
    times = in_turn(actions, options.rounds)
    print(f"\n{'':<24}{'ms a photo':>12}{'of Pillow':>12}")
    for name, seconds in times.items():
        share = statistics.median(a / b for a, b in zip(seconds, times["Pillow"], strict=True))
        print(f"{name:<24}{statistics.median(seconds) / len(raws) * 1e3:>12.3f}{share:>12.3f}")


if __name__ == "__main__":
    main()
