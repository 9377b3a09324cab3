"""What recipes may do with images beside cropping padded ones and mirroring: augmentations of single images, erasing, mixing."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from archspec_runtime.recipe.images import Epoch, HFlip, Interpolation, PadCrop, Step

Form = Literal["torchvision", "timm"]
Scale = Annotated[tuple[float, float], "Smallest and largest share of the image's area."]
Ratio = Annotated[tuple[float, float], "Smallest and largest ratio of width to height."]
Resampled = Annotated[Interpolation, "How pixels are resampled."]

OPERATIONS = "archspec_runtime.augment.pillow_ops"
"""The module that a `train.py` imports what it does with these from, so that a built folder carries it."""


@dataclass(frozen=True)
class ResizeShorter:
    """Resizes the short edge to a size between two, `[256, 480]`.

    It is drawn uniformly.
    """

    kind: ClassVar[str] = "resize_shorter"
    low: Annotated[int, "Smallest short edge in pixels."]
    high: Annotated[int, "Largest short edge in pixels."]


@dataclass(frozen=True)
class RandomCrop:
    """Crops at random to the training size."""

    kind: ClassVar[str] = "random_crop"


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crops a random share in a random ratio, and resizes it to the training size.

    Inception's crop (Szegedy et al., 2015) as torchvision draws it: the share uniformly, the ratio uniformly in its
    logarithm, ten tries, then the largest centre crop whose ratio is allowed. `random` interpolation is bilinear or
    bicubic, drawn for each image, as in timm.
    """

    kind: ClassVar[str] = "random_resized_crop"
    scale: Scale = (0.08, 1.0)
    ratio: Ratio = (3 / 4, 4 / 3)
    interpolation: Resampled = "bilinear"


@dataclass(frozen=True)
class RandAugment:
    """RandAugment: some operations of a list, as strong as `magnitude`.

    They are drawn from a fixed list (Cubuk et al., 2019), in one of two forms that differ.
    torchvision: of 14 operations each is applied, as strong as `magnitude` on a scale of `bins`; new corners are black.
    timm: of 15 "increasing" operations each is applied with `probability`, as strong as a normal draw around `magnitude`
    with deviation `std`, on a scale of 10; new corners have ImageNet's mean colour (`rand-m7-mstd0.5-inc1`).
    """

    kind: ClassVar[str] = "rand_augment"
    home: ClassVar[str] = OPERATIONS
    ops: Annotated[int, "Operations per image."] = 2
    magnitude: Annotated[float, "Strength of the operations."] = 9
    form: Annotated[Form, "Whose list of operations and magnitudes it is."] = "torchvision"
    bins: Annotated[int, "Number of magnitudes; `torchvision` only."] = 31
    std: Annotated[float, "Standard deviation of the magnitude; `timm` only."] = 0.0
    probability: Annotated[float, "Probability of each operation; `timm` only."] = 0.5
    interpolation: Resampled = "nearest"


@dataclass(frozen=True)
class TrivialAugment:
    """TrivialAugment: one operation of a list at a random strength.

    It is one of 14, as strong as one of `bins` levels drawn uniformly (Müller and Hutter, 2021; wide).
    """

    kind: ClassVar[str] = "trivial_augment"
    home: ClassVar[str] = OPERATIONS
    bins: Annotated[int, "Number of magnitudes."] = 31
    interpolation: Resampled = "nearest"


@dataclass(frozen=True)
class PcaLighting:
    """PCA lighting noise: color jitter along the principal components of RGB.

    Krizhevsky et al., 2012, section 4.1.
    """

    kind: ClassVar[str] = "pca_lighting"
    std: Annotated[float, "Standard deviation of the noise along each principal component."] = 0.1


@dataclass(frozen=True)
class RandomErasing:
    """Random erasing: a rectangle is set to zero.

    This comes after normalization (Zhong et al., 2017, as torchvision draws it). The rectangle covers a share `scale` of the
    area, height over width within `ratio`, uniformly in its logarithm.
    """

    kind: ClassVar[str] = "random_erasing"
    probability: Annotated[float, "Probability that an image is erased from."] = 0.5
    scale: Scale = (0.02, 0.33)
    ratio: Ratio = (0.3, 3.3)


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


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Each image and its label is mixed with the one before it in the batch, the first with the last.

    The share of the image itself is drawn once a batch from Beta(alpha, alpha). `mixup` (Zhang et al., 2018) is the alpha of
    adding pixels, `cutmix` (Yun et al., 2019) that of replacing a rectangle. A batch is mixed with `probability`; where both
    are given it is cut with probability `switch`. From `until` on nothing is mixed.
    """

    mixup: Annotated[float | None, "Alpha of mixup."] = None
    cutmix: Annotated[float | None, "Alpha of CutMix."] = None
    probability: Annotated[float, "Probability that a batch is mixed."] = 1.0
    switch: Annotated[float, "Probability of CutMix where both are given."] = 0.5
    until: Annotated[Step | Epoch | None, "When mixing ends: `step N` or `epoch N`."] = None


KINDS = {
    one.kind: one
    for one in (
        ResizeShorter, RandomCrop, RandomResizedCrop, RandAugment, TrivialAugment, PcaLighting, RandomErasing
    )
}  # fmt: skip
"""By what records call them."""
