"""The part of a recipe that is about images: which, in what order and size, and how they are changed.

The augmentations of photographs, and mixing, are in `augmentations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from archspec_runtime.recipe.augmentations import Augmentation, Mix

Normalization = Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel", "imagenet"]
Corrupt = Literal["stop", "skip"]
Resizer = Literal["fastest", "pillow"]
Fixed = Literal["nearest", "bilinear", "bicubic"]
Interpolation = Fixed | Literal["random"]
Padding = Literal["zeros", "reflect"]

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


ON_BATCHES = ("pad_crop", "hflip", "random_erasing")
"""What is done to whole batches of normalized pixels, on the device; everything else is done to one image at a time."""

# --- whole batches ------------------------------------------------------------------------------------


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
