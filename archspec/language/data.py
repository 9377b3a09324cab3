"""The models of a recipe's `data`: which images, in what order and size, and how they are changed."""

from typing import Annotated, Any, Self

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
from archspec_runtime.recipe import augmentations, images

Bounds = Annotated[list[PositiveReal], Field(min_length=2, max_length=2)]
TIMM_LEVELS = 10


def check_bounds(bounds: list[float], key: str) -> None:
    """Check that the first is not above the second."""
    if bounds[0] > bounds[1]:
        raise fault("AS604", f"`{key}` goes from {bounds[0]:g} to {bounds[1]:g}", "give the smaller first", (key,))


class PadCrop(Model, of=images.PadCrop):
    padding: Positive
    mode: images.Padding

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        if raw == {} or raw is None:
            raise fault(
                "AS102", "`pad_crop` needs the pixels that it pads each side with", "such as `{pad_crop: 4}`"
            )
        return raw if isinstance(raw, dict) else {"padding": raw}


class HFlip(Model, of=images.HFlip):
    alternating: Boolean


class ResizeShorter(Model, of=augmentations.ResizeShorter):
    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise fault("AS604", f"no side is from {self.low} to {self.high} pixels", "give the smaller first")
        return self


class RandomResizedCrop(Model, of=augmentations.RandomResizedCrop):
    scale: Bounds
    ratio: Bounds
    interpolation: images.Interpolation

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for key in ("scale", "ratio"):
            check_bounds(getattr(self, key), key)
        if self.scale[1] > 1:
            message = f"a crop has at most the whole area, not {self.scale[1]:g} of it"
            raise fault("AS604", message, "shares go from 0 to 1", ("scale",))
        return self


class RandAugment(Model, of=augmentations.RandAugment):
    ops: Positive
    magnitude: NonNegativeReal
    form: augmentations.Form
    bins: Annotated[int, Computed(Int(2))]
    std: NonNegativeReal
    probability: Probability
    interpolation: images.Interpolation

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


class TrivialAugment(Model, of=augmentations.TrivialAugment):
    bins: Annotated[int, Computed(Int(2))]
    interpolation: images.Interpolation


class PcaLighting(Model, of=augmentations.PcaLighting):
    std: NonNegativeReal


class RandomErasing(Model, of=augmentations.RandomErasing):
    probability: Probability
    scale: Bounds
    ratio: Bounds

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for key in ("scale", "ratio"):
            check_bounds(getattr(self, key), key)
        if self.scale[1] >= 1:
            message = "erasing the whole image leaves nothing to learn from"
            raise fault("AS604", message, "erase a share of less than 1", ("scale",))
        return self


class Augment(OneOf, of=augmentations.Augmentation):
    """One augmentation of training images."""

    pad_crop: PadCrop | None
    hflip: HFlip | None
    resize_shorter: ResizeShorter | None
    random_crop: Model | None
    random_resized_crop: RandomResizedCrop | None
    rand_augment: RandAugment | None
    trivial_augment: TrivialAugment | None
    pca_lighting: PcaLighting | None
    random_erasing: RandomErasing | None

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


class Mix(Model, of=augmentations.Mix):
    mixup: PositiveReal | None
    cutmix: PositiveReal | None
    probability: Probability
    switch: Probability
    until: End | None

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

    def recipe(self) -> dict[str, Any]:
        """The size as the recipe states it."""
        return {"pixels": self.value, "until": self.until}


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


class Data(Model, of=images.Data):
    dataset: images.DataSets
    train: str | None
    test: Annotated[str | None, BeforeValidator(_no_number)]
    image: str | None
    label: str | None
    holdout: NonNegative
    augment: list[Augment]
    repeats: Positive
    size: Annotated[list[Size], BeforeValidator(_one_size)]
    normalize: images.Normalization
    eval_resize: Positive | None
    eval_interpolation: images.Fixed
    antialias: Boolean
    resizer: images.Resizer
    corrupt: images.Corrupt
    mix: Mix | None

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
