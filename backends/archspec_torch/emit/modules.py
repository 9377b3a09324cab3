"""Operations that are modules in PyTorch.

`MODULES` gives the constructor of operations that keep something or have a customary module; `expressions.py` has the others,
some of which are modules where they stand in a sequence.
"""

from __future__ import annotations

from collections.abc import Callable

from archspec.emission.outline import Member
from archspec.emission.source import is_literal, number, pair, sides
from archspec.ops import Tokens
from archspec.syntax.expressions import Literal, Symbol
from archspec_torch.emit.expressions import EXPRESSIONS, is_image, resampling, word

Constructor = tuple[str, list[str]]
"""The name of a class and its arguments."""


def _options(member: Member, *defaults: tuple[str, str, object]) -> list[str]:
    """`name=value` for each (argument of ours, argument of PyTorch's, PyTorch's default) that is not the default."""
    given = []
    for ours, theirs, default in defaults:
        symbol: Symbol = member.numbers[ours]
        if not is_literal(symbol, default):
            given.append(f"{theirs}={number(symbol)}")
    return given


def _conv(member: Member) -> Constructor:
    sizes = [
        number(member.in_channels),
        number(member.numbers["out"]),
        f"kernel_size={number(member.numbers['kernel'])}",
    ]
    names = [("stride", "stride", 1), ("padding", "padding", 0), ("dilation", "dilation", 1),
             ("groups", "groups", 1), ("bias", "bias", True)]  # fmt: skip
    return "nn.Conv2d", sizes + _options(member, *names)


def _linear(member: Member) -> Constructor:
    sizes = [number(member.in_channels), number(member.numbers["out"])]
    if not is_literal(member.numbers["unbiased"], 0):
        return "MaskedBiasLinear", [*sizes, f"unbiased={pair(member.numbers['unbiased'])}"]
    return "nn.Linear", sizes + _options(member, ("bias", "bias", True))


def _batch_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "eps", 1e-5), ("momentum", "momentum", 0.1), ("affine", "affine", True))
    kind = "nn.BatchNorm2d" if is_image(member) else "nn.BatchNorm1d"
    return kind, [number(member.in_channels), *options]


def _group_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "eps", 1e-5), ("affine", "affine", True))
    return "nn.GroupNorm", [number(member.numbers["groups"]), number(member.in_channels), *options]


def _layer_norm(member: Member) -> Constructor:
    name = "ChannelNorm" if is_image(member) else "nn.LayerNorm"
    options = _options(member, ("eps", "eps", 1e-5), ("affine", "elementwise_affine", True))
    return name, [number(member.in_channels), *options]


def _max_pool(member: Member) -> Constructor:
    arguments = [f"kernel_size={number(member.numbers['kernel'])}", f"stride={number(member.numbers['stride'])}"]
    return "nn.MaxPool2d", arguments + _options(member, ("padding", "padding", 0), ("ceil", "ceil_mode", False))


def _avg_pool(member: Member) -> Constructor:
    arguments = [f"kernel_size={number(member.numbers['kernel'])}", f"stride={number(member.numbers['stride'])}"]
    options = _options(member, ("padding", "padding", 0), ("ceil", "ceil_mode", False))
    padded = not is_literal(member.numbers["padding"], 0) or not is_literal(member.numbers["ceil"], False)
    counted = _options(member, ("count_padding", "count_include_pad", True)) if padded else []
    return "nn.AvgPool2d", arguments + options + counted


def _dropout(member: Member) -> Constructor:
    return "nn.Dropout", [f"p={number(member.numbers['rate'])}"]


def _drop_path(member: Member) -> Constructor:
    options = _options(member, ("per_batch", "per_batch", False))
    return "DropPath", [f"p={number(member.numbers['rate'])}", *options]


def _scale(member: Member) -> Constructor:
    if is_literal(member.numbers["shared"], True):
        return "Multiplier", _options(member, ("value", "value", 1))
    return _of_channels(member, "Scale"), [number(member.in_channels), f"value={number(member.numbers['value'])}"]


def _shift(member: Member) -> Constructor:
    start = _options(member, ("value", "value", 0))
    if is_literal(member.numbers["shared"], True):
        return "Bias", start
    return _of_channels(member, "Shift"), [number(member.in_channels), *start]


def _of_channels(member: Member, kind: str) -> str:
    return f"{'Token' if isinstance(member.call.input_shapes[0], Tokens) else 'Channel'}{kind}"


def _std_conv(member: Member) -> Constructor:
    _, arguments = _conv(member)
    options = (
        ("eps", "eps", 1e-6),
        ("gain", "gain", False),
        ("gain_init", "gain_init", 1.0),
        ("gamma", "gamma", 1.0),
    )
    return "StdConv2d", arguments + _options(member, *options)


def _conv_transpose(member: Member) -> Constructor:
    sizes = [
        number(member.in_channels),
        number(member.numbers["out"]),
        f"kernel_size={number(member.numbers['kernel'])}",
    ]
    names = [("stride", "stride", 1), ("padding", "padding", 0), ("output_padding", "output_padding", 0),
             ("groups", "groups", 1), ("bias", "bias", True), ("dilation", "dilation", 1)]  # fmt: skip
    return "nn.ConvTranspose2d", sizes + _options(member, *names)


def _instance_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "eps", 1e-5), ("affine", "affine", False))
    return "nn.InstanceNorm2d", [number(member.in_channels), *options]


def _rms_norm(member: Member) -> Constructor:
    name, default = "ChannelRMSNorm" if is_image(member) else "nn.RMSNorm", None
    options = _options(member, ("eps", "eps", default), ("affine", "elementwise_affine", True))
    return name, [number(member.in_channels), *options]


def _global_response_norm(member: Member) -> Constructor:
    last = [] if is_image(member) else ["channels_last=True"]
    return "GlobalResponseNorm", [number(member.in_channels), *_options(member, ("eps", "eps", 1e-6)), *last]


def _blur_pool(member: Member) -> Constructor:
    return "BlurPool", _options(member, ("kernel", "kernel_size", 3), ("stride", "stride", 2))


def _softmax(member: Member) -> Constructor:
    return "nn.Softmax", ["dim=1" if is_image(member) else "dim=-1"]


def _parameter(member: Member) -> Constructor:
    symbols = member.numbers["shape"]
    sizes = ", ".join(number(symbol) for symbol in (symbols if isinstance(symbols, tuple) else (symbols,)))
    if not is_literal(member.numbers["start"], "constant"):
        return "nn.Parameter", [f"torch.empty({sizes})"]
    value = member.numbers["value"]
    known = {0: f"torch.zeros({sizes})", 1: f"torch.ones({sizes})"}
    made = next((text for number_, text in known.items() if is_literal(value, number_)), None)
    comma = "," if sizes.count(",") == 0 else ""
    filling = repr(float(value.value)) if isinstance(value, Literal) and type(value.value) is int else number(value)
    return "nn.Parameter", [made or f"torch.full(({sizes}{comma}), {filling})"]


def _coordinates(member: Member) -> Constructor:
    high, wide = sides(member.numbers["size"], number(member.numbers["size"]))
    return "nn.Buffer", [f"relative_coordinates({high}, {wide})"]


def _position_index(member: Member) -> Constructor:
    high, wide = sides(member.numbers["size"], number(member.numbers["size"]))
    index, flat = f"relative_position_index({high}, {wide})", member.numbers["flat"]
    if is_literal(flat, True):
        return "nn.Buffer", [index]
    area = f"{high} * {wide}" if f"{high}{wide}".isalnum() else f"({high}) * ({wide})"
    square = f"{index}.view({area}, -1)"
    return "nn.Buffer", [square if is_literal(flat, False) else f"{index} if {number(flat)} else {square}"]


def _adaptive(name: str) -> Callable[[Member], Constructor]:
    return lambda member: (name, [number(member.numbers["size"])])


def _prelu(member: Member) -> Constructor:
    slopes = [] if is_literal(member.numbers["shared"], True) else [number(member.in_channels)]
    return "nn.PReLU", slopes + _options(member, ("value", "init", 0.25))


def _with(name: str, *options: tuple[str, str, object]) -> Callable[[Member], Constructor]:
    return lambda member: (name, _options(member, *options))


def _plain(name: str, *arguments: str) -> Callable[[Member], Constructor]:
    return lambda member: (name, list(arguments))


def _const_scale(member: Member) -> Constructor:
    if is_literal(member.numbers["learned"], True):
        return _scale(member)
    return "Scale", [number(member.numbers["value"])]


def _subsampling(member: Member) -> Constructor:
    return "nn.AvgPool2d", ["kernel_size=1", f"stride={number(member.numbers['stride'])}"]


def _padding(member: Member) -> Constructor:
    sides = f"(0, 0, 0, 0, {number(member.numbers['before'])}, {number(member.numbers['after'])})"
    return "nn.ConstantPad3d", [sides, "0.0"]


PADS = {"constant": "nn.ConstantPad2d", "reflect": "nn.ReflectionPad2d", "edge": "nn.ReplicationPad2d"}


def _pad_module(member: Member) -> Constructor:
    sides = f"({', '.join(number(member.numbers[side]) for side in ('left', 'right', 'top', 'bottom'))})"
    name = PADS[word(member, "mode")]
    return name, [sides, *([number(member.numbers["value"])] if name == "nn.ConstantPad2d" else [])]


def _applying(kind: str) -> Callable[[Member], Constructor]:
    """A module for what has none in PyTorch, where a sequence needs one."""

    def made(member: Member) -> Constructor:
        text = str(EXPRESSIONS[kind](member, ["x"], lambda name: number(member.numbers[name])))
        return "Lambda", [f"lambda x: {text}"]

    return made


def _pooling(member: Member) -> Constructor:
    pool = "nn.AdaptiveAvgPool2d(1)"
    return ("nn.AdaptiveAvgPool2d", ["1"]) if is_literal(member.numbers["keep"], True) else (
        "nn.Sequential", [pool, "nn.Flatten(1)"])  # fmt: skip


MODULES: dict[str, Callable[[Member], Constructor]] = {
    "conv": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "dropout": _dropout,
    "drop_path": _drop_path,
    "scale": _const_scale,
    "relu": _plain("nn.ReLU"),
    "relu6": _plain("nn.ReLU6"),
    "gelu": _plain("nn.GELU"),
    "silu": _plain("nn.SiLU"),
    "sigmoid": _plain("nn.Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid"),  # PyTorch rounds 1/6 to single precision in the gradient of its own
    "hard_swish": _plain("nn.Hardswish"),
    "tanh": _plain("nn.Tanh"),
    "leaky_relu": _with("nn.LeakyReLU", ("slope", "negative_slope", 0.01)),
    "prelu": _prelu,
    "shift": _shift,
    "elu": _with("nn.ELU", ("alpha", "alpha", 1.0)),
    "mish": _plain("nn.Mish"),
    "softplus": _plain("nn.Softplus"),
    "softmax": _softmax,
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": lambda member: ("ChannelConv", [number(member.numbers["kernel"])]),
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "global_response_norm": _global_response_norm,
    "blur_pool": _blur_pool,
    "parameter": _parameter,
    "relative_position_bias": _position_index,
    "relative_coordinates": _coordinates,
    "adaptive_avg_pool": _adaptive("nn.AdaptiveAvgPool2d"),
    "adaptive_max_pool": _adaptive("nn.AdaptiveMaxPool2d"),
    "identity": _plain("nn.Identity"),
}


IN_SEQUENCE: dict[str, Callable[[Member], Constructor]] = {
    "flatten": _plain("nn.Flatten", "1"),
    "global_avg_pool": _pooling,
    "pad": _pad_module,
    "pad_channels": _padding,
    "channel_shuffle": lambda member: ("nn.ChannelShuffle", [number(member.numbers["groups"])]),
    "slice": _applying("slice"),
    "mean": _applying("mean"),
    "amax": _applying("amax"),
    "l2_norm": _applying("l2_norm"),
    "sqrt": _applying("sqrt"),
    "pow": _applying("pow"),
    "exp": _applying("exp"),
    "clip": _applying("clip"),
    "upsample": lambda member: ("nn.Upsample", _upsampling(member)),
    "tokens": _applying("tokens"),
    "image": _applying("image"),
    "channels_last": _plain("Permute", "0", "2", "3", "1"),
    "channels_first": _plain("Permute", "0", "3", "1", "2"),
    "transpose": _plain("Permute", "0", "2", "1"),
    "select": _applying("select"),
    "roll": _applying("roll"),
    "interleave": _applying("interleave"),
    "windows": _applying("windows"),
    "merge_patches": _applying("merge_patches"),
    "subsample": _subsampling,
}
"""Modules for operations that are otherwise expressions, where a condition decides whether they are there."""


IN_PLACE = frozenset({"relu", "relu6", "silu", "hard_swish"})
"""Activations that can overwrite their input."""


OVERWRITABLE = frozenset({"conv", "linear", "batch_norm", "group_norm", "layer_norm", "add", "concat", "avg_pool"})
"""Operations whose result may be overwritten: their gradient does not need it."""


def _upsampling(member: Member) -> list[str]:
    scale = member.numbers["scale"]
    return [f"scale_factor={number(scale)}", *resampling(member)]
