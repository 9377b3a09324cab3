"""Steps that apply an argument, `$act`, where a layer is given for it."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.diagnostics.spelling import did_you_mean
from archspec.expansion.recorder import Recorder
from archspec.language.layers import Layer, applied
from archspec.language.step import Step
from archspec.ops.arguments import describe
from archspec.syntax.expressions import Value


def applied_argument(step: Step, scope: Mapping[str, Value], recorder: Recorder) -> Step | None:
    """The step as one that applies what is given for its argument; None where that is no layer, which is recorded."""
    name = step.callee.removeprefix("$")
    value = scope.get(name)
    if isinstance(value, Layer):
        return applied(step, value)
    if name not in scope:
        layers = [key for key, known in scope.items() if isinstance(known, Layer)]
        help_ = did_you_mean(name, layers) or f"declare it in `args`: `{name}: layer`, or `{name}: {{layer: act}}`"
        recorder.add("AS202", f"unknown name `{name}`", step.span, help_)
    else:
        message = f"`{name}` is {describe(value)}, and a step applies a layer"
        recorder.add("AS204", message, step.span, f"declare it as one: `{name}: layer`, or `{{layer: act}}`")
    return None
