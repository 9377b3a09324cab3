"""Each primitive operation in Flax NNX: as a layer that a module keeps, or as a function in `__call__`.

`LAYERS` gives the constructor of operations that keep parameters, statistics or a stream of random numbers; `FUNCTIONS`
the expression of the others. Every operation of the core is in one of them; a learned scale is a layer, a constant one
an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archspec.emission.dataflow import kind_of
from archspec.emission.dialect import Attribute, Dialect
from archspec.emission.forward import LEFT_OUT
from archspec.emission.initial_values import last_norm
from archspec.emission.outline import BlockClass, Member, Outline
from archspec.emission.source import Expression, Infix, Invocation, between, call, is_literal, number, sides
from archspec.ir import Block, Chain, Run
from archspec.ir.network import Network
from archspec.ops import Conv, Image
from archspec.ops.base import part, times
from archspec.syntax.expressions import Apply, Literal, Symbol
from archspec.syntax.simplify import simplify
from archspec_flax.emit.helpers import FUNCTION_NAMES
from archspec_flax.emit.rolling import is_rolled

Constructor = tuple[str, list[str]]
"""The name of a class and its arguments, but for `rngs`."""


def pair(symbol: Symbol, text: str | None = None) -> str:
    """A number or pair as a tuple; `text` is its source where that is not the number itself."""
    first, second = sides(symbol, number(symbol) if text is None else text)
    return f"({first}, {second})"


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
    return "ChannelScale", [number(member.in_channels), f"value={number(member.numbers['value'])}"]


def _prelu(member: Member) -> Constructor:
    count = "1" if is_literal(member.numbers["shared"], True) else number(member.in_channels)
    return "PReLU", [count, *_options(member, ("value", "value", 0.25))]


def _std_conv(member: Member) -> Constructor:
    _, arguments = _conv(member)
    return "StdConv", arguments + _options(member, ("eps", "epsilon", 1e-6), ("gain", "gain", False))


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
    drawn = {
        "normal": f"normal({std!r})",
        "trunc_normal": f"truncated_normal({std!r}, lower={-2 / std!r}, upper={2 / std!r})"
        if std
        else "zeros_init()",
        "xavier_uniform": "xavier_uniform()",
    }
    return "nnx.Param", [Invocation(f"nnx.initializers.{drawn[start]}", ("rngs.params()", shape, "jnp.float32"))]


def _literal(member: Member, name: str) -> object:
    symbol = member.numbers[name]
    return symbol.value if isinstance(symbol, Literal) else None


def _position_index(member: Member) -> Constructor:
    high, wide = _both(member, "size", _plain_numbers(member))
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
    "std_conv": _std_conv,
    "conv_transpose": _conv_transpose,
    "channel_conv": lambda member: ("ChannelConv", [number(member.numbers["kernel"])]),
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    "parameter": _parameter,
    "relative_position_bias": _position_index,
}

NORMS = frozenset({"batch_norm", "group_norm", "layer_norm"})
STATELESS = frozenset({"scale", "prelu", "parameter", "relative_position_bias"})  # layers that take no `rngs`


def _draws_nothing(member: Member) -> bool:
    kind = kind_of(member) or ""
    drawn = kind == "parameter" and not is_literal(member.numbers["start"], "constant")
    return kind in STATELESS and not drawn


def _both(member: Member, name: str, attribute: Attribute) -> tuple[str, str]:
    """The two directions of an argument."""
    return sides(member.numbers[name], attribute(name))


def _window(member: Member, attribute: Attribute) -> list[str]:
    """The arguments of a pooling, the window first."""
    texts = {name: pair(member.numbers[name], attribute(name)) for name in ("kernel", "stride")}
    return [texts["kernel"], f"strides={texts['stride']}"]


def _max_pool(member: Member, attribute: Attribute) -> Constructor:
    padded = not is_literal(member.numbers["padding"], 0)
    if not is_literal(member.numbers["ceil"], False):
        padding = [f"padding={pair(member.numbers['padding'], attribute('padding'))}"] if padded else []
        return "ceil_max_pool", _window(member, attribute) + padding
    return "nnx.max_pool", _window(member, attribute) + (_both_ends(member, attribute) if padded else [])


def _avg_pool(member: Member, attribute: Attribute) -> Constructor:
    padded = not is_literal(member.numbers["padding"], 0)
    counted = is_literal(member.numbers["count_padding"], True)
    padding = [f"padding={pair(member.numbers['padding'], attribute('padding'))}"] if padded else []
    if not is_literal(member.numbers["ceil"], False):
        counting = ["count_padding=True"] if padded and counted else []
        return "ceil_avg_pool", _window(member, attribute) + padding + counting
    if padded and not counted:
        return "avg_pool", _window(member, attribute) + padding
    return "nnx.avg_pool", _window(member, attribute) + (_both_ends(member, attribute) if padded else [])


def _both_ends(member: Member, attribute: Attribute) -> list[str]:
    high, wide = sides(member.numbers["padding"], attribute("padding"))
    return [f"padding=(({high}, {high}), ({wide}, {wide}))"]


def _adaptive(reduce: str) -> Callable[[Member, Attribute], Constructor]:
    return lambda member, attribute: (
        "adaptive_pool",
        [f"size={pair(member.numbers['size'], attribute('size'))}", f"reduce={reduce}"],
    )


POOLS: dict[str, Callable[[Member, Attribute], Constructor]] = {
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": _adaptive("jnp.mean"),
    "adaptive_max_pool": _adaptive("jnp.max"),
}
"""Functions of an image and of these further arguments."""

ACTIVATIONS = {
    "relu": "nnx.relu",
    "relu6": "nnx.relu6",
    "gelu": "nnx.gelu",
    "silu": "nnx.silu",
    "sigmoid": "nnx.sigmoid",
    "hard_sigmoid": "nnx.hard_sigmoid",
    "hard_swish": "nnx.hard_swish",
    "tanh": "nnx.tanh",
    "leaky_relu": "nnx.leaky_relu",
    "elu": "nnx.elu",
    "mish": "jax.nn.mish",
    "softplus": "nnx.softplus",
    "softmax": "nnx.softmax",
}
EXACT = {"gelu": ["approximate=False"]}
OPTIONS = {"leaky_relu": ("slope", "negative_slope", 0.01), "elu": ("alpha", "alpha", 1.0)}
"""Arguments of activations: ours, Flax's, and Flax's default."""


def _activation_options(member: Member, kind: str, attribute: Attribute) -> list[str]:
    if kind not in OPTIONS:
        return EXACT.get(kind, [])
    ours, theirs, default = OPTIONS[kind]
    return [] if is_literal(member.numbers[ours], default) else [f"{theirs}={attribute(ours)}"]


def _flatten(member: Member, values: list[str], attribute: Attribute) -> str:
    """Channels outermost, as in the spec."""
    turned = ".transpose(0, 3, 1, 2)" if isinstance(member.call.input_shapes[0], Image) else ""
    return f"{values[0]}{turned}.reshape({values[0]}.shape[0], -1)"


def _scaled(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"-{values[0]}" if is_literal(member.numbers["value"], -1) else f"{values[0]} * {attribute('value')}"


def _pad_channels(member: Member, values: list[str], attribute: Attribute) -> Expression:
    channels = f"({attribute('before')}, {attribute('after')})"
    return Invocation("jnp.pad", (values[0], f"((0, 0), (0, 0), (0, 0), {channels})"))


def _pad(member: Member, values: list[str], attribute: Attribute) -> Expression:
    rows, columns = (
        f"({attribute(low)}, {attribute(high)})" for low, high in (("top", "bottom"), ("left", "right"))
    )
    mode = member.numbers["mode"]
    options = [] if is_literal(mode, "constant") else [f'mode="{number(mode)[1:-1]}"']
    if not is_literal(member.numbers["value"], 0) and not options:
        options.append(f"constant_values={attribute('value')}")
    return Invocation("jnp.pad", (values[0], f"((0, 0), {rows}, {columns}, (0, 0))", *options))


def _channel_shuffle(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("channel_shuffle", (values[0], attribute("groups")))


def _slice(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"{values[0]}[..., {between(member.numbers['start'], member.numbers['stop'], attribute)}]"


def _upsample(member: Member, values: list[str], attribute: Attribute) -> Expression:
    image, *like = values
    down, right = _both(member, "scale", attribute)
    size = f"{like[0]}.shape[1:3]" if like else f"({down} * {image}.shape[1], {right} * {image}.shape[2])"
    mode = [] if is_literal(member.numbers["mode"], "nearest") else ['mode="bilinear"']
    aligned = ["align_corners=True"] if is_literal(member.numbers["align_corners"], True) else []
    return Invocation("upsample", (image, size, *mode, *aligned))


def _blur_pool(member: Member, values: list[str], attribute: Attribute) -> Expression:
    options = (("kernel", "window", 3), ("stride", "stride", 2))
    given = [
        f"{theirs}={attribute(ours)}"
        for ours, theirs, usual in options
        if not is_literal(member.numbers[ours], usual)
    ]
    return Invocation("blur_pool", (values[0], *given))


def _axes(member: Member) -> str:
    """The axes that a reduction takes: channels are the last."""
    last = len(member.call.input_shapes[0])
    if is_literal(member.numbers["over"], "channels"):
        return "-1"
    return "1" if last == 2 else str(tuple(range(1, last)))


def _reduction(before: str, after: str) -> Callable[[Member, list[str], Attribute], str]:
    def applied(member: Member, values: list[str], attribute: Attribute) -> str:
        keep = is_literal(member.numbers["keep"], True) or is_literal(member.numbers["over"], "channels")
        return f"{before}{values[0]}{after}axis={_axes(member)}{', keepdims=True' if keep else ''})"

    return applied


def _l2_norm(member: Member, values: list[str], attribute: Attribute) -> str:
    squares = _reduction("jnp.square(", ").sum(")(member, values, attribute)
    return f"jnp.sqrt({squares})"


def _tensor(member: Member, values: list[str], attribute: Attribute) -> str:
    """A parameter in the layout of the values that it is joined with."""
    symbols = member.numbers["shape"]
    axes = len(symbols) if isinstance(symbols, tuple) else 1
    batch = is_literal(member.numbers["batch"], True)
    turned = {2: ".T", 4: ".transpose(3, 0, 1, 2)"} if batch else {2: ".T", 3: ".transpose(1, 2, 0)"}
    return f"{values[0]}[...]{turned.get(axes, '')}"


def _apply_linear(member: Member, values: list[str], attribute: Attribute) -> Expression:
    x, weight, *bias = values
    turned = weight.removesuffix(".T") if weight.endswith(".T") else f"{weight}.T"
    return Invocation("apply_linear", (x, turned, *bias))


def _attention(member: Member, values: list[str], attribute: Attribute) -> Expression:
    query, key, value, *more = values
    name = "biased_attention" if more else "attention"
    mask = [f"mask={text}" for text in more[1:] if text != LEFT_OUT]
    return Invocation(name, (query, key, value, attribute("heads"), *more[:1], *mask))


def _position_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    table, index = values
    high, wide = (part(member.numbers["size"], side) for side in range(2))
    index = f"{index}[...]" if is_literal(member.numbers["flat"], True) else f"{index}[...].T"
    return Invocation("relative_position_bias", (table, index, number(simplify(times(high, wide), {}))))


def _paired(function: str, *names: str) -> Callable[[Member, list[str], Attribute], Expression]:
    """A function of values and pairs."""

    def applied(member: Member, values: list[str], attribute: Attribute) -> Expression:
        pairs = (f"({', '.join(_both(member, name, attribute))})" for name in names)
        return Invocation(function, (*values, *pairs))

    return applied


def _image(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"{values[0]}.reshape({values[0]}.shape[0], {', '.join(_both(member, 'size', attribute))}, -1)"


def _roll(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("jnp.roll", (values[0], f"({', '.join(_both(member, 'shift', attribute))})", "(1, 2)"))


def _concat(member: Member, values: list[str], attribute: Attribute) -> Expression:
    axis = "axis=1" if is_literal(member.numbers["over"], "places") else "axis=-1"
    return Invocation("jnp.concatenate", (Invocation("", tuple(values)), axis))


def _subsample(member: Member, values: list[str], attribute: Attribute) -> str:
    rows, columns = (
        f" {side}" if side.startswith("self.") else side
        for side in sides(member.numbers["stride"], attribute("stride"))
    )
    return f"{values[0]}[:, ::{rows}, ::{columns}]"


def _global_avg_pool(member: Member, values: list[str], attribute: Attribute) -> str:
    keep = is_literal(member.numbers["keep"], True)
    return f"{values[0]}.mean(axis=(1, 2){', keepdims=True' if keep else ''})"


def _summands(values: list[str]) -> tuple[str, ...]:
    """The shortcut before the branch: XLA on CPUs then fuses the addition into the branch's last layers, 2% of ResNet-50.

    Two numbers have the same sum in either order; of more the order stays.
    """
    return (values[1], values[0]) if len(values) == 2 else tuple(values)


FUNCTIONS: dict[str, Callable[[Member, list[str], Attribute], Expression]] = {
    "add": lambda member, values, attribute: Infix("+", _summands(values)),
    "sub": lambda member, values, attribute: Infix("-", tuple(values)),
    "mul": lambda member, values, attribute: Infix("*", tuple(values)),
    "div": lambda member, values, attribute: Infix("/", tuple(values)),
    "concat": _concat,
    "apply_linear": _apply_linear,
    "parameter": _tensor,
    "relative_position_bias": _position_bias,
    "attention": _attention,
    "mean": _reduction("", ".mean("),
    "amax": _reduction("", ".max("),
    "l2_norm": _l2_norm,
    "sqrt": lambda member, values, attribute: f"jnp.sqrt({values[0]})",
    "pow": lambda member, values, attribute: f"{values[0]} ** {attribute('exponent')}",
    "upsample": _upsample,
    "blur_pool": _blur_pool,
    "tokens": lambda member, values, attribute: (
        f"{values[0]}.reshape({values[0]}.shape[0], -1, {values[0]}.shape[-1])"
    ),
    "image": _image,
    "channels_last": lambda member, values, attribute: values[0],
    "channels_first": lambda member, values, attribute: values[0],
    "transpose": lambda member, values, attribute: f"{values[0]}.swapaxes(1, 2)",
    "select": lambda member, values, attribute: f"{values[0]}[:, {attribute('index')}]",
    "roll": _roll,
    "merge_patches": _paired("merge_patches"),
    "interleave": _paired("interleave", "groups"),
    "windows": _paired("windows", "size"),
    "unwindow": _paired("unwindow", "size"),
    "shift_mask": _paired("shift_mask", "size", "shift"),
    "identity": lambda member, values, attribute: values[0],
    "flatten": _flatten,
    "global_avg_pool": _global_avg_pool,
    "pad": _pad,
    "pad_channels": _pad_channels,
    "channel_shuffle": _channel_shuffle,
    "slice": _slice,
    "subsample": _subsample,
    "scale": _scaled,
}

SUPPORTED = frozenset(LAYERS) | frozenset(POOLS) | frozenset(ACTIVATIONS) | frozenset(FUNCTIONS)


class FlaxDialect(Dialect):
    """What keeps something is a layer, the rest is functions; images are (N, H, W, C)."""

    array = "Array"
    identity = "nnx.identity"
    inference = "self.deterministic"
    training_state = "self.deterministic = False"
    words = frozenset({"jax", "jnp", "nnx", "max", *FUNCTION_NAMES})
    in_sequence = (
        frozenset(LAYERS)
        | frozenset(POOLS)
        | frozenset(ACTIVATIONS)
        | {"identity", "channels_last", "channels_first"}
    )

    def __init__(self, net: Network, outline: Outline, names: Callable[[str], str]) -> None:
        self.root = outline.root
        self.of = outline.of
        self.names = names
        self.sequence = names("Sequential")
        self.named_sequence = (names("NamedSequential"),)
        self.batch_norm_options: set[str] = set()
        uniform = net.spec.init.conv.chosen[0] == "uniform_fan_in"
        self.biased = uniform or any(r.target.bias for r in net.modules() if isinstance(r.target, Conv))
        classes = [*outline.classes, *([outline.root] if outline.root else [])]
        self.zeroed = {
            m for c in classes for m in c.members if net.spec.init.zero_last_norm and m.call.name == last_norm(c)
        }

    def is_kept(self, member: Member) -> bool:
        """A constant scale is an expression, a learned one a layer."""
        kind = kind_of(member)
        return is_literal(member.numbers["learned"], True) if kind == "scale" else kind is None or kind in LAYERS

    def tapped(self, sequence: str, value: str, names: list[str], numbered: bool) -> Expression:
        """Layers that have no names are called by their places."""
        if numbered:
            return Invocation("tapped", (sequence, value, *names))
        return Invocation("named_tapped", (sequence, value, *(f'"{name}"' for name in names)))

    def layer(self, member: Member, in_place: bool) -> Expression:
        """The constructor of a layer, or a function of one argument."""
        kind = kind_of(member) or ""
        if not self.is_kept(member):
            return self._function(member, kind)
        name, arguments = LAYERS[kind](member)
        if member in self.zeroed:
            arguments = [*arguments, "scale_init=nnx.initializers.zeros"]
        if kind == "conv" and not self.biased:
            arguments = [a for a in arguments if a != "use_bias=False"]
        elif kind == "batch_norm":
            self.batch_norm_options |= {str(a).partition("=")[0] for a in arguments[1:]}
        return Invocation(self.names(name), tuple(arguments) if kind in STATELESS else (*arguments, "rngs=rngs"))

    def _function(self, member: Member, kind: str) -> Expression:
        """An operation as a function of one argument."""

        def there(name: str) -> str:
            return number(member.numbers[name])

        if kind in ("identity", "channels_last", "channels_first"):  # channels are last anyway
            return self.identity
        if kind in ACTIVATIONS:
            options = _activation_options(member, kind, there)
            return Invocation("partial", (ACTIVATIONS[kind], *options)) if options else ACTIVATIONS[kind]
        if kind in POOLS:
            name, (window, *others) = POOLS[kind](member, there)
            window = window if "=" in window else f"window_shape={window}"
            return Invocation("partial", (self.names(name), window, *others))
        return f"lambda x: {self.applied(member, ['x'], there)}"

    def applied(self, member: Member, values: list[str], attribute: Attribute) -> Expression:
        """A function's call, or operators."""
        kind = kind_of(member) or ""
        if kind in ACTIVATIONS:
            return Invocation(ACTIVATIONS[kind], (*values, *_activation_options(member, kind, attribute)))
        if kind in POOLS:
            name, arguments = POOLS[kind](member, attribute)
            return Invocation(self.names(name), (*values, *arguments))
        return FUNCTIONS[kind](member, values, attribute)

    def split(self, member: Member, value: str, count: int) -> Expression:
        """Channels are last."""
        return Invocation("jnp.split", (value, str(count), "axis=-1"))

    def is_untyped(self, member: Member) -> bool:
        """The poolings of Flax have no annotations."""
        return kind_of(member) in POOLS

    def stretched(self, constant: str, like: str, rank: int) -> Expression:
        """Of all samples."""
        return Invocation("jnp.broadcast_to", (constant, f"({like}.shape[0], *{constant}.shape[-{rank}:])"))

    def image(self, channels: str, height: str, width: str) -> str:
        """Channels last."""
        return f"(N, {height}, {width}, {channels})"

    def rolled(self, run: Run, make: Callable[[str], str], indent: int, head: str) -> str | None:
        """Of many equal blocks, a layer that is given how to make one."""
        if not is_rolled(run):
            return None
        arguments = [make("lambda rngs: "), str(run.count), "rngs=rngs"]
        return call(f"{head}{self.names('Repeated')}", arguments, indent)

    def more_parameters(self, cls: BlockClass) -> list[str]:
        """A class that draws takes streams of random numbers."""
        return ["*", "rngs: nnx.Rngs"] if cls is self.root or self._draws(cls) else []

    def more_arguments(self, cls: BlockClass) -> list[str]:
        """The streams that the class around it has."""
        return ["rngs=rngs"] if self._draws(cls) else []

    def _draws(self, cls: BlockClass) -> bool:
        """Whether anything in a class needs random numbers."""
        for member in cls.members:
            target = member.call.target
            blocks = [r.block for r in target.runs] if isinstance(target, Chain) else [target]
            inner = [b for b in blocks if isinstance(b, Block)]
            if any(self._draws(self.of[b]) for b in inner):
                return True
            if not inner and self.is_kept(member) and not _draws_nothing(member):
                return True
        return False
