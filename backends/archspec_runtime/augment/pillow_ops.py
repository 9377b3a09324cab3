"""The operations of RandAugment and TrivialAugment on Pillow images, as torchvision and timm define them.

Each takes an image and a strength, already with its sign. The two libraries move pixels in opposite directions and round
translations differently; as signs are drawn evenly only the rounding matters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from archspec_runtime.images.resampling import chosen_filter
from archspec_runtime.recipe.augmentations import RandAugment, TrivialAugment
from archspec_runtime.recipe.images import Interpolation

__all__ = [
    "RandAugment",
    "TrivialAugment",
    "rand_augment",
    "trivial_augment",
]  # what a `train.py` states, and what does it

Filter = Image.Resampling
Colour = tuple[int, int, int] | int | None
Operation = Callable[[Image.Image, float, Filter, Colour], Image.Image]

TIMM_LEVELS = 10.0  # the strongest
TIMM_FILL = (124, 116, 104)  # ImageNet's mean colour


def affine(
    image: Image.Image, matrix: tuple[float, float, float, float, float, float], how: Filter, fill: Colour
) -> Image.Image:
    """Take each pixel from where the matrix says."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, how, fillcolor=fill)


def rotate(image: Image.Image, degrees: float, how: Filter, fill: Colour) -> Image.Image:
    """Turn around the centre, counter-clockwise."""
    return image.rotate(degrees, how, fillcolor=fill)


def posterize(image: Image.Image, bits: float, how: Filter, fill: Colour) -> Image.Image:
    """Keep the highest bits of each channel; none are kept of timm's strongest, which Pillow's own function refuses."""
    mask = 0xFF & ~((1 << (8 - int(bits))) - 1)
    return image.point([level & mask for level in range(256)] * len(image.getbands()))


def solarize_add(image: Image.Image, add: float, how: Filter, fill: Colour) -> Image.Image:
    """Brighten the darker half."""
    table = [min(255, level + int(add)) if level < 128 else level for level in range(256)]
    return image.point(table * len(image.getbands()))


def enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    """Blend with what Pillow's enhancer starts from: 1 + strength of the image."""
    return lambda image, strength, how, fill: kind(image).enhance(1.0 + strength)


GEOMETRY: dict[str, Operation] = {
    "shear_x": lambda image, s, how, fill: affine(image, (1, s, 0, 0, 1, 0), how, fill),
    "shear_y": lambda image, s, how, fill: affine(image, (1, 0, 0, s, 1, 0), how, fill),
    "translate_x": lambda image, s, how, fill: affine(image, (1, 0, s, 0, 1, 0), how, fill),
    "translate_y": lambda image, s, how, fill: affine(image, (1, 0, 0, 0, 1, s), how, fill),
    "rotate": rotate,
}
COLOUR: dict[str, Operation] = {
    "posterize": posterize,
    "solarize": lambda image, s, how, fill: ImageOps.solarize(image, s),  # type: ignore[arg-type]
    "solarize_add": solarize_add,
    "autocontrast": lambda image, s, how, fill: ImageOps.autocontrast(image),
    "equalize": lambda image, s, how, fill: ImageOps.equalize(image),
    "invert": lambda image, s, how, fill: ImageOps.invert(image),
    "identity": lambda image, s, how, fill: image,
}
FACTORS: dict[str, Callable[[Image.Image], ImageEnhance._Enhance]] = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
OPERATIONS: dict[str, Operation] = GEOMETRY | COLOUR | {name: enhanced(kind) for name, kind in FACTORS.items()}
SIGNED = {*GEOMETRY, *FACTORS}

TORCHVISION = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness", "color", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
TIMM = (
    "autocontrast", "equalize", "invert", "rotate", "posterize", "solarize", "solarize_add", "color", "contrast",
    "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y",
)  # fmt: skip


def torchvision_strength(name: str, level: int, bins: int, size: tuple[int, int], wide: bool) -> float:
    """The strength at one of `bins` levels for an image of `size` (width, height); `wide` is TrivialAugment's range."""
    share = level / (bins - 1)
    if name == "posterize":
        return 8 - round(level / ((bins - 1) / (6 if wide else 4)))
    if name == "solarize":
        return 255.0 * (1 - share)
    if name.startswith("translate"):
        side = size[0] if name == "translate_x" else size[1]
        return float(int(share * (32.0 if wide else 150.0 / 331.0 * side)))
    narrow_wide = {"shear_x": (0.3, 0.99), "shear_y": (0.3, 0.99), "rotate": (30.0, 135.0)}
    return share * narrow_wide.get(name, (0.9, 0.99))[wide]


def timm_strength(name: str, level: float, size: tuple[int, int]) -> float:
    """The strength at a level from 0 to 10 for an image of `size` (width, height); all grow with the level."""
    share = level / TIMM_LEVELS
    match name:
        case "posterize":
            return 4 - int(share * 4)
        case "solarize":
            return 256 - min(256, int(share * 256))
        case "solarize_add":
            return min(128, int(share * 110))
        case "rotate":
            return share * 30.0
        case "shear_x" | "shear_y":
            return share * 0.3
        case "translate_x" | "translate_y":
            return share * 0.45 * size[0 if name == "translate_x" else 1]
    return share * 0.9


def rand_augment(image: Image.Image, step: RandAugment, random: np.random.Generator) -> Image.Image:
    """Apply RandAugment in the form that the step names."""
    for _ in range(step.ops):
        if step.form == "torchvision":
            name = TORCHVISION[random.integers(len(TORCHVISION))]
            strength = torchvision_strength(name, int(step.magnitude), step.bins, image.size, wide=False)
            image = _apply(name, image, strength, step.interpolation, None, random)
        else:
            name = TIMM[random.integers(len(TIMM))]
            applied, level = random.random() < step.probability, random.normal(step.magnitude, step.std)
            strength = timm_strength(name, min(max(level, 0.0), TIMM_LEVELS), image.size)
            fill = TIMM_FILL if image.mode == "RGB" else TIMM_FILL[1]
            if applied:
                image = _apply(name, image, strength, step.interpolation, fill, random)
    return image


def trivial_augment(image: Image.Image, step: TrivialAugment, random: np.random.Generator) -> Image.Image:
    """Apply one operation as strong as one level."""
    name = TORCHVISION[random.integers(len(TORCHVISION))]
    strength = torchvision_strength(name, int(random.integers(step.bins)), step.bins, image.size, wide=True)
    return _apply(name, image, strength, step.interpolation, None, random)


def _apply(
    name: str, image: Image.Image, strength: float, interpolation: Interpolation, fill: Colour,
    random: np.random.Generator,
) -> Image.Image:  # fmt: skip
    if name in SIGNED and random.integers(2):
        strength = -strength
    return OPERATIONS[name](image, strength, chosen_filter(interpolation, random), fill)
