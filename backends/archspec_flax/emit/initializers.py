"""Initializers of Flax: what parameters start from, as arguments of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.emission.dataflow import kind_of
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Invocation, is_literal, number, sides
from archspec.language.spec import Distribution, Init
from archspec.ops.starts import NORMAL, Start

_OF_FANS = {
    "he_normal_fan_out": (2.0, "fan_out", "normal"),
    "he_normal_fan_in": (2.0, "fan_in", "normal"),
    "xavier_uniform": (1.0, "fan_avg", "uniform"),
    "uniform_fan_in": (1 / 3, "fan_in", "uniform"),
}
"""The arguments of `variance_scaling`, of which the first is in proportion to the square of a gain."""
_UNIFORM = Start("uniform_fan_in")


def initializer(kind: str, value: float, gain: float = 1.0) -> str:
    """The initializer of a distribution or constant; `value` is the constant or the standard deviation, `gain` that of fans.

    A normal distribution that is cut off at eight deviations or more is none for all purposes: of 10^15 numbers one lies beyond.
    """
    if kind == "constant":
        told = {0.0: "zeros", 1.0: "ones"}.get(value, f"constant({value!r})")
    elif kind == "trunc_normal" and value > 0.25:  # cut off at -2 and 2, as PyTorch's is; JAX counts in deviations
        told = f"truncated_normal({value!r}, lower={-2 / value!r}, upper={2 / value!r})"
    elif kind == "xavier_uniform" and gain == 1:
        told = "xavier_uniform()"
    elif kind in _OF_FANS:
        variance, fan, shape = _OF_FANS[kind]
        told = f'variance_scaling({variance * gain**2!r}, "{fan}", "{shape}")'
    else:
        told = f"normal({value!r})"
    return f"nnx.initializers.{told}"


def started(
    member: Member, name: str, arguments: list[Expression], uniform: bool, init: Init
) -> tuple[str, list[Expression]]:
    """The class and the arguments of a layer whose step says what its parameters start from.

    Where layers start `uniform` because their class in the file does so, this one is Flax's own, and says all of it.
    """
    starts = {
        tensor: start for tensor, start in member.call.starts if start.kind != "whitening"
    }  # `train.py` sees to it
    if not starts:
        return name, arguments
    own = uniform and kind_of(member) in ("conv", "linear")
    if own and not is_literal(member.numbers["bias"], False):
        starts = {"weight": _UNIFORM, "bias": _UNIFORM, **starts}
    elif own:
        starts = {"weight": _UNIFORM, **starts}
    given = dict(_arguments(member, starts, init))
    kept = [a for a in arguments if str(a).partition("=")[0] not in given]
    return f"nnx.{name}" if own else name, [*kept, *(_argument(key, value) for key, value in given.items())]


def _argument(key: str, drawn: str) -> Expression:
    """An argument that can be laid out on several lines, where it is one of Flax's initializers of numbers."""
    head, bracket, inside = drawn.partition("(")
    if not bracket or not head.startswith("nnx."):
        return f"{key}={drawn}"
    return Invocation(f"{key}={head}", tuple(inside.removesuffix(")").split(", ")))


def drawn_weights(how: Distribution) -> str | None:
    """The initializer of weights; None for the uniform one, which is a function of the fan in."""
    name, value = how.chosen
    return None if name == "uniform_fan_in" else initializer(name, value.std if name in NORMAL else 0.0)


def _arguments(member: Member, starts: Mapping[str, Start], init: Init) -> Iterator[tuple[str, str]]:
    """The argument of a layer for each start."""
    weight = "kernel_init" if kind_of(member) in ("conv", "linear") else "scale_init"
    for tensor, start in starts.items():
        if start.kind == "dirac":
            drawn = f"dirac({drawn_weights(init.conv) or f'uniform({_fan_in(member)})'})"
        elif start == _UNIFORM:
            drawn = f"uniform({_fan_in(member)})"
        else:
            drawn = initializer(start.kind, start.value, start.gain)
        yield weight if tensor == "weight" else "bias_init", drawn


def _fan_in(member: Member) -> str:
    """The fan-in of a convolution or linear layer."""
    fan = number(member.in_channels)
    if kind_of(member) == "linear":
        return fan
    if not is_literal(member.numbers["groups"], 1):
        fan += f" // {number(member.numbers['groups'])}"
    high, wide = sides(member.numbers["kernel"], number(member.numbers["kernel"]))
    return f"{fan} * {high} * {wide}"
