"""A training recipe as data: what the emitted `train.py` states and every trainer runs.

Each class is immutable, has one meaning for each field, and goes to and from plain JSON
(`Recipe.to_dict`, `Recipe.from_dict`), so that a recipe travels in every checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

Precision = Literal["fp32", "bf16", "fp16", "fp64"]
Normalization = Literal["none", "per_pixel_mean", "per_channel_mean", "per_channel"]

Corrupt = Literal["stop", "skip"]


# --- augmentation: applied in the order given, to training images only -----------------------------


@dataclass(frozen=True, slots=True)
class PadCrop:
    """Pad each side with `padding` zero pixels, then crop the input size at a random place."""

    kind: ClassVar[str] = "pad_crop"
    padding: int


@dataclass(frozen=True, slots=True)
class HFlip:
    """Mirror left to right with probability one half."""

    kind: ClassVar[str] = "hflip"


@dataclass(frozen=True, slots=True)
class ResizeShorter:
    """Resize so that the shorter side is drawn uniformly from [low, high] pixels (image folders only)."""

    kind: ClassVar[str] = "resize_shorter"
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Crop the input size at a random place (image folders only)."""

    kind: ClassVar[str] = "random_crop"


@dataclass(frozen=True, slots=True)
class PcaLighting:
    """Add multiples of the principal components of RGB, deviation `std` (Krizhevsky et al., 2012, section 4.1)."""

    kind: ClassVar[str] = "pca_lighting"
    std: float = 0.1


Augmentation = PadCrop | HFlip | ResizeShorter | RandomCrop | PcaLighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Which images, how they are split, changed and normalized."""

    dataset: str = "digits"  # digits, cifar10, cifar100, image_folder, webdataset, parquet, synthetic
    train: str | None = None  # which tars or Parquet files: a pattern below --data, or an address
    test: str | None = None
    holdout: int = 0  # training images set aside for validation, drawn by the seed
    augment: tuple[Augmentation, ...] = ()
    normalize: Normalization = "none"  # statistics are taken over the training split, pixels in [0, 1]
    eval_resize: int | None = None  # shorter side before the centre crop (image folders only)
    antialias: bool = (
        True  # in resizing training images; False is OpenCV's plain bilinear interpolation, and faster
    )
    corrupt: Corrupt = "stop"  # at a training image that cannot be read, or skip: the next one takes its place


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


Optimizer = SGD | AdamW


# --- the learning rate: phases, each ending on the first of its conditions -------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """True when `step` optimizer steps have been taken since the start of the run."""

    kind: ClassVar[str] = "step"
    step: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """True when `epoch` whole epochs have been seen since the start of the run."""

    kind: ClassVar[str] = "epoch"
    epoch: int


@dataclass(frozen=True, slots=True)
class Plateau:
    """True when the validation error (test error without a holdout) has not fallen for `epochs` epochs of this phase."""

    kind: ClassVar[str] = "plateau"
    epochs: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a training run besides the net, the images and the seed."""

    data: Data = Data()
    batch_size: int = 128
    steps: int | None = None  # exactly one of steps and epochs is given
    epochs: int | None = None
    optimizer: Optimizer = SGD()
    lr: tuple[Phase, ...] = (Phase(0.1),)
    label_smoothing: float = 0.0
    precision: Precision = "fp32"
    clip_norm: float | None = None  # largest global L2 norm of the gradient
    ema: float | None = None  # decay of the averaged weights that evaluation uses
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values; every tagged value is `{"kind": ..., **fields}`."""
        plain: dict[str, Any] = _plain(self)
        return plain

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Recipe:
        """Read what `to_dict` wrote. Raises ValueError on an unknown kind or field."""
        return Recipe(
            **{
                **raw,
                "data": Data(
                    **{**raw["data"], "augment": tuple(_tagged(Augmentation, a) for a in raw["data"]["augment"])}
                ),
                "optimizer": _tagged(Optimizer, raw["optimizer"]),
                "lr": tuple(
                    Phase(**{**p, "until": tuple(_tagged(Condition, c) for c in p["until"])}) for p in raw["lr"]
                ),
            }
        )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        tag = {"kind": value.kind} if hasattr(value, "kind") else {}
        return tag | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


def _tagged(union: Any, raw: Mapping[str, Any]) -> Any:
    for cls in union.__args__:
        if cls.kind == raw["kind"]:
            return cls(**{k: v for k, v in raw.items() if k != "kind"})
    raise ValueError(f"unknown kind {raw['kind']!r}")
