"""What recipes may say beside images and rates: optimizers, losses, the EMA, measured conditions, policies for bad losses.

A bad loss is not finite or, with `spike`, above so many times the mean of the steps before: of the last 100, or
of an epoch where that is shorter, as of the last multiple of 20 or end of an epoch. Until there are so many, nothing is a spike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import Stop

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


# --- ends of phases that are measured ------------------------------------------------------------


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


# --- bad losses ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The update is left out: weights, statistics and optimizer stay as they were; also where a gradient is not finite.

    After more than `most` such steps the run ends.
    """

    kind: ClassVar[str] = "skip"
    spike: float | None = None
    most: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """The run takes up the state of the last multiple of `every` steps, and goes on with the batches that are next.

    It does so at the next multiple of 20 steps or end of an epoch, where all is as if the updates in between had been left out.
    After more than `most` times the run ends.
    """

    kind: ClassVar[str] = "roll_back"
    spike: float | None = None
    most: int = 3
    every: int = 1000


BadLoss = Stop | Skip | RollBack

KINDS = {one.kind: one for one in (SGD, AdamW, LAMB, CrossEntropy, BCE, Plateau, Measured, Skip, RollBack)}
"""By what records call them."""
