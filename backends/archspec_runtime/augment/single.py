"""What is done to one image at a time: where to look, drawn before it is decoded, and how its pixels are changed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.images.decoding import Bytes, Photo, Pixels
from archspec_runtime.images.geometry import Window
from archspec_runtime.images.resampling import Resizing, chosen_filter
from archspec_runtime.parts import part
from archspec_runtime.recipe.augmentations import (
    Augmentation,
    PcaLighting,
    RandAugment,
    RandomCrop,
    RandomResizedCrop,
    ResizeShorter,
    TrivialAugment,
)

Floats = NDArray[np.float32]
CROP_TRIES = 10  # after which the centre is taken, as in torchvision

# Krizhevsky et al. (2012), section 4.1: components of RGB over ImageNet, pixels in [0, 1] (values of fb.resnet.torch).
_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
_EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32
)


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
    operations = part("archspec_runtime.augment.pillow_ops", type(steps[0]).__name__)
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
