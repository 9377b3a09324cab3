"""The statements of `reset_parameters`: what differs from how PyTorch initializes its modules anyway."""

from __future__ import annotations

from archspec.emission.forward import INDENT
from archspec.emission.initial_values import last_norm
from archspec.emission.outline import Outline
from archspec.emission.source import WIDTH
from archspec.ir.network import Network
from archspec.ir.rows import Row
from archspec.language.spec import Distribution
from archspec.ops import Conv, ConvTranspose, GroupNorm, Image, InstanceNorm, LayerNorm, Linear, Parameter, RmsNorm
from archspec.ops.starts import NORMAL
from archspec.syntax.identifiers import containers
from archspec_torch.emit.starts import statements_by_name

DRAW = {
    "he_normal_fan_out": 'nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")',
    "he_normal_fan_in": 'nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")',
    "xavier_uniform": "nn.init.xavier_uniform_(module.weight)",
}


def norm_module(row: Row) -> str:
    """The module of a normalization."""
    image = isinstance(row.input_shapes[0], Image)
    match row.target:
        case LayerNorm():
            return "ChannelNorm" if image else "nn.LayerNorm"
        case RmsNorm():
            return "ChannelRMSNorm" if image else "nn.RMSNorm"
        case InstanceNorm():
            return "nn.InstanceNorm2d"
        case GroupNorm():
            return "nn.GroupNorm"
    return "nn.BatchNorm2d" if image else "nn.BatchNorm1d"


def reset_statements(net: Network, outline: Outline) -> tuple[list[str], str]:
    """The lines of the method, and its docstring."""
    rows = list(net.modules())
    init = net.init
    lines: list[str] = []
    convs = [r.target for r in rows if isinstance(r.target, (Conv, ConvTranspose))]
    transposed = any(isinstance(c, ConvTranspose) for c in convs)
    linears = [r.target for r in rows if isinstance(r.target, Linear)]
    starts: dict[tuple[str, ...], list[str]] = {}  # by what is done, the kinds of modules that it is done to
    if convs:
        kinds = ["nn.Conv2d", "nn.ConvTranspose2d"] if transposed else ["nn.Conv2d"]
        starts.setdefault(_weights(init.conv, any(c.bias for c in convs)), []).extend(kinds)
    if linears:
        starts.setdefault(_weights(init.linear, any(o.bias for o in linears)), []).append("nn.Linear")
    for done, kinds in starts.items():
        if done:
            lines += [
                f"{'elif' if lines else 'if'} isinstance(module, {_kinds(kinds)}):",
                *(f"    {line}" for line in done),
            ]
    norms = sorted({norm_module(r) for r in rows if r.target.is_norm and r.params})
    scale, bias = init.norm.scale, init.norm.bias
    if norms and (scale, bias) != (1.0, 0.0):
        lines += [
            f"{'elif' if lines else 'if'} isinstance(module, {_kinds(norms)}):",
            f"    nn.init.constant_(module.weight, {scale!r})",
            *([] if all("RMS" in norm for norm in norms) else [f"    nn.init.constant_(module.bias, {bias!r})"]),
        ]
    special = _special(outline, init.zero_last_norm)
    joined, apart = lines, special
    if lines and special and not any("get_parameter" in line or ".weight)" in line for line in special):
        # of a parameter of its own a module says all; a layer inside of it is met after it, and is set after all others
        first, *others = special
        joined, apart = [*lines, f"el{first}", *others], []
    body = [f"    {line}" for line in joined]
    by_name = statements_by_name(net)
    loops = (["for module in self.modules():", *body] if body else []) + (
        ["for module in self.modules():", *(f"    {line}" for line in apart)] if apart else []
    )
    loops += by_name
    words = {"nn.Conv2d": "convolutions", "nn.Linear": "linear layers", **dict.fromkeys(norms, "normalizations")}
    text = "\n".join(lines)
    named = list(dict.fromkeys(word for module, word in words.items() if module in text))
    if special:
        random = any("std=" in line or "xavier" in line for line in special)
        named.append("parameters" if random else "constants")
    if by_name and not special:
        named.append("parameters")
    *most, last = named or ["nothing"]
    told = f"{', '.join(most)} and {last}" if most else last
    doc = f'"""Initialize {told}; the rest starts as in PyTorch."""'
    if INDENT + len(doc) > WIDTH:
        pad = "\n" + " " * INDENT
        doc = f'"""Initialize {told}.\n{pad}The rest starts as in PyTorch.{pad}"""'
    return loops, doc


def _kinds(names: list[str]) -> str:
    """What `isinstance` is asked for."""
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _weights(how: Distribution, biased: bool) -> tuple[str, ...]:
    """The lines that initialize a module with weights."""
    name, value = how.chosen
    if name == "uniform_fan_in":  # what PyTorch does for both kinds of module
        return ()
    draw = f"nn.init.{name}_(module.weight, std={value.std!r})" if name in NORMAL else DRAW[name]
    return draw, *(("if module.bias is not None:", "    nn.init.zeros_(module.bias)") if biased else ())


def _drawn(parameter: Parameter, name: str) -> str:
    if parameter.start == "xavier_uniform":
        return f"nn.init.xavier_uniform_(module.{name})"
    return f"nn.init.{parameter.start}_(module.{name}, std={parameter.std!r})"


def _tensor(name: str, leaf: str) -> str:
    """A tensor of a layer of `module`; type checkers know nothing of layers that containers hold."""
    return f'module.get_parameter("{name}.{leaf}")' if containers(name) else f"module.{name}.{leaf}"


def _special(outline: Outline, zero_last_norm: bool) -> list[str]:
    """Parameters of single members that start from something else, set after all others."""
    starts: dict[tuple[str, ...], list[str]] = {}  # by the statements, the classes with them
    for cls in [*outline.classes, *([outline.root] if outline.root else [])]:
        tensors = [(m.call.name, m.call.target) for m in cls.members if m.call.owner is None]
        inner = [_drawn(op, name) for name, op in tensors if isinstance(op, Parameter) and op.start != "constant"]
        if zero_last_norm and (last := last_norm(cls)) is not None:
            inner.append(f"nn.init.zeros_({_tensor(last, 'weight')})")
        if inner:
            starts.setdefault(tuple(inner), []).append(cls.name)
    lines: list[str] = []
    for statements, names in starts.items():
        lines.append(f"{'elif' if lines else 'if'} isinstance(module, {_kinds(names)}):")
        lines += [f"    {statement}" for statement in statements]
    return lines
