"""Each primitive operation in PyTorch: as a module, as an expression in `forward`, or both.

`MODULES` gives the constructor of operations that keep something or have a customary module; `EXPRESSIONS` the text of
those that a person writes in `forward`. Every operation of the core is in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from archspec.emission.dataflow import is_named, kind_of
from archspec.emission.dialect import Attribute, Dialect
from archspec.emission.forward import LEFT_OUT
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Infix, Invocation, between, is_literal, number, sides
from archspec.ops import Image, Tokens
from archspec.ops.base import part, times
from archspec.syntax.expressions import Literal, Symbol
from archspec.syntax.simplify import simplify

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
    return "nn.Linear", sizes + _options(member, ("bias", "bias", True))


def _batch_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "eps", 1e-5), ("momentum", "momentum", 0.1), ("affine", "affine", True))
    return "nn.BatchNorm2d", [number(member.in_channels), *options]


def _group_norm(member: Member) -> Constructor:
    options = _options(member, ("eps", "eps", 1e-5), ("affine", "affine", True))
    return "nn.GroupNorm", [number(member.numbers["groups"]), number(member.in_channels), *options]


def _layer_norm(member: Member) -> Constructor:
    if not is_image(member):
        own = _options(member, ("eps", "eps", 1e-5), ("affine", "elementwise_affine", True))
        return "nn.LayerNorm", [number(member.in_channels), *own]
    options = _options(member, ("eps", "eps", 1e-6), ("affine", "elementwise_affine", True))
    return "ChannelNorm", [number(member.in_channels), *options]


def _max_pool(member: Member) -> Constructor:
    arguments = [f"kernel_size={number(member.numbers['kernel'])}", f"stride={number(member.numbers['stride'])}"]
    return "nn.MaxPool2d", arguments + _options(member, ("padding", "padding", 0), ("ceil", "ceil_mode", False))


def _avg_pool(member: Member) -> Constructor:
    arguments = [f"kernel_size={number(member.numbers['kernel'])}", f"stride={number(member.numbers['stride'])}"]
    options = _options(member, ("padding", "padding", 0), ("ceil", "ceil_mode", False))
    padded = not is_literal(member.numbers["padding"], 0) or not is_literal(member.numbers["ceil"], False)
    counted = [f"count_include_pad={number(member.numbers['count_padding'])}"] if padded else []
    return "nn.AvgPool2d", arguments + options + counted


def _dropout(member: Member) -> Constructor:
    return "nn.Dropout", [f"p={number(member.numbers['rate'])}"]


def _drop_path(member: Member) -> Constructor:
    options = _options(member, ("per_batch", "per_batch", False))
    return "DropPath", [f"p={number(member.numbers['rate'])}", *options]


def _scale(member: Member) -> Constructor:
    kind = "TokenScale" if isinstance(member.call.input_shapes[0], Tokens) else "ChannelScale"
    return kind, [number(member.in_channels), f"value={number(member.numbers['value'])}"]


def _std_conv(member: Member) -> Constructor:
    _, arguments = _conv(member)
    return "StdConv2d", arguments + _options(member, ("eps", "eps", 1e-6), ("gain", "gain", False))


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
    name, default = ("ChannelRMSNorm", 1e-6) if is_image(member) else ("nn.RMSNorm", None)
    options = _options(member, ("eps", "eps", default), ("affine", "elementwise_affine", True))
    return name, [number(member.in_channels), *options]


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
    return "nn.Parameter", [made or f"torch.full(({sizes}{comma}), {number(value)})"]


def _position_index(member: Member) -> Constructor:
    high, wide = sides(member.numbers["size"], number(member.numbers["size"]))
    index, flat = f"relative_position_index({high}, {wide})", member.numbers["flat"]
    if is_literal(flat, True):
        return "nn.Buffer", [index]
    area = f"{high} * {wide}" if f"{high}{wide}".isalnum() else f"({high}) * ({wide})"
    square = f"{index}.view({area}, -1)"
    return "nn.Buffer", [square if is_literal(flat, False) else f"{index} if {number(flat)} else {square}"]


def is_image(member: Member) -> bool:
    """Whether the first input has its channels first."""
    return isinstance(member.call.input_shapes[0], Image)


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


REPLICATED = {"edge": "replicate"}
PADS = {"constant": "nn.ConstantPad2d", "reflect": "nn.ReflectionPad2d", "edge": "nn.ReplicationPad2d"}


def _pad_module(member: Member) -> Constructor:
    sides = f"({', '.join(number(member.numbers[side]) for side in ('left', 'right', 'top', 'bottom'))})"
    name = PADS[_word(member, "mode")]
    return name, [sides, *([number(member.numbers["value"])] if name == "nn.ConstantPad2d" else [])]


def _word(member: Member, name: str) -> str:
    """An argument that is a word, which a class has as it is."""
    symbol = member.numbers[name]
    assert isinstance(symbol, Literal)
    return str(symbol.value)


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
    "elu": _with("nn.ELU", ("alpha", "alpha", 1.0)),
    "mish": _plain("nn.Mish"),
    "softplus": _plain("nn.Softplus"),
    "softmax": _softmax,
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": lambda member: ("ChannelConv", [number(member.numbers["kernel"])]),
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "blur_pool": _blur_pool,
    "parameter": _parameter,
    "relative_position_bias": _position_index,
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


def _scaled(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"-{values[0]}" if is_literal(member.numbers["value"], -1) else f"{values[0]} * {attribute('value')}"


def _pad_channels(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("F.pad", (values[0], f"(0, 0, 0, 0, {attribute('before')}, {attribute('after')})"))


def _pad(member: Member, values: list[str], attribute: Attribute) -> Expression:
    sides = f"({', '.join(attribute(side) for side in ('left', 'right', 'top', 'bottom'))})"
    mode = _word(member, "mode")
    if mode == "constant":
        value = [] if is_literal(member.numbers["value"], 0) else [f"value={attribute('value')}"]
        return Invocation("F.pad", (values[0], sides, *value))
    return Invocation("F.pad", (values[0], sides, f'mode="{REPLICATED.get(mode, mode)}"'))


def _upsampling(member: Member) -> list[str]:
    scale = member.numbers["scale"]
    return [f"scale_factor={number(scale)}", *_resampling(member)]


def _resampling(member: Member) -> list[str]:
    mode = _word(member, "mode")
    if mode == "nearest":
        return []
    aligned = ["align_corners=True"] if is_literal(member.numbers["align_corners"], True) else []
    return [f'mode="{mode}"', *aligned]


def _upsample(member: Member, values: list[str], attribute: Attribute) -> Expression:
    size = f"size={values[1]}.shape[-2:]" if len(values) > 1 else f"scale_factor={attribute('scale')}"
    return Invocation("F.interpolate", (values[0], size, *_resampling(member)))


def _reduction(function: str) -> Callable[[Member, list[str], Attribute], Expression]:
    def applied(member: Member, values: list[str], attribute: Attribute) -> str:
        axes = _axes(member)
        keep = is_literal(member.numbers["keep"], True) or is_literal(member.numbers["over"], "channels")
        return f"{function.format(values[0])}dim={axes}{', keepdim=True' if keep else ''})"

    return applied


def _axes(member: Member) -> str:
    """The axes that a reduction takes, those of a batch."""
    shape = member.call.input_shapes[0]
    channels = shape.axis % len(shape) + 1
    axes = [
        i for i in range(1, len(shape) + 1) if (i == channels) == is_literal(member.numbers["over"], "channels")
    ]
    return str(axes[0]) if len(axes) == 1 else str(tuple(axes))


def _image(member: Member, values: list[str], attribute: Attribute) -> str:
    high, wide = sides(member.numbers["size"], attribute("size"))
    return f"torch.unflatten({values[0]}.transpose(1, 2), 2, ({high}, {wide}))"


def _roll(member: Member, values: list[str], attribute: Attribute) -> Expression:
    down, right = sides(member.numbers["shift"], attribute("shift"))
    return Invocation("torch.roll", (values[0], f"({down}, {right})", "(1, 2)"))


def _pair_of(member: Member, name: str, attribute: Attribute) -> str:
    high, wide = sides(member.numbers[name], attribute(name))
    return f"({high}, {wide})"


def _interleave(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("interleave", (values[0], _pair_of(member, "groups", attribute)))


def _windows(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("windows", (values[0], _pair_of(member, "size", attribute)))


def _unwindow(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("unwindow", (values[0], values[1], _pair_of(member, "size", attribute)))


def _shift_mask(member: Member, values: list[str], attribute: Attribute) -> Expression:
    pairs = (_pair_of(member, name, attribute) for name in ("size", "shift"))
    return Invocation("shift_mask", (values[0], *pairs))


def _attention(member: Member, values: list[str], attribute: Attribute) -> Expression:
    query, key, value, *more = values
    name = "biased_attention" if more else "attention"
    mask = [f"mask={text}" for text in more[1:] if text != LEFT_OUT]
    return Invocation(name, (query, key, value, attribute("heads"), *more[:1], *mask))


def _position_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    area = number(simplify(times(*(part(member.numbers["size"], side) for side in range(2))), {}))
    return Invocation("relative_position_bias", (*values, area))


def _concat(member: Member, values: list[str], attribute: Attribute) -> Expression:
    last = not is_image(member) and is_literal(member.numbers["over"], "channels")
    return Invocation("torch.cat", (Invocation("", tuple(values)), "dim=-1" if last else "dim=1"))


def _slice(member: Member, values: list[str], attribute: Attribute) -> str:
    if isinstance(member.call.input_shapes[0], Tokens):
        return f"{values[0]}[..., {between(member.numbers['start'], member.numbers['stop'], attribute)}]"
    return f"{values[0]}[:, {between(member.numbers['start'], member.numbers['stop'], attribute)}]"


def _subsample(member: Member, values: list[str], attribute: Attribute) -> Expression:
    # not a slice: its gradient is laid out anew, and so are the sums that it is part of
    return Invocation("F.avg_pool2d", (values[0], "kernel_size=1", f"stride={attribute('stride')}"))


def _global_avg_pool(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"{values[0]}.mean(dim=(2, 3){', keepdim=True' if is_literal(member.numbers['keep'], True) else ''})"


EXPRESSIONS: dict[str, Callable[[Member, list[str], Attribute], Expression]] = {
    "add": lambda member, values, attribute: Infix("+", tuple(values)),
    "sub": lambda member, values, attribute: Infix("-", tuple(values)),
    "mul": lambda member, values, attribute: Infix("*", tuple(values)),
    "div": lambda member, values, attribute: Infix("/", tuple(values)),
    "concat": _concat,
    "apply_linear": lambda member, values, attribute: Invocation("F.linear", tuple(values)),
    "mean": _reduction("{}.mean("),
    "amax": _reduction("{}.amax("),
    "l2_norm": _reduction("torch.linalg.vector_norm({}, "),
    "sqrt": lambda member, values, attribute: f"{values[0]}.sqrt()",
    "pow": lambda member, values, attribute: f"{values[0]}.pow({attribute('exponent')})",
    "upsample": _upsample,
    "tokens": lambda member, values, attribute: f"{values[0]}.flatten(2).transpose(1, 2)",
    "image": _image,
    "channels_last": lambda member, values, attribute: f"{values[0]}.permute(0, 2, 3, 1)",
    "channels_first": lambda member, values, attribute: f"{values[0]}.permute(0, 3, 1, 2)",
    "transpose": lambda member, values, attribute: f"{values[0]}.transpose(1, 2)",
    "select": lambda member, values, attribute: f"{values[0]}[:, {attribute('index')}]",
    "roll": _roll,
    "interleave": _interleave,
    "windows": _windows,
    "unwindow": _unwindow,
    "shift_mask": _shift_mask,
    "merge_patches": lambda member, values, attribute: Invocation("merge_patches", tuple(values)),
    "attention": _attention,
    "parameter": lambda member, values, attribute: values[0],
    "relative_position_bias": _position_bias,
    "flatten": lambda member, values, attribute: f"torch.flatten({values[0]}, 1)",
    "global_avg_pool": _global_avg_pool,
    "pad": _pad,
    "pad_channels": _pad_channels,
    "channel_shuffle": lambda member, values, attribute: f"F.channel_shuffle({values[0]}, {attribute('groups')})",
    "slice": _slice,
    "subsample": _subsample,
    "scale": _scaled,
}
"""The text of an operation from its inputs; `attribute` gives the text of one of its numbers."""

POOL = "global_avg_pool"

SUPPORTED = frozenset(MODULES) | frozenset(EXPRESSIONS)


class TorchDialect(Dialect):
    """Modules are layers, and images are (N, C, H, W)."""

    array = "Tensor"
    sequence = "nn.Sequential"
    named_sequence = ("nn.Sequential", "OrderedDict")
    identity = "nn.Identity()"
    inference = "not self.training"
    words = frozenset(
        {
            "torch",
            "F",
            "tapped",
            "attention",
            "biased_attention",
            "merge_patches",
            "interleave",
            "windows",
            "unwindow",
            "shift_mask",
            "relative_position_index",
            "relative_position_bias",
        }
    )
    in_sequence = MODULES
    in_place = IN_PLACE
    augmented: ClassVar[Mapping[str, str]] = {"add": "+"}
    overwritable = OVERWRITABLE

    def tapped(self, sequence: str, value: str, names: list[str], numbered: bool) -> Expression:
        """Layers are called by their names, be they numbers."""
        return Invocation("tapped", (sequence, value, *(f'"{name}"' for name in names)))

    def is_kept(self, member: Member) -> bool:
        """All that is not customarily an expression; a constant scale is one, a learned scale and a pool of a name are not."""
        kind = kind_of(member)
        if kind == "scale":
            return is_literal(member.numbers["learned"], True)
        return kind is None or kind in MODULES or (kind == POOL and is_named(member))

    def layer(self, member: Member, in_place: bool) -> Expression:
        """The constructor of a module."""
        kind = kind_of(member) or ""
        name, arguments = (MODULES.get(kind) or IN_SEQUENCE[kind])(member)
        return Invocation(name, (*arguments, "inplace=True") if in_place else tuple(arguments))

    def attribute(self, member: Member, in_place: bool) -> Expression:
        """A global pool is alone what torchvision's `avgpool` is, for whoever hooks into it."""
        if kind_of(member) == POOL:
            return Invocation("nn.AdaptiveAvgPool2d", ("1",))
        return self.layer(member, in_place)

    def called(self, member: Member, layer: str, values: list[str]) -> Expression:
        """The pixel that a global pool leaves has axes of its own, unless they are kept."""
        pooled = Invocation(layer, tuple(values))
        if kind_of(member) != POOL or is_literal(member.numbers["keep"], True):
            return pooled
        return Invocation("torch.flatten", (pooled, "1"))

    def applied(self, member: Member, values: list[str], attribute: Attribute) -> Expression:
        """The text of an expression."""
        return EXPRESSIONS[kind_of(member) or ""](member, values, attribute)

    def split(self, member: Member, value: str, count: int) -> Expression:
        """The axis of channels is the second of an image, else the last."""
        return Invocation(f"{value}.chunk", (str(count), "dim=1" if is_image(member) else "dim=-1"))

    def stretched(self, constant: str, like: str, rank: int) -> Expression:
        """Of all samples, without a copy."""
        return Invocation(f"{constant}.expand", (f"{like}.shape[0]", *["-1"] * rank))

    def image(self, channels: str, height: str, width: str) -> str:
        """Channels first."""
        return f"(N, {channels}, {height}, {width})"
