"""What recipes may say beside images and rates: optimizers, losses, the EMA, measured conditions, policies for bad losses.

A bad loss is not finite or, with `spike`, above so many times the mean of the steps before: of the last 100, or
of an epoch where that is shorter, as of the last multiple of 20 or end of an epoch. Until there are so many, nothing is a spike.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import Spike, Stop

# --- optimizers --------------------------------------------------------------------------------------

DecayNormAndBias = Annotated[bool, "Whether weight decay applies to normalizations and biases, too."]
Beta1 = Annotated[float, "Decay of the mean of gradients."]
Beta2 = Annotated[float, "Decay of the mean of squared gradients."]
Eps = Annotated[float, "Added to the denominator, so that it is never zero."]
Decoupled = Annotated[float, "Coefficient of the decoupled weight decay."]


@dataclass(frozen=True, kw_only=True)
class SGD:
    """SGD with momentum and weight decay.

    v = momentum * v + (g + weight_decay * w); w = w - lr * v (PyTorch's form, the rate outside). With `nesterov`,
    w = w - lr * (g + weight_decay * w + momentum * v).
    """

    kind: ClassVar[str] = "sgd"
    momentum: Annotated[float, "Share of the velocity that each step keeps."] = 0.0
    weight_decay: Annotated[float, "Coefficient of the L2 penalty, added to the gradient."] = 0.0
    nesterov: Annotated[bool, "Whether the update looks ahead along the momentum."] = False
    decay_norm_and_bias: DecayNormAndBias = True


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """AdamW: Adam with decoupled weight decay.

    Loshchilov and Hutter, 2019.
    """

    kind: ClassVar[str] = "adamw"
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-8
    weight_decay: Decoupled = 0.01
    decay_norm_and_bias: DecayNormAndBias = True


@dataclass(frozen=True, kw_only=True)
class LAMB:
    """LAMB: AdamW with a layer-wise trust ratio, for large batches.

    The step of each tensor is as long as the tensor itself, times lr (You et al., 2020). With `always_adapt` off,
    tensors that do not decay take AdamW's plain step, as in timm and Apex.
    """

    kind: ClassVar[str] = "lamb"
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Eps = 1e-6
    weight_decay: Decoupled = 0.0
    decay_norm_and_bias: DecayNormAndBias = True
    always_adapt: Annotated[
        bool, "Whether parameters without weight decay get the layer-wise trust ratio, too."
    ] = True


Optimizer = SGD | AdamW | LAMB


# --- losses and averages ------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrossEntropy:
    """Softmax cross entropy.

    The target is a distribution over the classes.
    """

    kind: ClassVar[str] = "cross_entropy"


@dataclass(frozen=True)
class BCE:
    """Binary cross entropy of each class by itself.

    It is averaged over the classes (timm's form).
    """

    kind: ClassVar[str] = "bce"
    threshold: Annotated[
        float | None, "Targets above it count as 1, others as 0; without one they stay as they are."
    ] = None


Loss = CrossEntropy | BCE


@dataclass(frozen=True)
class EMA:
    """Averages of the parameters and running statistics: average = d average + (1 - d) weights.

    Until `after` they are the weights themselves (torchvision's warm-up). With `power`, d grows as
    min(decay, 1 - (1 + updates)^-power) (timm's).
    """

    decay: Annotated[float, "Share of the average that each update keeps."]
    every: Annotated[int, "Steps from one update of the average to the next."] = 1
    after: Annotated[Step | Epoch | None, "When averaging begins: `step N` or `epoch N`."] = None
    power: Annotated[
        float | None, "Caps `decay` at 1 - (1 + updates)^-power; without it the decay is constant."
    ] = None


# --- ends of phases that are measured ------------------------------------------------------------


@dataclass(frozen=True)
class Plateau:
    """True when the error that `metric` names has not fallen for `epochs` epochs of this phase."""

    kind: ClassVar[str] = "plateau"
    epochs: int
    metric: Literal["val_error", "test_error"] = "val_error"


@dataclass(frozen=True)
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


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Skips the update.

    Weights, statistics and optimizer stay as they were; also where a gradient is not finite.
    """

    kind: ClassVar[str] = "skip"
    spike: Spike = None
    most: Annotated[int, "How many updates may be skipped before the run stops."] = 10


@dataclass(frozen=True, kw_only=True)
class RollBack:
    """Restores an earlier state and goes on from there.

    It is that of the last multiple of `every` steps; the batches are those that are next. This is done at the next multiple of
    20 steps or end of an epoch, where all is as if the updates in between had been left out.
    """

    kind: ClassVar[str] = "roll_back"
    spike: Spike = None
    most: Annotated[int, "How often the run may roll back before it stops."] = 3
    every: Annotated[int, "Steps between the states that it can roll back to."] = 1000


BadLoss = Stop | Skip | RollBack

KINDS = {one.kind: one for one in (SGD, AdamW, LAMB, CrossEntropy, BCE, Plateau, Measured, Skip, RollBack)}
"""By what records call them."""
