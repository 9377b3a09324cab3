"""A training recipe as data: what the emitted `train.py` states and every trainer runs.

Each class is immutable, has one meaning for each field, and goes to and from plain JSON
(`Recipe.to_dict`, `Recipe.from_dict`), so that a recipe travels in every checkpoint. What not every recipe says is in
`augmentations` and `vocabulary`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from archspec_runtime.parts import extra, part
from archspec_runtime.recipe.images import Data, Epoch, HFlip, PadCrop, Size, Step

if TYPE_CHECKING:
    from archspec_runtime.recipe.vocabulary import EMA, BadLoss, Condition, Loss, Optimizer

AUGMENTATIONS, VOCABULARY = "archspec_runtime.recipe.augmentations", "archspec_runtime.recipe.vocabulary"
"""Where the rest of what recipes may say is, which is loaded where one says it."""
Spike = Annotated[
    float | None,
    "How many times the mean before it a loss must be to count as a spike; without it none does.",
]
Error = Literal["val_error", "test_error"]
Failure = Literal["warn", "stop"]
Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp64"]


# --- what a run keeps, and does about a bad loss ------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Keep:
    """What is kept of a run, and what happens where a disk does not take a checkpoint.

    For `best` one is written after each evaluation that gives less than all before, for `every` at each multiple of it.
    """

    last: Annotated[int, "How many of the newest checkpoints stay."] = 2
    best: Annotated[Error | None, "The error whose best checkpoint stays as well."] = None
    every: Annotated[int | None, "Steps between checkpoints that always stay."] = None
    on_failure: Annotated[Failure, "What is done where a checkpoint cannot be written."] = "warn"


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Stops the run.

    The last checkpoint stands.
    """

    kind: ClassVar[str] = "stop"
    spike: Spike = None


KINDS: dict[str, Any] = {one.kind: one for one in (Step, Epoch, PadCrop, HFlip, Stop)}
"""By what records call them."""


# --- the learning rate: phases, each ending on the first of its conditions -------------------------------


@dataclass(frozen=True)
class Phase:
    """A learning rate until the first of `until` holds; an empty `until` lasts to the end of the run.

    The rate is `value` throughout, or moves from `value` to `end` over the phase along `shape`; then the
    phase must end on a step or an epoch (or be the last), so that its length is known.
    """

    value: float
    until: "tuple[Condition, ...]" = ()
    end: float | None = None
    shape: Literal["linear", "cosine"] | None = None


Scales = tuple[tuple[str, float], ...]
"""Factors by patterns of names."""

ARITHMETIC = (
    "optimizer", "loss", "label_smoothing", "freeze", "lr_scale", "decay_scale", "clip_norm", "eval_hflip", "ema",
)  # fmt: skip
"""What of a recipe a `train.py` states in code."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the net is trained: everything that decides a run besides the net, the images and the machine."""

    data: Data = Data()  # noqa: RUF009 (immutable)
    batch_size: Annotated[int, "Images per optimizer step, over all devices."] = 128
    # exactly one of steps and epochs is given
    steps: Annotated[int | None, "Optimizer steps of the run, instead of `epochs`."] = None
    epochs: Annotated[int | None, "Passes over the training images, instead of `steps`."] = None
    # this and what is said of the loss are None where `train.py` states it in code
    optimizer: Annotated["Optimizer | None", "The optimizer with its arguments."] = None
    lr: Annotated[tuple[Phase, ...], "The learning rate: a number, or phases one after the other."] = (Phase(0.1),)
    loss: Annotated["Loss | None", "The loss that is minimized."] = None
    label_smoothing: Annotated[float | None, "Share of the target that is spread over all classes."] = None
    accumulate: Annotated[int, "Micro-batches that a batch is split into, of which gradients are summed."] = 1
    precision: Annotated[
        Precision, "Number format of the forward and backward pass; weights stay fp32, or fp64 with `fp64`."
    ] = "fp32"
    freeze: Annotated[
        tuple[str, ...],
        "Patterns of names of modules and parameters that are not trained, such as `layer1.*`.",
    ] = ()
    lr_scale: Annotated[
        Scales, "Factors of the learning rate by patterns of names; of those that match, the last counts."
    ] = ()
    decay_scale: Annotated[
        Scales, "Factors of the weight decay by patterns of names; of those that match, the last counts."
    ] = ()
    clip_norm: Annotated[float | None, "Largest norm of the gradient, to which a larger one is scaled."] = None
    ema: Annotated["EMA | None", "EMA of the weights, which is then what is evaluated: a decay, or a mapping."] = (
        None
    )
    sync_batch_norm: Annotated[bool, "Whether batch norm's statistics are those of all devices."] = True
    eval_hflip: Annotated[
        bool, "Whether an evaluation averages the logits of each image and of its mirror image."
    ] = False
    eval_every: Annotated[Step | Epoch, "How often is evaluated: `N steps` or `N epochs`."] = Epoch(1)  # noqa: RUF009
    keep: Annotated[Keep, "Which checkpoints stay."] = Keep()
    bad_loss: Annotated["BadLoss", "What is done about a non-finite loss or a loss spike."] = Stop()
    seed: Annotated[int, "Seed of the weights, the order of samples and the augmentation."] = 0

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
    def from_dict(raw: Mapping[str, Any]) -> "Recipe":
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
    count, unit = (value.step, "step") if isinstance(value, Step) else (value.epoch, "epoch")
    return f"{count} {unit}{'s' if count != 1 else ''}"


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
