"""The part of a recipe that is about images: which, in what order and size, and how they are changed.

The augmentations of photographs, and mixing, are in `augmentations`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

if TYPE_CHECKING:
    from archspec_runtime.recipe.augmentations import Augmentation, Mix

DataSets = Literal["digits", "cifar10", "cifar100", "image_folder", "webdataset", "parquet", "synthetic"]
Normalization = Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel", "imagenet"]
Corrupt = Literal["stop", "skip"]
Resizer = Literal["fastest", "pillow"]
Fixed = Literal["nearest", "bilinear", "bicubic"]
Interpolation = Literal[Fixed, "random"]
Padding = Literal["zeros", "reflect"]

# --- when something ends that depends on the step alone ----------------------------------------------


@dataclass(frozen=True)
class Step:
    """True when `step` optimizer steps have been taken since the start of the run."""

    kind: ClassVar[str] = "step"
    step: int


@dataclass(frozen=True)
class Epoch:
    """True when `epoch` whole epochs have been seen since the start of the run."""

    kind: ClassVar[str] = "epoch"
    epoch: int


# --- augmentation of single images: applied in the order given, to training images only --------------


@dataclass(frozen=True)
class PadCrop:
    """Pads each side with so many pixels, and crops at random to the size from before."""

    kind: ClassVar[str] = "pad_crop"
    padding: Annotated[int, "Pixels on each side."]
    mode: Annotated[Padding, "What the pixels are: zeros, or the image mirrored about its border pixels."] = "zeros"


@dataclass(frozen=True)
class HFlip:
    """Mirrors an image horizontally with probability 0.5.

    With `alternating` this is drawn once for each image, which is mirrored in every other epoch from then on (Jordan, 2024,
    section 3.6).
    """

    kind: ClassVar[str] = "hflip"
    alternating: Annotated[bool, "Whether each image is mirrored in every other epoch, drawn is which."] = False


ON_BATCHES = ("pad_crop", "hflip", "random_erasing")
"""What is done to whole batches of normalized pixels, on the device; everything else is done to one image at a time."""

# --- whole batches ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Train on images of `pixels` x `pixels` until `until`; without it to the end of the run."""

    pixels: int
    until: Step | Epoch | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images, and what is done to them."""

    dataset: Annotated[str, "The data set, or the kind of files that hold it."] = "digits"
    train: Annotated[str | None, "The tars or Parquet files to train on, as a pattern."] = None
    test: Annotated[
        str | None, "The tars or Parquet files to test on, or a share of the training images such as `20%`."
    ] = None
    image: Annotated[str | None, "The column or member that holds images."] = None
    label: Annotated[str | None, "The column or member that holds labels."] = None
    holdout: Annotated[int, "Training images that are set aside as the validation split."] = 0
    augment: Annotated["tuple[Augmentation, ...]", "Augmentations of training images, in order."] = ()
    # so many copies of an image are augmented differently (Hoffer et al., 2020)
    repeats: Annotated[int, "How often each image stands in a batch, augmented anew each time."] = 1
    size: Annotated[
        tuple[Size, ...], "Size of training images, if not that of `input`: a number, or several with `until`."
    ] = ()
    # statistics are taken over the training split, pixels in [0, 1]
    normalize: Annotated[Normalization, "How pixels are normalized."] = "none"
    eval_resize: Annotated[
        int | None, "Short edge in pixels that images are resized to before the center crop of an evaluation."
    ] = None
    # always with Pillow and antialiased
    eval_interpolation: Annotated[Fixed, "How pixels are resampled in an evaluation."] = "bilinear"
    # False is OpenCV's plain bilinear interpolation
    antialias: Annotated[bool, "Whether resizing to a smaller size averages over the pixels it drops."] = True
    resizer: Annotated[Resizer, "The library that resizes: the fastest that is installed, or Pillow alone."] = (
        "fastest"
    )
    corrupt: Annotated[Corrupt, "What is done about an image that cannot be decoded."] = "stop"
    mix: Annotated["Mix | None", "Mixup and CutMix of the images and labels of a batch."] = None

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
