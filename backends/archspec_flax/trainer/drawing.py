"""Models with the parameters that a seed draws, in one compiled program instead of one for each shape and step of a draw."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.experimental.xla_metadata import set_xla_metadata

from archspec_runtime.draws import short_seed

QUICK = {"cpu": {"xla_backend_optimization_level": 1}}
"""To compile what runs once takes far longer than to run it, so that on CPUs the compiler is not to optimize much."""


def drawn(make_model: Any, seed: int, device: jax.Device, *, blank: bool = False) -> nnx.Module:
    """`make_model(rngs=nnx.Rngs(seed))`, its parameters on a device, or `blank`: their shapes alone, to be given values.

    A key has 32 bits of a seed: of a longer seed it is made from all of them. The program takes it, so that one is compiled
    for all seeds.
    """
    bits = np.uint32(short_seed(seed))

    def make(bits: Any) -> nnx.Module:
        model: nnx.Module = make_model(rngs=nnx.Rngs(jax.random.key(bits)))
        return model

    wanted = nnx.RngState if blank else nnx.Variable
    graph, state, *others = nnx.split(nnx.eval_shape(make, bits), wanted, ...)

    def draw(bits: Any) -> nnx.State[Any, Any]:
        with apart(device.platform):
            return nnx.state(make(bits), wanted)

    if jax.tree.leaves(state):  # a blank model without dropout has nothing that is drawn
        state = _compiled(draw, bits, device)
    model: nnx.Module = nnx.merge(graph, state, *others)
    return model


def apart(platform: str) -> AbstractContextManager[object]:
    """On CPUs, where each draw stays a function, so that its numbers are those that it has alone, to the last bit.

    The compiler for GPUs knows no calls: there all of a program is one function.
    """
    if platform != "cpu":
        return nullcontext()
    separate: AbstractContextManager[object] = set_xla_metadata(inlineable="false")  # type: ignore[no-untyped-call]
    return separate


def _compiled(
    draw: Callable[[Any], nnx.State[Any, Any]], bits: np.uint32, device: jax.Device
) -> nnx.State[Any, Any]:
    # compiled and then called, so that there are numbers also where a caller's function is being traced, such as
    # `nnx.eval_shape(lambda: archspec.build(...))`
    with jax.default_device(device):
        drawn: nnx.State[Any, Any] = (
            jax.jit(draw, compiler_options=QUICK.get(device.platform)).lower(bits).compile()(bits)
        )
    return drawn
