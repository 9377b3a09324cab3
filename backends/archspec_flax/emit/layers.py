"""Operations that are layers in Flax NNX: `LAYERS` gives their constructors.

They keep parameters, statistics or a stream of random numbers; `functions.py` has the others. A learned scale is a layer, a
constant one an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archspec.emission.dataflow import kind_of
from archspec.emission.dialect import Attribute
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Invocation, is_literal, number
from archspec.syntax.expressions import Apply, Literal, Symbol
from archspec.syntax.simplify import simplify
from archspec_flax.emit.functions import Constructor, both, pair
from archspec_flax.emit.initializers import initializer


def _options(member: Member, *defaults: tuple[str, str, object]) -> list[str]:
    """`name=value` for each (argument of ours, argument of Flax's, Flax's default) that is not the default."""
    return [
        f"{theirs}={number(member.numbers[ours])}"
        for ours, theirs, default in defaults
        if not is_literal(member.numbers[ours], default)
    ]


def _conv(member: Member) -> Constructor:
    sizes = [number(member.in_channels), number(member.numbers["out"]), pair(member.numbers["kernel"])]
    options = _options(member, ("stride", "strides", 1), ("padding", "padding", None),
                       ("dilation", "kernel_dilation", 1), ("groups", "feature_group_count", 1),
                       ("bias", "use_bias", True))  # fmt: skip
    if not is_literal(member.numbers["bias"], False) and not is_literal(member.numbers["bias_init"], 0):
        options.append(f"bias_init=nnx.initializers.constant({number(member.numbers['bias_init'])})")
    return "Conv", sizes + options


def _linear(member: Member) -> Constructor:
    sizes = [number(member.in_channels), number(member.numbers["out"])]
    if not is_literal(member.numbers["unbiased"], 0):
        return "MaskedBiasLinear", [*sizes, f"unbiased={pair(member.numbers['unbiased'])}"]
    return "Linear", sizes + _options(member, ("bias", "use_bias", True))


def _affine(member: Member) -> list[str]:
    return _options(member, ("affine", "use_bias", True), ("affine", "use_scale", True))


def _batch_norm(member: Member) -> Constructor:
    options = []
    if not is_literal(member.numbers["momentum"], 0.1):
        options.append(f"momentum={_kept(member.numbers['momentum'])}")
    return "BatchNorm", [
        number(member.in_channels), *options, *_options(member, ("eps", "epsilon", 1e-5)), *_affine(member)
    ]  # fmt: skip


def _kept(momentum: Symbol) -> str:
    """Flax's momentum is what is kept of the old, the spec's what is taken of the new."""
    assert not isinstance(momentum, tuple)
    if isinstance(momentum, Literal):
        assert isinstance(momentum.value, (int, float))
        return repr(round(1.0 - momentum.value, 12))
    return number(simplify(Apply("-", (Literal(1.0), momentum)), {}))


def _group_norm(member: Member) -> Constructor:
    options = _options(member, ("groups", "num_groups", 32), ("eps", "epsilon", 1e-6))
    return "GroupNorm", [number(member.in_channels), *options, *_affine(member)]


def _layer_norm(member: Member) -> Constructor:
    return "LayerNorm", [number(member.in_channels), *_options(member, ("eps", "epsilon", 1e-6)), *_affine(member)]


def _dropout(member: Member) -> Constructor:
    return "nnx.Dropout", [number(member.numbers["rate"])]


def _drop_path(member: Member) -> Constructor:
    first = 0 if is_literal(member.numbers["per_batch"], True) else 1
    alike = tuple(
        range(first, len(member.call.input_shapes[0]) + 1)
    )  # one draw for all numbers of a sample or a batch
    return "nnx.Dropout", [number(member.numbers["rate"]), f"broadcast_dims={alike}"]


def _scale(member: Member) -> Constructor:
    if is_literal(member.numbers["shared"], True):
        return "Multiplier", _options(member, ("value", "value", 1))
    return "ChannelScale", [number(member.in_channels), f"value={number(member.numbers['value'])}"]


def _shift(member: Member) -> Constructor:
    start = _options(member, ("value", "value", 0))
    if is_literal(member.numbers["shared"], True):
        return "Bias", start
    return "ChannelShift", [number(member.in_channels), *start]


def _prelu(member: Member) -> Constructor:
    count = "1" if is_literal(member.numbers["shared"], True) else number(member.in_channels)
    return "PReLU", [count, *_options(member, ("value", "value", 0.25))]


def _std_conv(member: Member) -> Constructor:
    _, arguments = _conv(member)
    options = (
        ("eps", "epsilon", 1e-6),
        ("gain", "gain", False),
        ("gain_init", "gain_init", 1.0),
        ("gamma", "gamma", 1.0),
    )
    return "StdConv", arguments + _options(member, *options)


def _conv_transpose(member: Member) -> Constructor:
    sizes = [number(member.in_channels), number(member.numbers["out"]), pair(member.numbers["kernel"])]
    pairs = (("stride", "strides", 1), ("padding", "padding", 0), ("output_padding", "output_padding", 0),
             ("dilation", "kernel_dilation", 1))  # fmt: skip
    options = [
        f"{theirs}={pair(member.numbers[ours])}" for ours, theirs, default in pairs
        if not is_literal(member.numbers[ours], default)
    ]  # fmt: skip
    return "ConvTranspose", [
        *sizes, *options, *_options(member, ("groups", "feature_group_count", 1), ("bias", "use_bias", True))
    ]  # fmt: skip


def _instance_norm(member: Member) -> Constructor:
    channels = number(member.in_channels)
    return "GroupNorm", [
        channels, f"num_groups={channels}", *_options(member, ("eps", "epsilon", 1e-6)), *_affine(member)
    ]  # fmt: skip


def _rms_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "epsilon", 1e-6), ("affine", "use_scale", True))
    return "RMSNorm", [number(member.in_channels), *options]


TURNED = {4: (2, 3, 1, 0), 2: (1, 0)}
"""How Flax's axes of a tensor follow from the spec's, by their number."""


def _parameter(member: Member) -> tuple[str, Sequence[Expression]]:
    symbols = member.numbers["shape"]
    sizes = symbols if isinstance(symbols, tuple) else (symbols,)
    turned = [number(sizes[axis]) for axis in TURNED.get(len(sizes), range(len(sizes)))]
    shape = f"({', '.join(turned)}{',' if len(turned) == 1 else ''})"
    start, std = str(_literal(member, "start")), _literal(member, "std")
    if start == "constant":
        value = member.numbers["value"]
        zero = is_literal(value, 0)
        return "nnx.Param", [
            f"jnp.zeros({shape}, jnp.float32)" if zero else f"jnp.full({shape}, {number(value)}, jnp.float32)"
        ]
    assert isinstance(std, float)
    drawn = initializer(start, std)
    return "nnx.Param", [Invocation(drawn, ("rngs.params()", shape, "jnp.float32"))]


def _literal(member: Member, name: str) -> object:
    symbol = member.numbers[name]
    return symbol.value if isinstance(symbol, Literal) else None


def _coordinates(member: Member) -> Constructor:
    high, wide = both(member, "size", _plain_numbers(member))
    table = f"relative_coordinates({high}, {wide})"
    return "nnx.BatchStat", [
        f"{table}.transpose(2, 3, 1, 0)"
    ]  # as kernels are, whose axes are turned among weights


def _position_index(member: Member) -> Constructor:
    high, wide = both(member, "size", _plain_numbers(member))
    index, flat = f"relative_position_index({high}, {wide})", member.numbers["flat"]
    if is_literal(flat, True):
        return "nnx.BatchStat", [index]
    area = f"{high} * {wide}" if f"{high}{wide}".isalnum() else f"({high}) * ({wide})"
    square = f"{index}.reshape({area}, -1).T"  # as kernels are, whose axes are turned among weights
    return "nnx.BatchStat", [square if is_literal(flat, False) else f"{index} if {number(flat)} else {square}"]


def _plain_numbers(member: Member) -> Attribute:
    return lambda name: number(member.numbers[name])


LAYERS: dict[str, Callable[[Member], tuple[str, Sequence[Expression]]]] = {
    "conv": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "drop_path": _drop_path,
    "scale": _scale,
    "prelu": _prelu,
    "shift": _shift,
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": lambda member: ("ChannelConv", [number(member.numbers["kernel"])]),
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "global_response_norm": lambda member: (
        "GlobalResponseNorm",
        [number(member.in_channels), *_options(member, ("eps", "epsilon", 1e-6))],
    ),
    "parameter": _parameter,
    "relative_position_bias": _position_index,
    "relative_coordinates": _coordinates,
}


NORMS = frozenset({"batch_norm", "group_norm", "layer_norm"})


STATELESS = frozenset(
    {
        "scale",
        "shift",
        "global_response_norm",
        "prelu",
        "parameter",
        "relative_position_bias",
        "relative_coordinates",
    }
)  # layers that take no `rngs`


def draws_nothing(member: Member) -> bool:
    """Whether a layer needs no random numbers."""
    kind = kind_of(member) or ""
    drawn = kind == "parameter" and not is_literal(member.numbers["start"], "constant")
    return kind in STATELESS and not drawn
