"""The part of a recipe that is about images: which, in what order and size, and how they are changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Normalization = Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel", "imagenet"]
Corrupt = Literal["stop", "skip"]
Resizer = Literal["fastest", "pillow"]
Fixed = Literal["nearest", "bilinear", "bicubic"]
Interpolation = Fixed | Literal["random"]
Padding = Literal["zeros", "reflect"]

OPERATIONS = "archspec_runtime.augment.pillow_ops"
"""The module that a `train.py` imports what it does with these from, so that a built folder carries it."""


# --- when something ends that depends on the step alone ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """True when `step` optimizer steps have been taken since the start of the run."""

    kind: ClassVar[str] = "step"
    step: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """True when `epoch` whole epochs have been seen since the start of the run."""

    kind: ClassVar[str] = "epoch"
    epoch: int


# --- augmentation of single images: applied in the order given, to training images only --------------


@dataclass(frozen=True, slots=True)
class PadCrop:
    """Pad each side with `padding` pixels, then crop the input size at a random place.

    The pixels are zeros, or with `reflect` those on the other side of the border pixel.
    """

    kind: ClassVar[str] = "pad_crop"
    padding: int
    mode: Padding = "zeros"


@dataclass(frozen=True, slots=True)
class HFlip:
    """Mirror left to right with probability one half.

    With `alternating` that is drawn once for each image, which is mirrored in every other epoch from then on (Jordan, 2024,
    section 3.6).
    """

    kind: ClassVar[str] = "hflip"
    alternating: bool = False


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

ON_BATCHES = (PadCrop, HFlip, RandomErasing)
"""What is done to whole batches of normalized pixels, on the device; everything else is done to one image at a time."""


# --- whole batches ------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Size:
    """Train on images of `pixels` x `pixels` until `until`; without it to the end of the run."""

    pixels: int
    until: Step | Epoch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Which images, how they are split, ordered, changed, normalized and mixed."""

    dataset: str = "digits"  # digits, cifar10, cifar100, image_folder, webdataset, parquet, synthetic
    train: str | None = None  # which tars or Parquet files: a pattern below --data, or an address
    test: str | None = None  # likewise, or a share of the training images that is set aside: 20%
    image: str | None = None  # the column of Parquet, or the extension of a tar's members, that holds images
    label: str | None = None  # and labels
    holdout: int = 0  # training images set aside for validation, drawn by the seed
    augment: tuple[Augmentation, ...] = ()
    repeats: int = 1  # times that a batch holds each of its images, augmented differently (Hoffer et al., 2020)
    size: tuple[Size, ...] = ()  # of training images by phase; evaluation has the net's input size
    normalize: Normalization = "none"  # statistics are taken over the training split, pixels in [0, 1]
    eval_resize: int | None = None  # short edge before the centre crop (image folders only)
    eval_interpolation: Fixed = "bilinear"  # how evaluation resizes, always with Pillow and antialiased
    antialias: bool = True  # in resizing training images; False is OpenCV's plain bilinear interpolation
    resizer: Resizer = "fastest"  # what antialiases: cykooz-resizer where it is installed, or always Pillow
    corrupt: Corrupt = "stop"  # at a training image that cannot be read, or skip: the next one takes its place
    mix: Mix | None = None

    @property
    def resizing(self) -> Literal["fastest", "pillow", "plain"]:
        """How training images are resized."""
        return self.resizer if self.antialias else "plain"

    @property
    def test_share(self) -> float | None:
        """The share of the training images that is set aside to test on; None where those are images of their own."""
        if self.test is None or not self.test.endswith("%"):
            return None
        try:
            share = float(self.test[:-1]) / 100
        except ValueError:
            return None
        return share if 0 < share < 1 else None
