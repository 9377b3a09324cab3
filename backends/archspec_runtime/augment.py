"""Augmentation as a plan of numbers, drawn here, and its application to pixels, here or on a device.

Normalization comes first, so the zeros of padding are the mean image, as in the paper's recipe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .datasets.decoding import Bytes, Photo
from .draws import generator
from .geometry import Window
from .recipe import Augmentation, HFlip, PadCrop, PcaLighting, RandomCrop, ResizeShorter

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# Krizhevsky et al. (2012), section 4.1: components of RGB over ImageNet, pixels in [0, 1] (values of fb.resnet.torch).
_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
_EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices for some samples: rows and columns that a crop starts at in the padded image, and mirroring."""

    padding: int
    top: Ints
    left: Ints
    flip: NDArray[np.bool_]

    def at(self, positions: slice) -> Plan:
        """The choices for some positions of the epoch."""
        return Plan(self.padding, self.top[positions], self.left[positions], self.flip[positions])

    @property
    def moves(self) -> bool:
        """Whether any pixel changes its place."""
        return self.padding > 0 or bool(self.flip.any())

    def apply(self, images: Floats) -> Floats:
        """Pad, crop and mirror normalized images (N, C, H, W)."""
        if not self.moves:
            return images
        count, channels, height, width = images.shape
        pad = self.padding
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        rows = self.top[:, None] + np.arange(height)
        columns = self.left[:, None] + np.arange(width)
        columns = np.where(self.flip[:, None], columns[:, ::-1], columns)
        index = np.arange(count)[:, None, None, None], np.arange(channels)[None, :, None, None]
        result: Floats = padded[(*index, rows[:, None, :, None], columns[:, None, None, :])]
        return result


def epoch_plan(augment: tuple[Augmentation, ...], seed: int, epoch: int, count: int) -> Plan:
    """The choices for all positions of an epoch."""
    padding = sum(a.padding for a in augment if isinstance(a, PadCrop))
    starts = generator(seed, "pad_crop", epoch).integers(0, 2 * padding + 1, (2, count))
    flips = generator(seed, "hflip", epoch).random(count) < 0.5
    return Plan(padding, starts[0], starts[1], flips & any(isinstance(a, HFlip) for a in augment))


def transform(
    photo: Photo, augment: tuple[Augmentation, ...], shape: tuple[int, int, int], random: np.random.Generator,
    antialias: bool = True,
) -> tuple[Bytes, Floats | None]:  # fmt: skip
    """Resize and crop one photo to (H, W, C), and draw the colour shift (C,) that is to be added to it.

    Where to look is drawn from the photo's size, before it is decoded. Mirroring and padding are left to the plan.
    """
    _, height, width = shape
    window, shift = Window.whole(*photo.size), None
    for step in augment:
        if isinstance(step, ResizeShorter):
            window = window.shorter_side(int(random.integers(step.low, step.high + 1)))
        elif isinstance(step, RandomCrop):
            window = window.at_least(width, height)
            left = int(random.integers(0, window.size[0] - width + 1))
            top = int(random.integers(0, window.size[1] - height + 1))
            window = window.cropped(left, top, width, height)
        elif isinstance(step, PcaLighting):
            alphas = random.normal(0.0, step.std, 3).astype(np.float32)
            shift = (_EIGENVECTORS @ (alphas * _EIGENVALUES)).astype(np.float32)
    if window.size != (width, height):
        window = window.at_least(width, height).centre(width, height)
    return photo.view(window, antialias), shift


def centre(image: Image.Image, shape: tuple[int, int, int], resize: int | None) -> Image.Image:
    """The centre crop (C, H, W) after the shorter side was resized."""
    _, height, width = shape
    image = _at_least(resize_shorter(image, resize) if resize else image, height, width)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def resize_shorter(image: Image.Image, side: int) -> Image.Image:
    """Resize so that the shorter side is `side` pixels (bilinear with antialiasing, Pillow's)."""
    scale = side / min(image.size)
    size = max(side, round(image.width * scale)), max(side, round(image.height * scale))
    return image.resize(size, Image.Resampling.BILINEAR)


def _at_least(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    if scale <= 1:
        return image
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    return image.resize(size, Image.Resampling.BILINEAR)
