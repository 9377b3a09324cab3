"""The models of a training recipe: which values it takes, and what must fit together.

What its keys mean, and their defaults, stand in `archspec_runtime.recipe`.
"""

from dataclasses import fields
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from archspec.diagnostics.spelling import nearest
from archspec.language import synonyms, vocabulary
from archspec.language.base import (
    Boolean,
    Computed,
    Fraction,
    Model,
    NonNegativeReal,
    OneOf,
    Positive,
    PositiveReal,
    fault,
    plain,
)
from archspec.language.conditions import End, Every, Until, check_growing
from archspec.language.data import Data
from archspec.language.policies import BadLoss, Keep, Stop
from archspec.language.run_length import Length, run_length, written
from archspec.ops.arguments import Int
from archspec_runtime.recipe import vocabulary as said
from archspec_runtime.recipe.recipe import Precision, Recipe


class Sgd(Model, of=said.SGD):
    momentum: Fraction
    weight_decay: NonNegativeReal
    nesterov: Boolean
    decay_norm_and_bias: Boolean

    @model_validator(mode="after")
    def _moving(self) -> Self:
        if self.nesterov and not self.momentum:
            message = "`nesterov` looks ahead along the momentum, and there is none"
            raise fault("AS604", message, "give `momentum`, such as 0.9", ("nesterov",))
        return self


class Adamw(Model, of=said.AdamW):
    beta1: Fraction
    beta2: Fraction
    eps: PositiveReal
    weight_decay: NonNegativeReal
    decay_norm_and_bias: Boolean


class Lamb(Model, of=said.LAMB):
    beta1: Fraction
    beta2: Fraction
    eps: PositiveReal
    weight_decay: NonNegativeReal
    decay_norm_and_bias: Boolean
    always_adapt: Boolean


class Optimizer(OneOf, of=said.Optimizer):
    """One of the optimizers."""

    sgd: Sgd | None
    adamw: Adamw | None
    lamb: Lamb | None


class Bce(Model, of=said.BCE):
    threshold: Fraction | None


class Loss(OneOf, of=said.Loss):
    """One of the losses."""

    cross_entropy: Model | None
    bce: Bce | None


class Ema(Model, of=said.EMA):
    decay: Fraction
    every: Positive
    after: End | None
    power: PositiveReal | None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return raw if isinstance(raw, dict) else {"decay": raw}


class Ramp(Model):
    """A learning rate that moves from one value to another over the phase."""

    start: NonNegativeReal = Field(alias="from", description="The rate at the start of the phase.")
    end: NonNegativeReal = Field(alias="to", description="The rate at the end of the phase.")


class Phase(Model):
    """A learning rate, constant or moving, and what ends it; the last phase ends with the run."""

    value: NonNegativeReal | None = Field(default=None, description="A constant learning rate.")
    linear: Ramp | None = Field(
        default=None, description="A rate that moves in a straight line, `{from: 0.1, to: 0}`."
    )
    cosine: Ramp | None = Field(
        default=None, description="A rate that moves along half a cosine, `{from: 0.1, to: 0}`."
    )
    until: Until = Field(
        default=[],
        description="What ends the phase: `step N`, `epoch N`, `plateau N`, `train_error < 80%`, or several joined by `or`.",
    )

    @model_validator(mode="after")
    def _one_rate(self) -> Self:
        ramp = self.linear or self.cosine
        if sum(x is not None for x in (self.value, self.linear, self.cosine)) != 1:
            raise fault(
                "AS602", "a phase has exactly one of `value`, `linear` and `cosine`", "such as `value: 0.1`"
            )
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


def _one_phase(raw: Any, info: ValidationInfo) -> Any:
    if isinstance(raw, dict) and any(key in raw for key in ("value", "linear", "cosine")):
        return [raw]
    if isinstance(raw, str) and raw.isidentifier():
        known = (info.context or {}).get("scope", {})
        help_ = synonyms.value("lr", raw) or (None if raw in known or nearest(raw, known) else synonyms.PHASES)
        if help_ is not None:
            raise fault("AS103", f"expected a number or phases, not the word `{raw}`", help_)
    return [{"value": raw}] if isinstance(raw, (int, float, str)) and not isinstance(raw, bool) else raw


class Train(Model, of=Recipe):
    recipe_name: str | None = Field(
        default=None,
        alias="recipe",
        description="The recipe that this one starts from: one of archspec's, or a file relative to this one.",
    )
    data: Data = Data.model_construct()
    batch_size: Positive
    steps: Positive | None
    epochs: Positive | None
    optimizer: Optimizer = Optimizer.model_construct(sgd=Sgd.model_construct())
    lr: Annotated[list[Phase], BeforeValidator(_one_phase), Field(min_length=1)] = [
        Phase.model_construct(value=phase.value) for phase in vocabulary.default(Recipe, "lr")
    ]
    loss: Loss = Loss.model_construct(cross_entropy=Model.model_construct())
    label_smoothing: Fraction = 0.0
    accumulate: Positive
    precision: Precision
    freeze: list[str]
    lr_scale: dict[str, PositiveReal] = {}
    decay_scale: dict[str, NonNegativeReal] = {}
    clip_norm: PositiveReal | None
    ema: Ema | None
    sync_batch_norm: bool
    eval_hflip: Boolean
    eval_every: Every
    keep: Keep = Keep.model_construct()
    bad_loss: BadLoss = BadLoss.model_construct(stop=Stop.model_construct())
    seed: Annotated[int, Computed(Int(0, 2**63 - 1))]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise fault("AS602", "either `steps` or `epochs` says how long a run is", "give exactly one of them")
        check_growing([phase.until for phase in self.lr], "lr")
        self._check_last_phase()
        return self

    @property
    def length(self) -> Length:
        """How long the run is."""
        return run_length(self.steps, self.epochs, self.data.dataset, self.data.holdout, self.batch_size)

    def _check_last_phase(self) -> None:
        """Check that the last phase goes on to the end of the run: nothing follows it."""
        last, at = self.lr[-1], ("lr", len(self.lr) - 1, "until")
        for condition in last.until:
            end = self.length.end(condition)
            if condition["kind"] in ("plateau", "measured"):
                message = f"nothing follows the last phase of `lr`, so it cannot end on `{written(condition)}`"
                raise fault("AS602", message, "add a phase after it, or take out its `until`", at)
            if end is not None and end < self.length.total:
                message = f"the last phase of `lr` ends on {written(condition)}, and the run on {self.length}"
                raise fault("AS602", message, "take out its `until`, add a phase, or end the run there", at)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        size, parts, repeats = self.batch_size, self.accumulate, self.data.repeats
        if size % parts:
            near = next(n for n in range(parts, size + 1) if size % n == 0) if parts < size else size
            message = f"a batch of {size} does not split into {parts} equal parts"
            raise fault("AS604", message, f"accumulate {near} parts, or change `batch_size`", ("accumulate",))
        if repeats >= size and repeats > 1:
            message = f"{repeats} repeats leave a batch of {size} with one image"
            raise fault("AS604", message, "repeat fewer times, or make `batch_size` larger", ("data", "repeats"))
        if self.data.mix is not None and size == 1:
            message = "a batch of one image has nothing to mix it with"
            raise fault("AS604", message, "take `mix` out, or make `batch_size` larger", ("data", "mix"))
        bce = self.loss.bce
        if bce is not None and bce.threshold is not None and self.label_smoothing:
            message = "the threshold of `bce` undoes `label_smoothing`"
            raise fault("AS604", message, "leave one of them out", ("label_smoothing",))
        if self.decay_scale and not self.optimizer.recipe().get("weight_decay"):
            help_ = "give the optimizer `weight_decay`, or take `decay_scale` out"
            raise fault(
                "AS604", "`decay_scale` scales the weight decay, and there is none", help_, ("decay_scale",)
            )
        if self.keep.best == "val_error" and self.data.never_validates:
            help_ = "set images aside with `data.holdout`, or keep the best by `test_error`"
            raise fault("AS604", "there is no `val_error` without a holdout", help_, ("keep", "best"))
        for index, phase in enumerate(self.lr):
            waits = [c for c in phase.until if c.get("metric") == "val_error"]
            if self.data.never_validates and waits:
                other = written({**waits[0], "metric": "test_error"})
                help_ = f"set images aside with `data.holdout`, or wait for `{other}`"
                none = "there is no `val_error` without a holdout"
                message = f"`{written(waits[0])}`: {none}" if waits[0]["kind"] == "plateau" else none
                raise fault("AS604", message, help_, ("lr", index, "until"))
        return self

    def recipe(self) -> dict[str, Any]:
        """The recipe as plain JSON values, in the form of the runtime's `Recipe.to_dict`."""
        return {
            **{field.name: plain(getattr(self, field.name)) for field in fields(Recipe)},
            "lr_scale": [[pattern, scale] for pattern, scale in self.lr_scale.items()],
            "decay_scale": [[pattern, scale] for pattern, scale in self.decay_scale.items()],
        }
