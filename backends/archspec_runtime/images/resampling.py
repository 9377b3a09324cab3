"""What a window shows of pixels: resized by cykooz-resizer or Pillow, which antialias, or by OpenCV, which does not."""

from __future__ import annotations

import math
import threading
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.images import libraries
from archspec_runtime.images.geometry import Box, Window
from archspec_runtime.images.pillow import FILTERS
from archspec_runtime.recipe.images import Interpolation

Bytes = NDArray[np.uint8]
Filter = Image.Resampling

Resizing = Literal["fastest", "pillow", "plain"]
"""By cykooz-resizer where it is installed and by Pillow otherwise; by Pillow; by OpenCV's interpolation of two pixels an axis."""

BILINEAR = Filter.BILINEAR
SUPPORT = {Filter.NEAREST: 1, Filter.BILINEAR: 1, Filter.BICUBIC: 2}  # pixels that a filter reaches to either side
OF_CYKOOZ = {Filter.BILINEAR: "bilinear", Filter.BICUBIC: "catmull_rom"}  # both bicubics have a = -0.5


def chosen_filter(interpolation: Interpolation, random: np.random.Generator) -> Filter:
    """The filter of a name; `random` is bilinear or bicubic."""
    if interpolation == "random":
        return (Filter.BILINEAR, Filter.BICUBIC)[random.integers(2)]
    return FILTERS[interpolation]


def show(pixels: Bytes, window: Window, factor: int, resizing: Resizing, how: Filter) -> Bytes:
    """What a window shows (height, width, channels) of a photo that was decoded at 1/factor of its size."""
    find = _nearest if resizing == "plain" else _reached
    part, box = find(pixels, window, factor, how)
    if box == (0, 0, *window.size) and part.shape[:2] == window.size[::-1]:
        return part
    if resizing == "plain":
        cv2 = libraries.needed("cv2")
        shown: Bytes = cv2.resize(part, window.size, interpolation=cv2.INTER_LINEAR)
    elif (
        resizing == "fastest" and how in OF_CYKOOZ and (library := libraries.optional("cykooz_resizer")) is not None
    ):
        shown = _by_cykooz(library, part, box, window.size, how)
    else:
        image = Image.fromarray(part if part.shape[2] == 3 else part[:, :, 0])
        shown = np.asarray(image.resize(window.size, how, box=box))
    return shown.reshape(window.size[1], window.size[0], part.shape[2])


def lowest(window: Window, factor: int, how: Filter) -> int:
    """The row of a photo that what a window shows ends above, whoever resizes it, decoded at 1/factor of its size."""
    _, top, _, bottom = (edge / factor for edge in window.box)
    reached = bottom + _reach(how, (bottom - top) / window.size[1])
    return math.ceil(min(reached, window.limits[3] / factor)) * factor


def _by_cykooz(library: ModuleType, part: Bytes, box: Box, size: tuple[int, int], how: Filter) -> Bytes:
    """Pillow's filter in vector instructions, whichever a processor has with the same result."""
    height, width, channels = part.shape
    left, top, right, bottom = box
    kind = library.PixelType.U8x3 if channels == 3 else library.PixelType.U8
    if getattr(_kept, "what", None) != (what := (size, channels, how)):
        _kept.what, _kept.resizer, _kept.shown = what, library.Resizer(), library.ImageData(*size, kind)
        filter_ = library.ResizeAlg.convolution(library.FilterType[OF_CYKOOZ[how]])
        _kept.options = library.ResizeOptions(filter_, use_alpha=False)
    _kept.options.crop_box = library.CropBox(left, top, right - left, bottom - top)
    source = library.ImageData(width, height, kind, part.tobytes())
    _kept.resizer.resize(source, _kept.shown, _kept.options)
    return np.frombuffer(_kept.shown.get_buffer(), np.uint8)


_kept = threading.local()  # what a thread resized by and into, which has the memory for the next photo


def _reached(pixels: Bytes, window: Window, factor: int, how: Filter) -> tuple[Bytes, Box]:
    """What a filter looks at that is as wide as what a pixel stands for, and the box in it that is shown."""
    height, width, _ = pixels.shape
    box = [edge / factor for edge in window.box]
    across, down = (box[2] - box[0]) / window.size[0], (box[3] - box[1]) / window.size[1]
    left, top, right, bottom = (edge / factor for edge in window.limits)
    reach_x, reach_y = _reach(how, across), _reach(how, down)
    x0, y0 = math.floor(max(box[0] - reach_x, left, 0)), math.floor(max(box[1] - reach_y, top, 0))
    x1, y1 = math.ceil(min(box[2] + reach_x, right, width)), math.ceil(min(box[3] + reach_y, bottom, height))
    seen = (box[0] - x0, box[1] - y0, min(box[2] - x0, x1 - x0), min(box[3] - y0, y1 - y0))
    return pixels[y0:y1, x0:x1], seen


def _reach(how: Filter, scale: float) -> float:
    """How far beyond a box a filter may look, in pixels of which each that is shown stands for `scale`."""
    return SUPPORT[how] * max(scale, 1) + 1


def _nearest(pixels: Bytes, window: Window, factor: int, how: Filter) -> tuple[Bytes, Box]:
    """The whole box that is nearest, all of which is shown."""
    height, width, _ = pixels.shape
    x0, y0 = (min(max(round(edge / factor), 0), most - 1) for edge, most in
              zip(window.box[:2], (width, height), strict=True))  # fmt: skip
    x1, y1 = (min(max(round(edge / factor), low + 1), most) for edge, low, most in
              zip(window.box[2:], (x0, y0), (width, height), strict=True))  # fmt: skip
    return pixels[y0:y1, x0:x1], (0, 0, x1 - x0, y1 - y0)
