"""Operations that change values and not shapes: activations, dropout, identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from archspec.ops.arguments import Flag, Real, argument
from archspec.ops.base import Keeps, Op, Shape, ShapeError, Tokens, channels, show, typed


class Activation(Op):
    """A nonlinearity applied to each number."""

    __slots__ = ()
    is_pointwise: ClassVar[bool] = True
    keeps_constants: ClassVar[bool] = True


class Relu(Activation):
    """max(x, 0)."""

    __slots__ = ()
    kind: ClassVar[str] = "relu"
    keeps: ClassVar[Keeps] = "output"


class Relu6(Activation):
    """min(max(x, 0), 6)."""

    __slots__ = ()
    kind: ClassVar[str] = "relu6"


class Gelu(Activation):
    """x times the normal distribution function of x, exact and not the tanh approximation."""

    __slots__ = ()
    kind: ClassVar[str] = "gelu"


class Silu(Activation):
    """x sigmoid(x), also called swish."""

    __slots__ = ()
    kind: ClassVar[str] = "silu"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    __slots__ = ()
    kind: ClassVar[str] = "sigmoid"
    is_gate: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "output"


class HardSigmoid(Activation):
    """relu6(x + 3) / 6."""

    __slots__ = ()
    kind: ClassVar[str] = "hard_sigmoid"
    is_gate: ClassVar[bool] = True


class HardSwish(Activation):
    """x relu6(x + 3) / 6."""

    __slots__ = ()
    kind: ClassVar[str] = "hard_swish"


class Tanh(Activation):
    """The hyperbolic tangent."""

    __slots__ = ()
    kind: ClassVar[str] = "tanh"
    keeps: ClassVar[Keeps] = "output"


@dataclass(frozen=True, slots=True)
class LeakyRelu(Activation):
    """x where it is positive, and `slope` x elsewhere."""

    kind: ClassVar[str] = "leaky_relu"
    slope: float = argument(Real(), 0.01)


@dataclass(frozen=True, slots=True)
class Prelu(Activation):
    """x where it is positive, and a learned slope times x elsewhere: one for each channel, or with `shared` one for all."""

    kind: ClassVar[str] = "prelu"
    keeps_constants: ClassVar[bool] = False
    value: float = argument(Real(), 0.25)
    shared: bool = argument(Flag(), False)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = typed(inputs[0])
        if isinstance(shape, Tokens) and not self.shared:
            message = f"`prelu` has a slope for each channel of an image or a vector, and its input is tokens {show(shape)}"
            raise ShapeError("AS404", message, "write `shared: true`, or put it elsewhere")
        return shape

    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (1 if self.shared else channels(inputs[0]),)}


@dataclass(frozen=True, slots=True)
class Elu(Activation):
    """x where it is positive, and `alpha` (exp(x) - 1) elsewhere."""

    kind: ClassVar[str] = "elu"
    alpha: float = argument(Real(), 1.0)


class Mish(Activation):
    """x tanh(softplus(x))."""

    __slots__ = ()
    kind: ClassVar[str] = "mish"


class Softplus(Activation):
    """log(1 + exp(x))."""

    __slots__ = ()
    kind: ClassVar[str] = "softplus"


class Softmax(Op):
    """exp(x) divided by its sum over the channels, at each pixel for itself."""

    __slots__ = ()
    kind: ClassVar[str] = "softmax"
    is_gate: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "output"

    def constant_result(self, *inputs: Shape) -> float | None:
        return 1.0 if channels(inputs[0]) == 1 else None


@dataclass(frozen=True, slots=True)
class Dropout(Op):
    """In training, zero each number with probability `rate` and divide the others by 1 - rate."""

    kind: ClassVar[str] = "dropout"
    is_pointwise: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "mask"
    idle: ClassVar[Mapping[str, float]] = {"rate": 0}
    rate: float = argument(Real(0.0, 1.0, below=1.0))


@dataclass(frozen=True, slots=True)
class DropPath(Op):
    """In training, zero each whole sample with probability `rate` and divide the others by 1 - rate.

    With `per_batch`, one draw for a mini-batch zeroes all of its samples or none: the form of Huang et al. (2016).
    """

    kind: ClassVar[str] = "drop_path"
    is_pointwise: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
    idle: ClassVar[Mapping[str, float]] = {"rate": 0}
    rate: float = argument(Real(0.0, 1.0, below=1.0))
    per_batch: bool = argument(Flag(), False)

    @property
    def drops_samples(self) -> bool:
        return self.rate > 0


class Identity(Op):
    """The input itself."""

    __slots__ = ()
    kind: ClassVar[str] = "identity"
    is_alias: ClassVar[bool] = True
    keeps: ClassVar[Keeps] = "nothing"
