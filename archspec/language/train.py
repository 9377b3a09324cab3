"""The models of a training recipe."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from archspec.language.base import (
    Boolean,
    Fraction,
    Model,
    NonNegative,
    NonNegativeReal,
    OneOf,
    Positive,
    PositiveReal,
    fault,
)

Metric = Literal["train_error", "val_error", "test_error", "train_loss"]

_UNTIL = re.compile(
    r"(?:(?P<kind>step|epoch|plateau)\s+(?P<count>\d+)"
    r"|(?P<metric>train_error|val_error|test_error|train_loss)\s*(?P<relation>[<>])\s*(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>%?))",
    re.ASCII,
)


class ResizeShorter(Model):
    """The shorter side is drawn uniformly between two sizes."""

    low: Positive
    high: Positive


class PcaLighting(Model):
    """Colour jitter along the principal components of RGB."""

    std: NonNegativeReal = 0.1


class Augment(OneOf):
    """One augmentation of training images."""

    pad_crop: Positive | None = None
    hflip: Model | None = None
    resize_shorter: ResizeShorter | None = None
    random_crop: Model | None = None
    pca_lighting: PcaLighting | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        if (
            isinstance(raw, dict)
            and isinstance(raw.get("resize_shorter"), list)
            and len(raw["resize_shorter"]) == 2
        ):
            raw = {"resize_shorter": dict(zip(("low", "high"), raw["resize_shorter"], strict=True))}
        return cls.normalize(raw)

    def recipe(self) -> dict[str, Any]:
        """The augmentation as the recipe states it."""
        kind, value = self.chosen
        fields: dict[str, Any] = {"padding": value} if kind == "pad_crop" else value.model_dump()
        return {"kind": kind} | fields


class Data(Model):
    """Which images, and what is done to them."""

    dataset: Literal["digits", "cifar10", "cifar100", "image_folder", "webdataset", "parquet", "synthetic"] = (
        "digits"
    )
    train: str | None = None
    test: str | None = None
    holdout: NonNegative = 0
    augment: list[Augment] = []
    normalize: Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel"] = "none"
    eval_resize: Positive | None = None
    antialias: Boolean = True
    corrupt: Literal["stop", "skip"] = "stop"


class Sgd(Model):
    """v = momentum v + (g + weight_decay w); w = w - lr v."""

    momentum: Fraction = 0.0
    weight_decay: NonNegativeReal = 0.0
    nesterov: Boolean = False
    decay_norm_and_bias: Boolean = True


class Adamw(Model):
    """Adam with decoupled weight decay."""

    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    eps: PositiveReal = 1e-8
    weight_decay: NonNegativeReal = 0.01
    decay_norm_and_bias: Boolean = True


class Optimizer(OneOf):
    """The optimizer with its arguments."""

    sgd: Sgd | None = None
    adamw: Adamw | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return cls.normalize(raw)

    def recipe(self) -> dict[str, Any]:
        """The optimizer as the recipe states it."""
        kind, value = self.chosen
        return {"kind": kind, **value.model_dump()}


def parse_until(raw: Any) -> list[dict[str, Any]]:
    """`step 32000`, `epoch 90`, `plateau 5`, `train_error < 80%`, several joined by `or`, as tagged conditions."""
    conditions = []
    for part in re.split(r"\s+or\s+", raw.strip()) if isinstance(raw, str) else [""]:
        match = _UNTIL.fullmatch(part)
        if match is None:
            raise fault("AS602", f"a phase cannot end on {str(raw)[:60]!r}",
                        "say `step N`, `epoch N`, `plateau EPOCHS`, `train_error < 80%`, or several joined by `or`")  # fmt: skip
        if match["kind"]:
            count = int(match["count"][:12])
            field = "epochs" if match["kind"] == "plateau" else match["kind"]
            if count == 0:
                raise fault("AS602", f"a phase that ends on `{part}` has no steps", "count from 1")
            conditions.append({"kind": match["kind"], field: count})
        else:
            if match["metric"].endswith("error") != (match["unit"] == "%"):
                better = f"{match['metric']} {match['relation']} {match['value']}{'' if match['unit'] else '%'}"
                raise fault("AS602", f"`{part}`: errors are in percent and losses are not", f"write `{better}`")
            conditions.append(
                {
                    "kind": "measured",
                    "metric": match["metric"],
                    "relation": match["relation"],
                    "value": float(match["value"]),
                }
            )
    return conditions


class Ramp(Model):
    """A learning rate that moves from one value to another over the phase."""

    start: NonNegativeReal = Field(alias="from")
    end: NonNegativeReal = Field(alias="to")


class Phase(Model):
    """A learning rate, constant or moving, and what ends it; the last phase ends with the run."""

    value: NonNegativeReal | None = None
    linear: Ramp | None = None
    cosine: Ramp | None = None
    until: Annotated[
        list[dict[str, Any]],
        BeforeValidator(parse_until),
        WithJsonSchema({"type": "string", "description": "step N, epoch N, plateau N, train_error < 80%"}),
    ] = []

    @model_validator(mode="after")
    def _one_rate(self) -> Phase:
        ramp = self.linear or self.cosine
        if sum(x is not None for x in (self.value, self.linear, self.cosine)) != 1:
            raise fault("AS602", "a phase has exactly one of `value`, `linear` and `cosine`")
        if ramp and any(c["kind"] not in ("step", "epoch") for c in self.until):
            help_ = "end the phase on `step N` or `epoch N`"
            raise fault("AS602", "a moving rate needs a known length", help_, ("until",))
        return self

    def recipe(self) -> dict[str, Any]:
        """The phase as the recipe states it."""
        ramp = self.linear or self.cosine
        return {
            "value": ramp.start if ramp else self.value,
            "until": self.until,
            "end": ramp.end if ramp else None,
            "shape": "linear" if self.linear else "cosine" if self.cosine else None,
        }


def _one_phase(raw: Any) -> Any:
    return [{"value": raw}] if isinstance(raw, (int, float, str)) and not isinstance(raw, bool) else raw


class Train(Model):
    """How the net is trained."""

    recipe_name: str | None = Field(default=None, alias="recipe")
    data: Data = Data()
    batch_size: Positive = 128
    steps: Positive | None = None
    epochs: Positive | None = None
    optimizer: Optimizer = Optimizer(sgd=Sgd())
    lr: Annotated[list[Phase], BeforeValidator(_one_phase), Field(min_length=1)] = [Phase(value=0.1)]
    label_smoothing: Fraction = 0.0
    precision: Literal["fp32", "bf16", "fp16", "fp64"] = "fp32"
    clip_norm: PositiveReal | None = None
    ema: Fraction | None = None
    seed: NonNegative = 0

    @model_validator(mode="after")
    def _consistent(self) -> Train:
        if (self.steps is None) == (self.epochs is None):
            raise fault("AS602", "a run is as long as exactly one of `steps` and `epochs` says", "give one of them")
        last: dict[str, int] = {}
        for index, phase in enumerate(self.lr):
            if not phase.until and index < len(self.lr) - 1:
                raise fault(
                    "AS602",
                    f"phase {index + 1} of `lr` never ends, so the next never begins",
                    "give it `until`",
                    ("lr", index),
                )
            for kind in ("step", "epoch"):
                for condition in (c for c in phase.until if c["kind"] == kind):
                    if condition[kind] <= last.get(kind, 0):
                        message = f"phase {index + 1} of `lr` would end on {kind} {condition[kind]}, not after {last[kind]}"
                        help_ = f"{kind}s count from the start of the run and must grow"
                        raise fault("AS602", message, help_, ("lr", index, "until"))
                    last[kind] = condition[kind]
        return self

    def recipe(self) -> dict[str, Any]:
        """The recipe as plain JSON values, in the form of the runtime's `Recipe.to_dict`."""
        data = {**self.data.model_dump(), "augment": [a.recipe() for a in self.data.augment]}
        return {
            "data": data,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "epochs": self.epochs,
            "optimizer": self.optimizer.recipe(),
            "lr": [p.recipe() for p in self.lr],
            "label_smoothing": self.label_smoothing,
            "precision": self.precision,
            "clip_norm": self.clip_norm,
            "ema": self.ema,
            "seed": self.seed,
        }
