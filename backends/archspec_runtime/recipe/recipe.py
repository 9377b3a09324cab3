"""A training recipe as data: what the emitted `train.py` states and every trainer runs.

Each class is immutable, has one meaning for each field, and goes to and from plain JSON
(`Recipe.to_dict`, `Recipe.from_dict`), so that a recipe travels in every checkpoint. What not every recipe says is in
`augmentations` and `vocabulary`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from archspec_runtime.parts import extra, part
from archspec_runtime.recipe.images import Data, Epoch, HFlip, PadCrop, Size, Step

if TYPE_CHECKING:
    from archspec_runtime.recipe.vocabulary import EMA, BadLoss, Condition, Loss, Optimizer

AUGMENTATIONS, VOCABULARY = "archspec_runtime.recipe.augmentations", "archspec_runtime.recipe.vocabulary"
"""Where the rest of what recipes may say is, which is loaded where one says it."""
Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp64"]


# --- what a run keeps, and does about a bad loss ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which checkpoints stay: the newest `last`, that of the lowest `best`, and those of every so many steps.

    For `best` one is written after each evaluation that gives less than all before, for `every` at each multiple of it. Where
    a disk does not take one, `on_failure` says whether to go on without.
    """

    last: int = 2
    best: Literal["val_error", "test_error"] | None = None
    every: int | None = None
    on_failure: Literal["warn", "stop"] = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The run ends, and the last checkpoint stands."""

    kind: ClassVar[str] = "stop"
    spike: float | None = None


KINDS: dict[str, Any] = {one.kind: one for one in (Step, Epoch, PadCrop, HFlip, Stop)}
"""By what records call them."""


# --- the learning rate: phases, each ending on the first of its conditions -------------------------------


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
    "optimizer", "loss", "label_smoothing", "freeze", "lr_scale", "decay_scale", "clip_norm", "eval_hflip",
)  # fmt: skip
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
    keep: Keep = Keep()
    bad_loss: BadLoss = Stop()
    seed: int = 0

    def with_arithmetic_of(self, other: Recipe) -> Recipe:
        """The inverse, for the record of a run."""
        return replace(self, **{name: getattr(other, name) for name in ARITHMETIC})

    @property
    def asks_for_validation(self) -> bool:
        """Whether the checkpoint that is kept or a phase depends on `val_error`, be it on a plateau of it."""
        conditions = (condition for phase in self.lr for condition in phase.until)
        measured = {getattr(condition, "metric", None) for condition in conditions}
        return "val_error" in {self.keep.best, *measured}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values; every tagged value is `{"kind": ..., **fields}`."""
        plain: dict[str, Any] = _plain(self)
        return plain

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Recipe:
        """Read what `to_dict` wrote. Raises ValueError on an unknown kind or field."""
        ema = raw.get("ema")
        parts: dict[str, Any] = {
            "data": _data(raw["data"]),
            "optimizer": _stated(raw.get("optimizer")),
            "lr": tuple(Phase(**{**p, "until": _all(p["until"])}) for p in raw["lr"]),
            "loss": _stated(raw.get("loss")),
            "freeze": tuple(raw.get("freeze", ())),
            "lr_scale": tuple((pattern, scale) for pattern, scale in raw.get("lr_scale", ())),
            "decay_scale": tuple((pattern, scale) for pattern, scale in raw.get("decay_scale", ())),
            "eval_every": _tagged(raw.get("eval_every", {"kind": "epoch", "epoch": 1})),
            "keep": Keep(**raw.get("keep", {})),
            "bad_loss": _tagged(raw.get("bad_loss", {"kind": "stop"})),
            "ema": ema and part(VOCABULARY, "EMA").EMA(**{**ema, "after": _maybe(ema.get("after"))}),
        }
        return Recipe(**{**raw, **parts})


def every(value: Step | Epoch) -> str:
    """How often something is done, as a spec says it."""
    return f"{value.step} steps" if isinstance(value, Step) else f"{value.epoch} epochs"


FREE = ("keep", "eval_every")
"""What says nothing of what is trained: a run goes on with other values."""


def compared(before: Mapping[str, Any], now: Recipe) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two recipes as plain values, which are equal where both train alike.

    `before` is what `Recipe.to_dict` wrote, maybe in an older version: options that it did not have were at their defaults.
    """
    was, is_ = dict(before), now.to_dict()
    with suppress(KeyError, TypeError, ValueError, AttributeError):  # a newer version's: compared as it stands
        was = Recipe.from_dict(before).to_dict()
    left_out = {*FREE}
    if None in (was.get("optimizer"), is_["optimizer"]):  # stated in code by one, which is compared as text
        left_out |= {*ARITHMETIC}
    was, is_ = ({k: v for k, v in one.items() if k not in left_out} for one in (was, is_))
    return was, is_


def _data(raw: Mapping[str, Any]) -> Data:
    mix = raw.get("mix")
    parts: dict[str, Any] = {
        "augment": _all(raw["augment"]),
        "size": tuple(Size(s["pixels"], _maybe(s["until"])) for s in raw.get("size", ())),
        "mix": mix and part(AUGMENTATIONS, "mixing images").Mix(**{**mix, "until": _maybe(mix.get("until"))}),
    }
    return Data(**{**raw, **parts})


def _all(raw: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(map(_tagged, raw))


def _maybe(raw: Mapping[str, Any] | None) -> Any:
    return None if raw is None else _tagged(raw)


def _stated(raw: Mapping[str, Any] | None) -> Any:
    """What `train.py` states in code: to be recorded, and not needed where it cannot be."""
    return None if extra(VOCABULARY) is None else _maybe(raw)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        tag = {"kind": value.kind} if hasattr(value, "kind") else {}
        return tag | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, str):  # a data set by its name
        return str(value)
    return value


def _tagged(raw: Mapping[str, Any]) -> Any:
    kind = raw["kind"]
    known = (KINDS, *(module.KINDS for module in map(extra, (AUGMENTATIONS, VOCABULARY)) if module is not None))
    cls = next((kinds[kind] for kinds in known if kind in kinds), None)
    if cls is None:
        raise ValueError(f"unknown kind {kind!r}")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
    return cls(**given)
