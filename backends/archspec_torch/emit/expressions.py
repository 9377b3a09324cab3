"""Operations that a person writes as expressions in `forward` of a PyTorch module."""

from __future__ import annotations

import math
from collections.abc import Callable

from archspec.emission.dialect import Attribute
from archspec.emission.forward import LEFT_OUT
from archspec.emission.outline import Member
from archspec.emission.source import Expression, Infix, Invocation, between, is_literal, number, sides
from archspec.ops import Image, Tokens
from archspec.ops.base import part, times
from archspec.syntax.expressions import Literal, Symbol
from archspec.syntax.simplify import simplify


def is_image(member: Member) -> bool:
    """Whether the first input has its channels first."""
    return isinstance(member.call.input_shapes[0], Image)


REPLICATED = {"edge": "replicate"}


def word(member: Member, name: str) -> str:
    """An argument that is a word, which a class has as it is."""
    symbol = member.numbers[name]
    assert isinstance(symbol, Literal)
    return str(symbol.value)


def _scaled(member: Member, values: list[str], attribute: Attribute) -> str:
    return f"-{values[0]}" if is_literal(member.numbers["value"], -1) else f"{values[0]} * {attribute('value')}"


def _pad_channels(member: Member, values: list[str], attribute: Attribute) -> Expression:
    return Invocation("F.pad", (values[0], f"(0, 0, 0, 0, {attribute('before')}, {attribute('after')})"))


def _pad(member: Member, values: list[str], attribute: Attribute) -> Expression:
    sides = f"({', '.join(attribute(side) for side in ('left', 'right', 'top', 'bottom'))})"
    mode = word(member, "mode")
    if mode == "constant":
        value = [] if is_literal(member.numbers["value"], 0) else [f"value={attribute('value')}"]
        return Invocation("F.pad", (values[0], sides, *value))
    return Invocation("F.pad", (values[0], sides, f'mode="{REPLICATED.get(mode, mode)}"'))


def resampling(member: Member) -> list[str]:
    """The arguments that say how an image is resized."""
    mode = word(member, "mode")
    if mode == "nearest":
        return []
    aligned = ["align_corners=True"] if is_literal(member.numbers["align_corners"], True) else []
    return [f'mode="{mode}"', *aligned]


def _upsample(member: Member, values: list[str], attribute: Attribute) -> Expression:
    size = f"size={values[1]}.shape[-2:]" if len(values) > 1 else f"scale_factor={attribute('scale')}"
    return Invocation("F.interpolate", (values[0], size, *resampling(member)))


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


def _cosine_attention(member: Member, values: list[str], attribute: Attribute) -> Expression:
    query, key, value, scale, *more = values
    names = zip(("bias", "mask"), more, strict=False)
    given = [f"{name}={text}" for name, text in names if text != LEFT_OUT]
    return Invocation("cosine_attention", (query, key, value, attribute("heads"), scale, *given))


def _clip(member: Member, values: list[str], attribute: Attribute) -> str:
    bounds = [f"{name}={attribute(name)}" for name in ("min", "max") if not _is_infinite(member.numbers[name])]
    return f"{values[0]}.clamp({', '.join(bounds)})" if bounds else values[0]


def _is_infinite(symbol: Symbol) -> bool:
    return isinstance(symbol, Literal) and isinstance(symbol.value, float) and math.isinf(symbol.value)


def _position_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    table, index = values
    rows = table if len(member.call.input_shapes[0]) == 2 else f"{table}.flatten(0, -2)"
    area = number(simplify(times(*(part(member.numbers["size"], side) for side in range(2))), {}))
    return Invocation("relative_position_bias", (rows, index, area))


def _attention_bias(member: Member, values: list[str], attribute: Attribute) -> Expression:
    stride = [] if is_literal(member.numbers["stride"], 1) else [attribute("stride")]
    return Invocation("attention_bias", (values[0], _pair_of(member, "size", attribute), *stride))


def _concat(member: Member, values: list[str], attribute: Attribute) -> Expression:
    last = not is_image(member) and is_literal(member.numbers["over"], "channels")
    return Invocation("torch.cat", (Invocation("", tuple(values)), "dim=-1" if last else "dim=1"))


def _slice(member: Member, values: list[str], attribute: Attribute) -> str:
    channels = is_literal(member.numbers["over"], "channels")
    last = channels and isinstance(member.call.input_shapes[0], Tokens)
    cut = between(member.numbers, attribute)
    if is_literal(member.numbers["groups"], 1):
        return f"{values[0]}[..., {cut}]" if last else f"{values[0]}[:, {cut}]"
    grouped = f"torch.unflatten({values[0]}, {-1 if last else 1}, ({attribute('groups')}, -1))"
    return f"{grouped}[..., {cut}].flatten(-2)" if last else f"{grouped}[:, :, {cut}].flatten(1, 2)"


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
    "exp": lambda member, values, attribute: f"{values[0]}.exp()",
    "clip": _clip,
    "upsample": _upsample,
    "center_crop": lambda member, values, attribute: Invocation("center_crop", tuple(values)),
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
    "cosine_attention": _cosine_attention,
    "parameter": lambda member, values, attribute: values[0],
    "relative_coordinates": lambda member, values, attribute: values[0],
    "relative_position_bias": _position_bias,
    "attention_bias": _attention_bias,
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
