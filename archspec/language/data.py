"""The models of a recipe's `data`: which images, in what order and size, and how they are changed."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from archspec.language.base import (
    Boolean,
    Computed,
    Model,
    NonNegative,
    NonNegativeReal,
    OneOf,
    Positive,
    PositiveReal,
    Probability,
    fault,
)
from archspec.language.conditions import End, check_growing
from archspec.ops.arguments import Int

Interpolation = Literal["nearest", "bilinear", "bicubic", "random"]
Bounds = Annotated[list[PositiveReal], Field(min_length=2, max_length=2)]
TIMM_LEVELS = 10


def check_bounds(bounds: list[float], key: str) -> None:
    """Check that the first is not above the second."""
    if bounds[0] > bounds[1]:
        raise fault("AS604", f"`{key}` goes from {bounds[0]:g} to {bounds[1]:g}", "give the smaller first", (key,))


class PadCrop(Model):
    """Images are padded, and cropped at random to the size from before."""

    padding: Positive = Field(description="Pixels on each side.")
    mode: Literal["zeros", "reflect"] = Field(
        default="zeros", description="What the pixels are: zeros, or the image mirrored about its border pixels."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        if raw == {} or raw is None:
            raise fault(
                "AS102", "`pad_crop` needs the pixels that it pads each side with", "such as `{pad_crop: 4}`"
            )
        return raw if isinstance(raw, dict) else {"padding": raw}


class HFlip(Model):
    """Images are mirrored."""

    alternating: Boolean = Field(
        default=False, description="Whether each image is mirrored in every other epoch, drawn is which."
    )


class ResizeShorter(Model):
    """The short edge is drawn uniformly between two sizes."""

    low: Positive = Field(description="Smallest short edge in pixels.")
    high: Positive = Field(description="Largest short edge in pixels.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise fault("AS604", f"no side is from {self.low} to {self.high} pixels", "give the smaller first")
        return self


class RandomResizedCrop(Model):
    """A share of the area, in some ratio of width to height, resized to the training size."""

    scale: Bounds = Field(default=[0.08, 1.0], description="Smallest and largest share of the image's area.")
    ratio: Bounds = Field(default=[3 / 4, 4 / 3], description="Smallest and largest ratio of width to height.")
    interpolation: Interpolation = Field(default="bilinear", description="How pixels are resampled.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for key in ("scale", "ratio"):
            check_bounds(getattr(self, key), key)
        if self.scale[1] > 1:
            message = f"a crop has at most the whole area, not {self.scale[1]:g} of it"
            raise fault("AS604", message, "shares go from 0 to 1", ("scale",))
        return self


class RandAugment(Model):
    """Some operations of a list, as strong as a magnitude says."""

    ops: Positive = Field(default=2, description="Operations per image.")
    magnitude: NonNegativeReal = Field(default=9, description="Strength of the operations.")
    form: Literal["torchvision", "timm"] = Field(
        default="torchvision", description="Whose list of operations and magnitudes it is."
    )
    bins: Annotated[int, Computed(Int(2))] = Field(
        default=31, description="Number of magnitudes; `torchvision` only."
    )
    std: NonNegativeReal = Field(default=0.0, description="Standard deviation of the magnitude; `timm` only.")
    probability: Probability = Field(default=0.5, description="Probability of each operation; `timm` only.")
    interpolation: Interpolation = Field(default="nearest", description="How pixels are resampled.")

    @model_validator(mode="after")
    def _of_one_form(self) -> Self:
        given, ours = self.model_fields_set, f"form `{self.form}`"
        foreign = {"bins"} if self.form == "timm" else {"std", "probability"}
        for key in sorted(foreign & given):
            raise fault(
                "AS604", f"`{key}` means nothing in {ours}", "take it out, or choose the other form", (key,)
            )
        top = TIMM_LEVELS if self.form == "timm" else self.bins - 1
        if self.magnitude > top or (self.form == "torchvision" and self.magnitude != int(self.magnitude)):
            message = (
                f"the magnitudes of {ours} go from 0 to {top}{'' if self.form == 'timm' else ' in whole steps'}"
            )
            raise fault("AS604", message, f"such as `magnitude: {min(9, top)}`", ("magnitude",))
        return self


class TrivialAugment(Model):
    """One operation of a list, as strong as chance says."""

    bins: Annotated[int, Computed(Int(2))] = Field(default=31, description="Number of magnitudes.")
    interpolation: Interpolation = Field(default="nearest", description="How pixels are resampled.")


class PcaLighting(Model):
    """Colour jitter along the principal components of RGB."""

    std: NonNegativeReal = Field(
        default=0.1, description="Standard deviation of the noise along each principal component."
    )


class RandomErasing(Model):
    """A rectangle is set to zero."""

    probability: Probability = Field(default=0.5, description="Probability that an image is erased from.")
    scale: Bounds = Field(default=[0.02, 0.33], description="Smallest and largest share of the image's area.")
    ratio: Bounds = Field(default=[0.3, 3.3], description="Smallest and largest ratio of width to height.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for key in ("scale", "ratio"):
            check_bounds(getattr(self, key), key)
        if self.scale[1] >= 1:
            message = "erasing the whole image leaves nothing to learn from"
            raise fault("AS604", message, "erase a share of less than 1", ("scale",))
        return self


class Augment(OneOf):
    """One augmentation of training images."""

    pad_crop: PadCrop | None = Field(
        default=None, description="Pads each side with so many pixels, and crops at random to the size from before."
    )
    hflip: HFlip | None = Field(default=None, description="Mirrors an image horizontally with probability 0.5.")
    resize_shorter: ResizeShorter | None = Field(
        default=None, description="Resizes the short edge to a size between two, `[256, 480]`."
    )
    random_crop: Model | None = Field(default=None, description="Crops at random to the training size.")
    random_resized_crop: RandomResizedCrop | None = Field(
        default=None, description="Crops a random share in a random ratio, and resizes it to the training size."
    )
    rand_augment: RandAugment | None = Field(
        default=None, description="RandAugment: some operations of a list, as strong as `magnitude`."
    )
    trivial_augment: TrivialAugment | None = Field(
        default=None, description="TrivialAugment: one operation of a list at a random strength."
    )
    pca_lighting: PcaLighting | None = Field(
        default=None, description="PCA lighting noise: color jitter along the principal components of RGB."
    )
    random_erasing: RandomErasing | None = Field(
        default=None, description="Random erasing: a rectangle is set to zero."
    )

    @classmethod
    def normalize(cls, raw: Any) -> Any:
        """Accept the short forms, `resize_shorter: [low, high]` among them."""
        if (
            isinstance(raw, dict)
            and isinstance(raw.get("resize_shorter"), list)
            and len(raw["resize_shorter"]) == 2
        ):
            raw = {"resize_shorter": dict(zip(("low", "high"), raw["resize_shorter"], strict=True))}
        return super().normalize(raw)

    def recipe(self) -> dict[str, Any]:
        """The augmentation as the recipe states it."""
        kind, value = self.chosen
        fields: dict[str, Any] = value.model_dump()
        return {"kind": kind} | fields


class Mix(Model):
    """Images and labels of a batch are mixed."""

    mixup: PositiveReal | None = Field(default=None, description="Alpha of mixup.")
    cutmix: PositiveReal | None = Field(default=None, description="Alpha of CutMix.")
    probability: Probability = Field(default=1.0, description="Probability that a batch is mixed.")
    switch: Probability = Field(default=0.5, description="Probability of CutMix where both are given.")
    until: End | None = Field(default=None, description="When mixing ends: `step N` or `epoch N`.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.mixup is None and self.cutmix is None:
            raise fault("AS604", "`mix` says no way of mixing", "give `mixup` or `cutmix` its alpha")
        if "switch" in self.model_fields_set and (self.mixup is None or self.cutmix is None):
            raise fault("AS604", "there is nothing to `switch` between", "give both ways, or neither", ("switch",))
        return self


class Size(Model):
    """How large training images are, and until when."""

    value: Positive = Field(description="Height and width of training images in pixels.")
    until: End | None = Field(default=None, description="When the next size begins: `step N` or `epoch N`.")


def _one_size(raw: Any) -> Any:
    return [{"value": raw}] if isinstance(raw, (int, float, str)) and not isinstance(raw, bool) else raw


BRING = ("image_folder", "webdataset", "parquet")
FILES = ("webdataset", "parquet", "synthetic")
WHAT = {
    "train": "says which tars or Parquet files",
    "test": "says which tars or Parquet files",
    "image": "says which column or member holds images",
    "label": "says which column or member holds labels",
}


def _no_number(raw: Any) -> Any:
    """A share of the training images is written with its sign: a number may mean one, or how many."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        share = f"{raw:.0%}" if 0 < raw < 1 else "20%"
        message = f"`test: {raw}` says neither which files, nor a share of the training images"
        raise fault("AS604", message, f"such as `test: {share}`")
    return raw


def _check_share(text: str) -> None:
    """Check a share of the training images: `20%`."""
    number = text[:-1].strip()
    try:
        fits = 0 < float(number) < 100
    except ValueError:
        fits = False
    if not fits:
        message = f"`test: {text}` is no share of the training images"
        raise fault("AS604", message, "such as `test: 20%`, more than 0% and less than 100%", ("test",))


class Data(Model):
    """Which images, and what is done to them."""

    dataset: Literal["digits", "cifar10", "cifar100", "image_folder", "webdataset", "parquet", "synthetic"] = Field(
        default="digits", description="The data set, or the kind of files that hold it."
    )
    train: str | None = Field(default=None, description="The tars or Parquet files to train on, as a pattern.")
    test: Annotated[str | None, BeforeValidator(_no_number)] = Field(
        default=None,
        description="The tars or Parquet files to test on, or a share of the training images such as `20%`.",
    )
    image: str | None = Field(default=None, description="The column or member that holds images.")
    label: str | None = Field(default=None, description="The column or member that holds labels.")
    holdout: NonNegative = Field(
        default=0, description="Training images that are set aside as the validation split."
    )
    augment: list[Augment] = Field(default=[], description="Augmentations of training images, in order.")
    repeats: Positive = Field(
        default=1, description="How often each image stands in a batch, augmented anew each time."
    )
    size: Annotated[list[Size], BeforeValidator(_one_size)] = Field(
        default=[],
        description="Size of training images, if not that of `input`: a number, or several with `until`.",
    )
    normalize: Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel", "imagenet"] = Field(
        default="none", description="How pixels are normalized."
    )
    eval_resize: Positive | None = Field(
        default=None,
        description="Short edge in pixels that images are resized to before the center crop of an evaluation.",
    )
    eval_interpolation: Literal["nearest", "bilinear", "bicubic"] = Field(
        default="bilinear", description="How pixels are resampled in an evaluation."
    )
    antialias: Boolean = Field(
        default=True, description="Whether resizing to a smaller size averages over the pixels it drops."
    )
    resizer: Literal["fastest", "pillow"] = Field(
        default="fastest", description="The library that resizes: the fastest that is installed, or Pillow alone."
    )
    corrupt: Literal["stop", "skip"] = Field(
        default="stop", description="What is done about an image that cannot be decoded."
    )
    mix: Mix | None = Field(default=None, description="Mixup and CutMix of the images and labels of a batch.")

    @property
    def kinds(self) -> list[str]:
        """The augmentations in order, by name."""
        return [step.chosen[0] for step in self.augment]

    @property
    def never_validates(self) -> bool:
        """Whether no images are there to validate on: folders, tars and Parquet may bring some, beside those to test on."""
        return not self.holdout and (self.dataset not in BRING or self.test is not None)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        once = {"random_erasing": "images are erased from once", "hflip": "images are mirrored once"}
        for index, kind in enumerate(self.kinds):
            if kind in once and kind in self.kinds[:index]:
                raise fault("AS604", once[kind], "take one out", ("augment", index))
        crops = [step.pad_crop for step in self.augment if step.pad_crop is not None]
        if len({crop.mode for crop in crops}) > 1:
            raise fault(
                "AS604", "images are padded with zeros or with their mirror image", "take one out", ("augment",)
            )
        mirrored = next((step.hflip for step in self.augment if step.hflip is not None), None)
        if mirrored is not None and mirrored.alternating and self.repeats > 1:
            message = "an image that stands in a batch several times cannot be mirrored in every other epoch"
            raise fault("AS604", message, "take `alternating` or `repeats` out", ("repeats",))
        self._check_places()
        if "resizer" in self.model_fields_set and not self.antialias:
            message, help_ = "`resizer` chooses what antialiases, and nothing does", "take out `antialias: false`"
            raise fault("AS604", message, help_, ("resizer",))
        if "eval_interpolation" in self.model_fields_set and self.eval_resize is None:
            message, help_ = "`eval_interpolation` says how to resize, and nothing is resized", "give `eval_resize`"
            raise fault("AS604", message, help_, ("eval_interpolation",))
        if not self.size:
            return self
        check_growing([[s.until] if s.until else [] for s in self.size], "size")
        if not {"random_crop", "random_resized_crop"} & set(self.kinds):
            message, help_ = "images get another size by cropping", "augment with `random_resized_crop`"
            raise fault("AS604", message, help_, ("size",))
        if self.normalize == "per_pixel_mean":
            message, help_ = "a mean for each pixel has one size", "normalize with `per_channel_mean`"
            raise fault("AS604", message, help_, ("size",))
        return self

    def _check_places(self) -> None:
        """Check that what says where images and labels are means something to the data set."""
        given = {key for key in ("train", "test", "image", "label") if getattr(self, key) is not None}
        share = self.test is not None and self.test.endswith("%")
        if share:
            _check_share(str(self.test))
        for key in sorted(given):
            if self.dataset in FILES or (key == "test" and share and self.dataset == "image_folder"):
                continue
            message = f"`{key}` {WHAT[key]}, and `{self.dataset}` has none"
            help_ = "take it out, or read `webdataset` or `parquet`"
            if share and key == "test":
                message = f"`{self.test}` sets images aside to test on, and `{self.dataset}` has its own"
                help_ = "take it out, or read `image_folder`, `webdataset` or `parquet`"
            raise fault("AS604", message, help_, (key,))

    def recipe(self) -> dict[str, Any]:
        """The data as the recipe states it."""
        sizes = [{"pixels": s.value, "until": s.until} for s in self.size]
        return {**self.model_dump(), "augment": [a.recipe() for a in self.augment], "size": sizes}
