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


class ResizeShorter(Model):
    """The shorter side is drawn uniformly between two sizes."""

    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise fault("AS604", f"no side is from {self.low} to {self.high} pixels", "give the smaller first")
        return self


class RandomResizedCrop(Model):
    """A share of the area, in some ratio of width to height, resized to the training size."""

    scale: Bounds = [0.08, 1.0]
    ratio: Bounds = [3 / 4, 4 / 3]
    interpolation: Interpolation = "bilinear"

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

    ops: Positive = 2
    magnitude: NonNegativeReal = 9
    form: Literal["torchvision", "timm"] = "torchvision"
    bins: Annotated[int, Computed(Int(2))] = 31
    std: NonNegativeReal = 0.0
    probability: Probability = 0.5
    interpolation: Interpolation = "nearest"

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

    bins: Annotated[int, Computed(Int(2))] = 31
    interpolation: Interpolation = "nearest"


class PcaLighting(Model):
    """Colour jitter along the principal components of RGB."""

    std: NonNegativeReal = 0.1


class RandomErasing(Model):
    """A rectangle is set to zero."""

    probability: Probability = 0.5
    scale: Bounds = [0.02, 0.33]
    ratio: Bounds = [0.3, 3.3]

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

    pad_crop: Positive | None = None
    hflip: Model | None = None
    resize_shorter: ResizeShorter | None = None
    random_crop: Model | None = None
    random_resized_crop: RandomResizedCrop | None = None
    rand_augment: RandAugment | None = None
    trivial_augment: TrivialAugment | None = None
    pca_lighting: PcaLighting | None = None
    random_erasing: RandomErasing | None = None

    @classmethod
    def normalize(cls, raw: Any) -> Any:
        """Accept the short forms, `resize_shorter: [low, high]` among them."""
        if (
            isinstance(raw, dict)
            and isinstance(raw.get("resize_shorter"), list)
            and len(raw["resize_shorter"]) == 2
        ):
            raw = {"resize_shorter": dict(zip(("low", "high"), raw["resize_shorter"], strict=True))}
        step = super().normalize(raw)
        if isinstance(step, dict) and step.get("pad_crop") == {}:
            raise fault(
                "AS102", "`pad_crop` needs the pixels that it pads each side with", "such as `{pad_crop: 4}`"
            )
        return step

    def recipe(self) -> dict[str, Any]:
        """The augmentation as the recipe states it."""
        kind, value = self.chosen
        fields: dict[str, Any] = {"padding": value} if kind == "pad_crop" else value.model_dump()
        return {"kind": kind} | fields


class Mix(Model):
    """Images and labels of a batch are mixed."""

    mixup: PositiveReal | None = None
    cutmix: PositiveReal | None = None
    probability: Probability = 1.0
    switch: Probability = 0.5
    until: End | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.mixup is None and self.cutmix is None:
            raise fault("AS604", "`mix` says no way of mixing", "give `mixup` or `cutmix` its alpha")
        if "switch" in self.model_fields_set and (self.mixup is None or self.cutmix is None):
            raise fault("AS604", "there is nothing to `switch` between", "give both ways, or neither", ("switch",))
        return self


class Size(Model):
    """How large training images are, and until when."""

    value: Positive
    until: End | None = None


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

    dataset: Literal["digits", "cifar10", "cifar100", "image_folder", "webdataset", "parquet", "synthetic"] = (
        "digits"
    )
    train: str | None = None
    test: Annotated[str | None, BeforeValidator(_no_number)] = None
    image: str | None = None
    label: str | None = None
    holdout: NonNegative = 0
    augment: list[Augment] = []
    repeats: Positive = 1
    size: Annotated[list[Size], BeforeValidator(_one_size)] = []
    normalize: Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel", "imagenet"] = "none"
    eval_resize: Positive | None = None
    eval_interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    antialias: Boolean = True
    resizer: Literal["fastest", "pillow"] = "fastest"
    corrupt: Literal["stop", "skip"] = "stop"
    mix: Mix | None = None

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
