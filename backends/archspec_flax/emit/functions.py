"""Operations that are functions in `__call__` of a Flax module: poolings, activations and the rest."""

from __future__ import annotations

import math
from collections.abc import Callable

from archspec.emission.dialect import Attribute
from archspec.emission.forward import LEFT_OUT
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Infix, Invocation, between, is_literal, number, sides
from archspec.ops import Image
from archspec.ops.base import part, times
from archspec.syntax.expressions import Literal, Symbol
from archspec.syntax.simplify import simplify

Constructor = tuple[str, list[str]]
"""The name of a class and its arguments, but for `rngs`."""


def pair(symbol: Symbol, text: str | None = None) -> str:
    """A number or pair as a tuple; `text` is its source where that is not the number itself."""
    first, second = sides(symbol, number(symbol) if text is None else text)
    return f"({first}, {second})"


def both(member: Member, name: str, attribute: Attribute) -> tuple[str, str]:
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


def activation_options(member: Member, kind: str, attribute: Attribute) -> list[str]:
    """What an activation is given beside its input."""
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
    cut = between(member.numbers, attribute)
    if is_literal(member.numbers["over"], "places"):
        return f"{values[0]}[:, {cut}]"
    if is_literal(member.numbers["groups"], 1):
        return f"{values[0]}[..., {cut}]"
    around = f"*{values[0]}.shape[:-1]"
    return f"{values[0]}.reshape({around}, {attribute('groups')}, -1)[..., {cut}].reshape({around}, -1)"


def _upsample(member: Member, values: list[str], attribute: Attribute) -> Expression:
    image, *like = values
    down, right = both(member, "scale", attribute)
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


def _cosine_attention(member: Member, values: list[str], attribute: Attribute) -> Expression:
    query, key, value, scale, *more = values
    names = zip(("bias", "mask"), more, strict=False)
    given = [f"{name}={text}" for name, text in names if text != LEFT_OUT]
    return Invocation("cosine_attention", (query, key, value, attribute("heads"), scale, *given))


def _clip(member: Member, values: list[str], attribute: Attribute) -> str:
    bounds = [f"{name}={attribute(name)}" for name in ("min", "max") if not _is_infinite(member.numbers[name])]
    return f"jnp.clip({', '.join([values[0], *bounds])})" if bounds else values[0]


def _is_infinite(symbol: Symbol) -> bool:
    return isinstance(symbol, Literal) and isinstance(symbol.value, float) and math.isinf(symbol.value)


def _position_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    table, index = values
    table = table if len(member.call.input_shapes[0]) == 2 else f"{table}.reshape(-1, {table}.shape[-1])"
    high, wide = (part(member.numbers["size"], side) for side in range(2))
    index = f"{index}[...]" if is_literal(member.numbers["flat"], True) else f"{index}[...].T"
    return Invocation("relative_position_bias", (table, index, number(simplify(times(high, wide), {}))))


def _attention_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    stride = [] if is_literal(member.numbers["stride"], 1) else [attribute("stride")]
    return Invocation("attention_bias", (values[0], f"({', '.join(both(member, 'size', attribute))})", *stride))


def _paired(function: str, *names: str) -> Callable[[Member, list[str], Attribute], Expression]:
    """A function of values and pairs."""

    def applied(member: Member, values: list[str], attribute: Attribute) -> Expression:
        pairs = (f"({', '.join(both(member, name, attribute))})" for name in names)
        return Invocation(function, (*values, *pairs))

    return applied


def _image(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"{values[0]}.reshape({values[0]}.shape[0], {', '.join(both(member, 'size', attribute))}, -1)"


def _roll(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("jnp.roll", (values[0], f"({', '.join(both(member, 'shift', attribute))})", "(1, 2)"))


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
    "attention_bias": _attention_bias,
    "attention": _attention,
    "cosine_attention": _cosine_attention,
    "relative_coordinates": lambda member, values, attribute: f"{values[0]}[...].transpose(3, 2, 0, 1)",
    "mean": _reduction("", ".mean("),
    "amax": _reduction("", ".max("),
    "l2_norm": _l2_norm,
    "sqrt": lambda member, values, attribute: f"jnp.sqrt({values[0]})",
    "pow": lambda member, values, attribute: f"{values[0]} ** {attribute('exponent')}",
    "exp": lambda member, values, attribute: f"jnp.exp({values[0]})",
    "clip": _clip,
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
    "center_crop": _paired("center_crop"),
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
