"""The models of a training recipe."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from archspec.diagnostics.spelling import nearest
from archspec.language import synonyms
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
)
from archspec.language.conditions import End, Every, Until, check_growing
from archspec.language.data import Data
from archspec.language.policies import BadLoss, Keep, Stop
from archspec.language.run_length import Length, run_length, written
from archspec.ops.arguments import Int


class Sgd(Model):
    """v = momentum v + (g + weight_decay w); w = w - lr v."""

    momentum: Fraction = Field(default=0.0, description="Share of the velocity that each step keeps.")
    weight_decay: NonNegativeReal = Field(
        default=0.0, description="Coefficient of the L2 penalty, added to the gradient."
    )
    nesterov: Boolean = Field(default=False, description="Whether the update looks ahead along the momentum.")
    decay_norm_and_bias: Boolean = Field(
        default=True, description="Whether weight decay applies to normalizations and biases, too."
    )

    @model_validator(mode="after")
    def _moving(self) -> Self:
        if self.nesterov and not self.momentum:
            message = "`nesterov` looks ahead along the momentum, and there is none"
            raise fault("AS604", message, "give `momentum`, such as 0.9", ("nesterov",))
        return self


class Adamw(Model):
    """Adam with decoupled weight decay."""

    beta1: Fraction = Field(default=0.9, description="Decay of the mean of gradients.")
    beta2: Fraction = Field(default=0.999, description="Decay of the mean of squared gradients.")
    eps: PositiveReal = Field(default=1e-8, description="Added to the denominator, so that it is never zero.")
    weight_decay: NonNegativeReal = Field(default=0.01, description="Coefficient of the decoupled weight decay.")
    decay_norm_and_bias: Boolean = Field(
        default=True, description="Whether weight decay applies to normalizations and biases, too."
    )


class Lamb(Model):
    """AdamW with steps as long as the tensors they change, times the rate."""

    beta1: Fraction = Field(default=0.9, description="Decay of the mean of gradients.")
    beta2: Fraction = Field(default=0.999, description="Decay of the mean of squared gradients.")
    eps: PositiveReal = Field(default=1e-6, description="Added to the denominator, so that it is never zero.")
    weight_decay: NonNegativeReal = Field(default=0.0, description="Coefficient of the decoupled weight decay.")
    decay_norm_and_bias: Boolean = Field(
        default=True, description="Whether weight decay applies to normalizations and biases, too."
    )
    always_adapt: Boolean = Field(
        default=True, description="Whether parameters without weight decay get the layer-wise trust ratio, too."
    )


class Optimizer(OneOf):
    """The optimizer with its arguments."""

    sgd: Sgd | None = Field(default=None, description="SGD with momentum and weight decay.")
    adamw: Adamw | None = Field(default=None, description="AdamW: Adam with decoupled weight decay.")
    lamb: Lamb | None = Field(
        default=None, description="LAMB: AdamW with a layer-wise trust ratio, for large batches."
    )


class Bce(Model):
    """A binary cross entropy for each class; with a threshold, targets above it are 1 and the others 0."""

    threshold: Fraction | None = Field(
        default=None, description="Targets above it count as 1, others as 0; without one they stay as they are."
    )


class Loss(OneOf):
    """What is made small."""

    cross_entropy: Model | None = Field(default=None, description="Softmax cross entropy.")
    bce: Bce | None = Field(default=None, description="Binary cross entropy of each class by itself.")


class Ema(Model):
    """Averaged weights, which are then what is evaluated."""

    decay: Fraction = Field(description="Share of the average that each update keeps.")
    every: Positive = Field(default=1, description="Steps from one update of the average to the next.")
    after: End | None = Field(default=None, description="When averaging begins: `step N` or `epoch N`.")
    power: PositiveReal | None = Field(
        default=None, description="Caps `decay` at 1 - (1 + updates)^-power; without it the decay is constant."
    )

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


class Train(Model):
    """How the net is trained."""

    recipe_name: str | None = Field(
        default=None,
        alias="recipe",
        description="The recipe that this one starts from: one of archspec's, or a file relative to this one.",
    )
    data: Data = Field(default=Data(), description="Which images, and what is done to them.")
    batch_size: Positive = Field(default=128, description="Images per optimizer step, over all devices.")
    steps: Positive | None = Field(default=None, description="Optimizer steps of the run, instead of `epochs`.")
    epochs: Positive | None = Field(
        default=None, description="Passes over the training images, instead of `steps`."
    )
    optimizer: Optimizer = Field(default=Optimizer(sgd=Sgd()), description="The optimizer with its arguments.")
    lr: Annotated[list[Phase], BeforeValidator(_one_phase), Field(min_length=1)] = Field(
        default=[Phase(value=0.1)], description="The learning rate: a number, or phases one after the other."
    )
    loss: Loss = Field(default=Loss(cross_entropy=Model()), description="The loss that is minimized.")
    label_smoothing: Fraction = Field(
        default=0.0, description="Share of the target that is spread over all classes."
    )
    accumulate: Positive = Field(
        default=1, description="Micro-batches that a batch is split into, of which gradients are summed."
    )
    precision: Literal["fp32", "tf32", "bf16", "fp16", "fp64"] = Field(
        default="fp32",
        description="Number format of the forward and backward pass; weights stay fp32, or fp64 with `fp64`.",
    )
    freeze: list[str] = Field(
        [], description="Patterns of names of modules and parameters that are not trained, such as `layer1.*`."
    )
    lr_scale: dict[str, PositiveReal] = Field(
        {}, description="Factors of the learning rate by patterns of names; of those that match, the last counts."
    )
    decay_scale: dict[str, NonNegativeReal] = Field(
        {}, description="Factors of the weight decay by patterns of names; of those that match, the last counts."
    )
    clip_norm: PositiveReal | None = Field(
        default=None, description="Largest norm of the gradient, to which a larger one is scaled."
    )
    ema: Ema | None = Field(
        default=None, description="EMA of the weights, which is then what is evaluated: a decay, or a mapping."
    )
    sync_batch_norm: bool = Field(
        default=True, description="Whether batch norm's statistics are those of all devices."
    )
    eval_hflip: Boolean = Field(
        default=False,
        description="Whether an evaluation averages the logits of each image and of its mirror image.",
    )
    eval_every: Every = Field(
        default="1 epoch", validate_default=True, description="How often is evaluated: `N steps` or `N epochs`."
    )
    keep: Keep = Field(default=Keep(), description="Which checkpoints stay.")
    bad_loss: BadLoss = Field(
        default=BadLoss(stop=Stop()), description="What is done about a non-finite loss or a loss spike."
    )
    seed: Annotated[int, Computed(Int(0, 2**63 - 1))] = Field(
        default=0, description="Seed of the weights, the order of samples and the augmentation."
    )

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
            "data": self.data.recipe(),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "epochs": self.epochs,
            "optimizer": self.optimizer.recipe(),
            "lr": [p.recipe() for p in self.lr],
            "loss": self.loss.recipe(),
            "label_smoothing": self.label_smoothing,
            "accumulate": self.accumulate,
            "precision": self.precision,
            "freeze": self.freeze,
            "lr_scale": [[pattern, scale] for pattern, scale in self.lr_scale.items()],
            "decay_scale": [[pattern, scale] for pattern, scale in self.decay_scale.items()],
            "clip_norm": self.clip_norm,
            "ema": self.ema.model_dump() if self.ema else None,
            "sync_batch_norm": self.sync_batch_norm,
            "eval_hflip": self.eval_hflip,
            "eval_every": self.eval_every,
            "keep": self.keep.model_dump(),
            "bad_loss": self.bad_loss.recipe(),
            "seed": self.seed,
        }
