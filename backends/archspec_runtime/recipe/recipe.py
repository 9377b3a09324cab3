"""A training recipe as data: what the emitted `train.py` states and every trainer runs.

Each class is immutable, has one meaning for each field, and goes to and from plain JSON
(`Recipe.to_dict`, `Recipe.from_dict`), so that a recipe travels in every checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

from archspec_runtime.recipe.images import (
    Augmentation,
    Data,
    Epoch,
    HFlip,
    Interpolation,
    Mix,
    Normalization,
    PadCrop,
    PcaLighting,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    ResizeShorter,
    Size,
    Step,
    TrivialAugment,
)
from archspec_runtime.recipe.policies import BadLoss, Keep, RollBack, Skip, Stop

Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp64"]


# --- optimizers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """v = momentum * v + (g + weight_decay * w); w = w - lr * v (PyTorch's form, the rate outside).

    With `nesterov`, w = w - lr * (g + weight_decay * w + momentum * v).
    """

    kind: ClassVar[str] = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    decay_norm_and_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: ClassVar[str] = "adamw"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    decay_norm_and_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LAMB:
    """AdamW whose step of each tensor is as long as the tensor itself, times lr (You et al., 2020).

    With `always_adapt` off, tensors that do not decay take AdamW's plain step, as in timm and Apex.
    """

    kind: ClassVar[str] = "lamb"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.0
    decay_norm_and_bias: bool = True
    always_adapt: bool = True


Optimizer = SGD | AdamW | LAMB


# --- losses and averages ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """The softmax's cross entropy with the target, a distribution over the classes."""

    kind: ClassVar[str] = "cross_entropy"


@dataclass(frozen=True, slots=True)
class BCE:
    """A binary cross entropy for each class, averaged over the classes (timm's form).

    With `threshold`, every class whose target exceeds it counts as there: 1, and the others 0.
    """

    kind: ClassVar[str] = "bce"
    threshold: float | None = None


Loss = CrossEntropy | BCE


@dataclass(frozen=True, slots=True)
class EMA:
    """Averages of the parameters and running statistics, which evaluation uses: average = d average + (1 - d) weights.

    They are updated every `every` steps. Until `after` they are the weights themselves (torchvision's warm-up). With `power`,
    d grows as min(decay, 1 - (1 + updates)^-power) (timm's).
    """

    decay: float
    every: int = 1
    after: Step | Epoch | None = None
    power: float | None = None


# --- the learning rate: phases, each ending on the first of its conditions -------------------------------


@dataclass(frozen=True, slots=True)
class Plateau:
    """True when the error that `metric` names has not fallen for `epochs` epochs of this phase."""

    kind: ClassVar[str] = "plateau"
    epochs: int
    metric: Literal["val_error", "test_error"] = "val_error"


@dataclass(frozen=True, slots=True)
class Measured:
    """True when a metric, measured over the last full epoch or `window` steps, passes `value`.

    `train_error`, `val_error` and `test_error` are in percent; `train_loss` is in nats.
    """

    kind: ClassVar[str] = "measured"
    metric: Literal["train_error", "val_error", "test_error", "train_loss"]
    relation: Literal["<", ">"]
    value: float


Condition = Step | Epoch | Plateau | Measured


@dataclass(frozen=True, slots=True)
class Phase:
    """A learning rate until the first of `until` holds; an empty `until` lasts to the end of the run.

    The rate is `value` throughout, or moves from `value` to `end` over the phase along `shape`; then the
    phase must end on a step or an epoch (or be the last), so that its length is known.
    """

    value: float
    until: tuple[Condition, ...] = ()
    end: float | None = None
    shape: Literal["linear", "cosine"] | None = None


Scales = tuple[tuple[str, float], ...]
"""Factors by patterns of names."""

ARITHMETIC = (
    "optimizer",
    "loss",
    "label_smoothing",
    "freeze",
    "lr_scale",
    "decay_scale",
    "clip_norm",
    "eval_hflip",
)
"""What of a recipe a `train.py` states in code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a training run besides the net, the images and the seed."""

    data: Data = Data()  # noqa: RUF009 (immutable)
    batch_size: int = 128
    steps: int | None = None  # exactly one of steps and epochs is given
    epochs: int | None = None
    optimizer: Optimizer | None = (
        None  # this and what is said of the loss are None where `train.py` states it in code
    )
    lr: tuple[Phase, ...] = (Phase(0.1),)
    loss: Loss | None = None
    label_smoothing: float | None = None  # the share of a target that is spread evenly over all classes
    accumulate: int = 1  # parts that a batch is computed in; its gradient is their mean
    precision: Precision = "fp32"
    freeze: tuple[str, ...] = ()  # patterns of names of what is not trained
    lr_scale: Scales = ()
    decay_scale: Scales = ()
    clip_norm: float | None = None  # largest global L2 norm of the gradient
    ema: EMA | None = None
    sync_batch_norm: bool = True  # over the whole batch on any number of devices, not over each device's share
    eval_hflip: bool = False  # whether an evaluation averages the logits of each image and of its mirror image
    eval_every: Step | Epoch = Epoch(1)  # noqa: RUF009 (immutable)
    keep: Keep = Keep()  # noqa: RUF009 (immutable)
    bad_loss: BadLoss = Stop()  # noqa: RUF009
    seed: int = 0

    def without_arithmetic(self) -> Recipe:
        """What is left where `train.py` states optimizer, loss and clipping in code."""
        return replace(
            self, optimizer=None, loss=None, label_smoothing=None, freeze=(), lr_scale=(), decay_scale=(),
            clip_norm=None, eval_hflip=False,
        )  # fmt: skip

    def with_arithmetic_of(self, other: Recipe) -> Recipe:
        """The inverse, for the record of a run."""
        return replace(self, **{name: getattr(other, name) for name in ARITHMETIC})

    @property
    def asks_for_validation(self) -> bool:
        """Whether the checkpoint that is kept or a phase depends on `val_error`, be it on a plateau of it."""
        conditions = (condition for phase in self.lr for condition in phase.until)
        measured = {condition.metric for condition in conditions if isinstance(condition, (Measured, Plateau))}
        return "val_error" in {self.keep.best, *measured}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values; every tagged value is `{"kind": ..., **fields}`."""
        plain: dict[str, Any] = _plain(self)
        return plain

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Recipe:
        """Read what `to_dict` wrote. Raises ValueError on an unknown kind or field."""
        parts: dict[str, Any] = {
            "data": _data(raw["data"]),
            "optimizer": _maybe(Optimizer, raw.get("optimizer")),
            "lr": tuple(Phase(**{**p, "until": _all(Condition, p["until"])}) for p in raw["lr"]),
            "loss": _maybe(Loss, raw.get("loss")),
            "freeze": tuple(raw.get("freeze", ())),
            "lr_scale": tuple((pattern, scale) for pattern, scale in raw.get("lr_scale", ())),
            "decay_scale": tuple((pattern, scale) for pattern, scale in raw.get("decay_scale", ())),
            "eval_every": _tagged(Step | Epoch, raw.get("eval_every", {"kind": "epoch", "epoch": 1})),
            "keep": Keep(**raw.get("keep", {})),
            "bad_loss": _tagged(BadLoss, raw.get("bad_loss", {"kind": "stop"})),
            "ema": raw.get("ema") and EMA(**{**raw["ema"], "after": _maybe(Step | Epoch, raw["ema"].get("after"))}),
        }
        return Recipe(**{**raw, **parts})


def _data(raw: Mapping[str, Any]) -> Data:
    parts: dict[str, Any] = {
        "augment": _all(Augmentation, raw["augment"]),
        "size": tuple(Size(s["pixels"], _maybe(Step | Epoch, s["until"])) for s in raw.get("size", ())),
        "mix": raw.get("mix") and Mix(**{**raw["mix"], "until": _maybe(Step | Epoch, raw["mix"].get("until"))}),
    }
    return Data(**{**raw, **parts})


def _all(union: Any, raw: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(_tagged(union, item) for item in raw)


def _maybe(union: Any, raw: Mapping[str, Any] | None) -> Any:
    return None if raw is None else _tagged(union, raw)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        tag = {"kind": value.kind} if hasattr(value, "kind") else {}
        return tag | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, str):  # a data set by its name
        return str(value)
    return value


def _tagged(union: Any, raw: Mapping[str, Any]) -> Any:
    for cls in union.__args__:
        if cls.kind == raw["kind"]:
            given = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
            return cls(**given)
    raise ValueError(f"unknown kind {raw['kind']!r}")


__all__ = [
    "BCE",
    "EMA",
    "LAMB",
    "SGD",
    "AdamW",
    "Augmentation",
    "BadLoss",
    "Condition",
    "CrossEntropy",
    "Data",
    "Epoch",
    "HFlip",
    "Interpolation",
    "Keep",
    "Loss",
    "Measured",
    "Mix",
    "Normalization",
    "Optimizer",
    "PadCrop",
    "PcaLighting",
    "Phase",
    "Plateau",
    "Precision",
    "RandAugment",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "Recipe",
    "ResizeShorter",
    "RollBack",
    "Size",
    "Skip",
    "Step",
    "Stop",
    "TrivialAugment",
]
