"""Operations whose result is the same whatever the input: a softmax over one channel is 1."""

from __future__ import annotations

from archspec.analysis.sizes import look_through
from archspec.diagnostics import Diagnostics
from archspec.ir import Call
from archspec.loading.program import Program
from archspec.ops import Features, Op, show


def check_constant_results(net: Program, problems: Diagnostics) -> None:
    """Look for operations that what they are given does not matter to."""

    def look(call: Call, op: Op, inputs: tuple[Features, ...], name: str) -> None:
        if (value := op.constant_result(*inputs)) is not None:
            message = f"`{name}` gives {value:g} whatever its input {show(inputs[0])} is"
            problems.add(
                "AS315", message, call.span, f"`{op.kind}` needs two channels; the score of one is `sigmoid`"
            )

    look_through(net, net.input_shape[1:], look)
