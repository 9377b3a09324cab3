"""Augmentation as a plan of numbers, drawn here, and its application to pixels, here or on a device.

Normalization comes first, so the zeros of padding are the mean image, as in the paper's recipe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.augment.erasing import inside
from archspec_runtime.draws import generator
from archspec_runtime.images.decoding import Bytes, Photo, Pixels
from archspec_runtime.images.geometry import Window, middle, with_shorter_side
from archspec_runtime.images.resampling import FILTERS, Resizing, chosen_filter
from archspec_runtime.parts import part
from archspec_runtime.recipe.images import (
    ON_BATCHES,
    Augmentation,
    Data,
    HFlip,
    PadCrop,
    Padding,
    PcaLighting,
    RandAugment,
    RandomCrop,
    RandomResizedCrop,
    ResizeShorter,
    TrivialAugment,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
NUMPY_MODES: dict[Padding, Literal["constant", "reflect"]] = {"zeros": "constant", "reflect": "reflect"}
CROP_TRIES = 10  # after which the centre is taken, as in torchvision

# Krizhevsky et al. (2012), section 4.1: components of RGB over ImageNet, pixels in [0, 1] (values of fb.resnet.torch).
_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
_EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices for some samples: rows and columns that a crop starts at in the padded image, mirroring, and what is erased.

    `mode` says what images are padded with.

    `erase` (N, 4) are rectangles as top, left, height and width, empty for images left whole.
    """

    padding: int
    top: Ints
    left: Ints
    flip: NDArray[np.bool_]
    erase: Ints | None = None
    mode: Padding = "zeros"

    def at(self, positions: slice, erase: Ints | None = None) -> Plan:
        """The choices for some positions of the epoch, with what is erased of them."""
        return Plan(self.padding, self.top[positions], self.left[positions], self.flip[positions], erase, self.mode)

    @property
    def moves(self) -> bool:
        """Whether any pixel changes its place."""
        return self.padding > 0 or bool(self.flip.any())

    def apply(self, images: Floats) -> Floats:
        """Pad, crop, mirror and erase normalized images (N, C, H, W)."""
        moved = self._move(images) if self.moves else images
        if self.erase is None:
            return moved
        return np.where(inside(self.erase, *moved.shape[2:])[:, None], np.float32(0), moved)

    def _move(self, images: Floats) -> Floats:
        count, channels, height, width = images.shape
        pad = self.padding
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)), NUMPY_MODES[self.mode])
        rows = self.top[:, None] + np.arange(height)
        columns = self.left[:, None] + np.arange(width)
        columns = np.where(self.flip[:, None], columns[:, ::-1], columns)
        index = np.arange(count)[:, None, None, None], np.arange(channels)[None, :, None, None]
        result: Floats = padded[(*index, rows[:, None, :, None], columns[:, None, None, :])]
        return result


def epoch_plan(
    augment: tuple[Augmentation, ...], seed: int, epoch: int, count: int, order: Ints | None = None
) -> Plan:
    """The choices for all positions of an epoch; `order` says which image is at each."""
    crops = [a for a in augment if isinstance(a, PadCrop)]
    padding, mode = sum(crop.padding for crop in crops), crops[0].mode if crops else "zeros"
    starts = generator(seed, "pad_crop", epoch).integers(0, 2 * padding + 1, (2, count))
    mirror = next((a for a in augment if isinstance(a, HFlip)), None)
    if mirror is not None and mirror.alternating:
        first = generator(seed, "hflip", 0).random(count) < 0.5  # of each image, in even epochs
        flips = first[np.arange(count) if order is None else order] ^ bool(epoch % 2)
    else:
        flips = (generator(seed, "hflip", epoch).random(count) < 0.5) & (mirror is not None)
    return Plan(padding, starts[0], starts[1], flips, mode=mode)


def is_single(augment: tuple[Augmentation, ...]) -> bool:
    """Whether anything is done to single images, before they are normalized and put into batches."""
    return not all(isinstance(step, ON_BATCHES) for step in augment)


def transform(
    photo: Photo | Pixels, augment: tuple[Augmentation, ...], shape: tuple[int, int, int],
    random: np.random.Generator, resizing: Resizing = "fastest",
) -> tuple[Bytes, Floats | None]:  # fmt: skip
    """Change one photo and bring it to (H, W, C), and draw the colour shift (C,) that is to be added to it.

    Resizing and cropping come first and in one: where to look is drawn from the photo's size, before it is decoded. Then the
    rest in its order. Mirroring, padding and erasing are left to the plan.
    """
    _, height, width = shape
    window, how, shift = Window.whole(*photo.size), Image.Resampling.BILINEAR, None
    for step in augment:
        match step:
            case ResizeShorter(low, high):
                window = window.shorter_side(int(random.integers(low, high + 1)))
            case RandomCrop():
                window = window.at_least(width, height)
                left = int(random.integers(0, window.size[0] - width + 1))
                top = int(random.integers(0, window.size[1] - height + 1))
                window = window.cropped(left, top, width, height)
            case RandomResizedCrop():
                window = window.cropped(*resized_crop(window.size, step, random)).resized(width, height)
                how = chosen_filter(step.interpolation, random)
            case PcaLighting(std):
                alphas = random.normal(0.0, std, 3).astype(np.float32)
                shift = (_EIGENVECTORS @ (alphas * _EIGENVALUES)).astype(np.float32)
    if window.size != (width, height):
        window = window.at_least(width, height).centre(width, height)
    return recoloured(photo.view(window, resizing, how), augment, random), shift


def recoloured(pixels: Bytes, augment: tuple[Augmentation, ...], random: np.random.Generator) -> Bytes:
    """An image (H, W, C) after the operations of RandAugment or TrivialAugment."""
    steps = [step for step in augment if isinstance(step, (RandAugment, TrivialAugment))]
    if not steps:
        return pixels
    operations = part("augment.pillow_ops", type(steps[0]).__name__)
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    for step in steps:
        match step:
            case RandAugment():
                image = operations.rand_augment(image, step, random)
            case TrivialAugment():
                image = operations.trivial_augment(image, step, random)
    changed: Bytes = np.asarray(image)
    return changed.reshape(pixels.shape)


def resized_crop(
    size: tuple[int, int], step: RandomResizedCrop, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """The crop of an image of `size` (width, height): left, top, width and height."""
    width, height = size
    narrowest, widest = map(math.log, step.ratio)
    for share, shape, across, down in random.random((CROP_TRIES, 4)).tolist():  # most often the first fits
        area = width * height * (step.scale[0] + share * (step.scale[1] - step.scale[0]))
        ratio = math.exp(narrowest + shape * (widest - narrowest))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(across * (width - w + 1)), int(down * (height - h + 1)), w, h
    w, h = width, height
    if width / height < step.ratio[0]:
        h = max(1, round(width / step.ratio[0]))
    elif width / height > step.ratio[1]:
        w = max(1, round(height * step.ratio[1]))
    return (width - w) // 2, (height - h) // 2, w, h


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
