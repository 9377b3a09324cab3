"""What the parameters of one step start from: the `init` of a step, evaluated and compared with what its operation has."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from archspec.diagnostics import Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.binding import Binder
from archspec.expansion.parse_starts import EXAMPLE
from archspec.language.step import Step, WrittenStart
from archspec.ops import Features, Op
from archspec.ops.arguments import Real
from archspec.ops.starts import FILTERS, OF_FANS, Start, Starts
from archspec.syntax.expressions import Value

NUMBER, DEVIATION = Real(), Real(0.0)


def survey_starts(step: Step, binder: Binder, known: Collection[str]) -> None:
    """Record names in starts that nobody knows, whether the step is reached or not."""
    for name, start in step.init.items():
        if start.value is not None:
            binder.survey_value(
                f"init.{name}", start.value, NUMBER if start.kind == "constant" else DEVIATION, known
            )


def starts_of(
    step: Step, op: Op, shapes: tuple[Features, ...], scope: Mapping[str, Value], binder: Binder
) -> Starts | None:
    """The starts of an operation's parameters; None where something is wrong, which is recorded."""
    has = op.parameters(*shapes)
    found: list[tuple[str, Start]] = []
    for name, start in step.init.items():
        fault = _misfit(name, start, op, has) or _misfit_of_filters(name, start, op, has)
        if fault is not None:
            message, help_ = fault
            fix = respelling(start.key, name, [tensor for tensor in op.starts if tensor in has])
            binder.add("AS303", message, start.key, help_, fix=fix)
            return None
        if start.value is None:
            found.append((name, Start(start.kind)))
            continue
        kind = NUMBER if start.kind == "constant" else DEVIATION
        value = binder.number(f"init.{name}", start.value, kind, scope)
        if value is None:
            return None
        found.append((name, Start(start.kind, gain=value) if start.kind in OF_FANS else Start(start.kind, value)))
    return tuple(found)


def _misfit(name: str, start: WrittenStart, op: Op, has: Mapping[str, tuple[int, ...]]) -> tuple[str, str] | None:
    """Why an operation has no such start, and what to do; None where it has."""
    if name in op.starts and name not in has:
        flag = "bias" if "bias" in op.attributes else "affine"
        return f"this `{op.kind}` has no `{name}`", f"give it one with `{flag}: true`, or leave its start out"
    if name not in op.starts:
        if not op.starts:
            own = {"start", "value"} & op.attributes.keys()
            help_ = f"say its `{min(own)}` among its arguments" if own else "take its `init` out"
            return f"`init` is not for `{op.kind}`", help_
        return f"`{op.kind}` has no parameter `{name}` that a step may initialize", did_you_mean(
            name, op.starts
        ) or EXAMPLE
    if start.kind in OF_FANS and len(has[name]) < 2:
        return (
            f"`{start.kind}` is for weights, and `{name}` has no fan-in",
            "give it a number, or `{normal: {std: 0.01}}`",
        )
    return None


def _misfit_of_filters(
    name: str, start: WrittenStart, op: Op, has: Mapping[str, tuple[int, ...]]
) -> tuple[str, str] | None:
    """Why filters of a kind are not those of an operation, and what to do; None where they are."""
    if start.kind not in FILTERS:
        return None
    if not op.has_filters or name != "weight":
        return f"`{start.kind}` is for the weights of a `conv`", "give it a number or a distribution"
    if op.attributes["groups"] != 1:
        return f"`{start.kind}` is for a `conv` of one group", "take `groups` or its start out"
    out, *patch = has[name]
    if start.kind == "whitening" and out != 2 * math.prod(patch):
        channels, high, wide = patch
        count, patches = 2 * math.prod(patch), f"{channels}x{high}x{wide}"
        message = f"{count} filters whiten patches of {patches}, and this `conv` has {out}"
        return message, f"write `out: {count}`: each filter is there with both signs"
    return None


def misplaced(step: Step, what: str, span: Span, binder: Binder) -> None:
    """Record an `init` of what is no operation."""
    binder.add(
        "AS305", f"`init` belongs in the step of an operation, and {what}", span, "write it in the step within"
    )
