"""The statements of `reset_parameters` that initialize parameters by name: those whose steps say what they start from."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from archspec.emission.source import Invocation, lay_out
from archspec.ir.network import Network
from archspec.ir.owners import owners
from archspec.ir.walk import operations
from archspec.ops import Conv, Op
from archspec.ops.base import tensor_name
from archspec.ops.starts import NORMAL, Start

_INDENT = 12
_FROM_FANS = {
    "he_normal_fan_out": 'nn.init.kaiming_normal_(%s, mode="fan_out", nonlinearity="relu")',
    "he_normal_fan_in": 'nn.init.kaiming_normal_(%s, mode="fan_in", nonlinearity="relu")',
    "xavier_uniform": "nn.init.xavier_uniform_(%s)",
    "uniform_fan_in": "nn.init.kaiming_uniform_(%s, a=5**0.5)",
}
_CONSTANTS = {0.0: "nn.init.zeros_(%s)", 1.0: "nn.init.ones_(%s)"}


def statements_by_name(net: Network) -> list[str]:
    """The lines: a single parameter is got by its name, several are found by as much of it as no other's ends with."""
    starts: dict[Start, list[str]] = {}
    borrowed = owners(net.root)
    for name, call, op in operations(net.root):
        if name in borrowed:
            continue
        for tensor, start in {**_of_arguments(op), **dict(call.starts)}.items():
            if start.kind == "whitening":  # which `train.py` sees to
                continue
            starts.setdefault(start, []).append(tensor_name(name, tensor))
    if not starts:
        return []
    single = {names[0]: start for start, names in starts.items() if len(names) == 1}
    lines = [line for name, start in single.items() for line in _started(start, f'self.get_parameter("{name}")')]
    everything = list(net.parameter_shapes())
    branches = list[str]()
    for start, names in starts.items():
        if len(names) > 1:
            endings = [f'"{ending}"' for ending in _endings(names, everything)]
            given = endings[0] if len(endings) == 1 else Invocation("", tuple(endings))
            condition = Invocation("name.endswith", (given,))
            branches += lay_out("elif " if branches else "if ", condition, _INDENT, ":").split("\n")
            branches += [f"    {line}" for line in _started(start, "parameter")]
    if branches:
        inside = [line.removeprefix(" " * _INDENT) for line in branches]
        lines += ["for name, parameter in self.named_parameters():", *(f"    {line}" for line in inside)]
    return lines


def _of_arguments(op: Op) -> dict[str, Start]:
    """What arguments of an operation say of the start of its parameters."""
    biased = isinstance(op, Conv) and op.bias and op.bias_init
    return {"bias": Start("constant", op.bias_init)} if isinstance(op, Conv) and biased else {}


def _endings(names: Iterable[str], everything: Collection[str]) -> list[str]:
    """The endings of names that no others of a net have."""
    wanted, endings = set(names), dict[str, None]()
    for name in names:
        if any(name.endswith(ending) for ending in endings):
            continue
        parts = name.split(".")
        counts = [count for count in range(2, len(parts) + 1) if not parts[-count].isdecimal()]
        shorter = (f"{dot}{'.'.join(parts[-count:])}" for count in counts for dot in ("", "."))
        endings[next((e for e in shorter if all(n in wanted for n in everything if n.endswith(e))), name)] = None
    return list(endings)


def _started(start: Start, parameter: str) -> list[str]:
    """The statements that give a parameter its start."""
    if start.kind in NORMAL:
        return [f"nn.init.{start.kind}_({parameter}, std={start.value!r})"]
    if start.kind == "constant":
        return [(_CONSTANTS.get(start.value) or f"nn.init.constant_(%s, {start.value!r})") % parameter]
    if start.kind == "dirac":
        return [f"nn.init.dirac_({parameter}.data[: {parameter}.size(1)])"]
    scaled = [] if start.gain == 1 else [f"{parameter}.data.mul_({start.gain!r})"]
    return [_FROM_FANS[start.kind] % parameter, *scaled]
