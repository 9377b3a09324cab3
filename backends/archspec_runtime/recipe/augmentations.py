"""What recipes may do with images beside cropping padded ones and mirroring: augmentations of single images, erasing, mixing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from archspec_runtime.recipe.images import Epoch, HFlip, Interpolation, PadCrop, Step

OPERATIONS = "archspec_runtime.augment.pillow_ops"
"""The module that a `train.py` imports what it does with these from, so that a built folder carries it."""


@dataclass(frozen=True, slots=True)
class ResizeShorter:
    """Resize so that the short edge is drawn uniformly from [low, high] pixels."""

    kind: ClassVar[str] = "resize_shorter"
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Crop the training size at a random place."""

    kind: ClassVar[str] = "random_crop"


@dataclass(frozen=True, slots=True)
class RandomResizedCrop:
    """Crop a share `scale` of the area, width over height within `ratio`, and resize it to the training size.

    Inception's crop (Szegedy et al., 2015) as torchvision draws it: the share uniformly, the ratio uniformly in its
    logarithm, ten tries, then the largest centre crop whose ratio is allowed. `random` interpolation is bilinear or
    bicubic, drawn for each image, as in timm.
    """

    kind: ClassVar[str] = "random_resized_crop"
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Interpolation = "bilinear"


@dataclass(frozen=True, slots=True)
class RandAugment:
    """Apply `ops` operations drawn from a fixed list (Cubuk et al., 2019), in one of two forms that differ.

    torchvision: of 14 operations each is applied, as strong as `magnitude` on a scale of `bins`; new corners are black.
    timm: of 15 "increasing" operations each is applied with `probability`, as strong as a normal draw around `magnitude`
    with deviation `std`, on a scale of 10; new corners have ImageNet's mean colour (`rand-m7-mstd0.5-inc1`).
    """

    kind: ClassVar[str] = "rand_augment"
    home: ClassVar[str] = OPERATIONS
    ops: int = 2
    magnitude: float = 9
    form: Literal["torchvision", "timm"] = "torchvision"
    bins: int = 31
    std: float = 0.0
    probability: float = 0.5
    interpolation: Interpolation = "nearest"


@dataclass(frozen=True, slots=True)
class TrivialAugment:
    """Apply one of 14 operations, as strong as one of `bins` levels drawn uniformly (Müller and Hutter, 2021; wide)."""

    kind: ClassVar[str] = "trivial_augment"
    home: ClassVar[str] = OPERATIONS
    bins: int = 31
    interpolation: Interpolation = "nearest"


@dataclass(frozen=True, slots=True)
class PcaLighting:
    """Add multiples of the principal components of RGB, deviation `std` (Krizhevsky et al., 2012, section 4.1)."""

    kind: ClassVar[str] = "pca_lighting"
    std: float = 0.1


@dataclass(frozen=True, slots=True)
class RandomErasing:
    """With `probability`, set a rectangle to zero after normalization (Zhong et al., 2017, as torchvision draws it).

    It covers a share `scale` of the area, height over width within `ratio`, uniformly in its logarithm.
    """

    kind: ClassVar[str] = "random_erasing"
    probability: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)


Augmentation = (
    PadCrop
    | HFlip
    | ResizeShorter
    | RandomCrop
    | RandomResizedCrop
    | RandAugment
    | TrivialAugment
    | PcaLighting
    | RandomErasing
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Mix each image and its label with the one before it in the batch, the first with the last.

    The share of the image itself is drawn once a batch from Beta(alpha, alpha). `mixup` (Zhang et al., 2018) is the alpha of
    adding pixels, `cutmix` (Yun et al., 2019) that of replacing a rectangle. A batch is mixed with `probability`; where both
    are given it is cut with probability `switch`. From `until` on nothing is mixed.
    """

    mixup: float | None = None
    cutmix: float | None = None
    probability: float = 1.0
    switch: float = 0.5
    until: Step | Epoch | None = None


KINDS = {
    one.kind: one
    for one in (
        ResizeShorter, RandomCrop, RandomResizedCrop, RandAugment, TrivialAugment, PcaLighting, RandomErasing
    )
}  # fmt: skip
"""By what records call them."""
