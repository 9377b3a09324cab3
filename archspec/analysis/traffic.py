"""Kernels of a training step: what each computes and moves, as a framework launches them one by one or fused.

A kernel reads each of its inputs once and writes each result once. Fused, what acts on single values is done by the kernel
before it, and moves only what that does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.analysis.trace import IMAGE, Applied, Trace, trace
from archspec.ir.network import Network
from archspec.ops import size

WIDTHS = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
"""Bytes of an element of an activation; parameters have four, or eight in fp64."""

LOSS = 4
"""Kernels of the loss and its gradient: a softmax's logarithm and the choice of the label's, each forward and backward."""

PASSES = {"sgd": 3, "adamw": 7, "lamb": 12}
"""Reads and writes of each parameter or of what goes with it in an optimizer's step; SGD with momentum has two more."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Multiply-adds and bytes for each image of a batch, and bytes that are the same for any batch."""

    macs: int = 0
    bytes_an_image: int = 0
    bytes_a_step: int = 0
    launches: int = 1


def step_kernels(net: Network, recipe: Mapping[str, Any], *, fused: bool = False) -> list[Kernel]:
    """The kernels of one step of a recipe, its micro-batches one after the other."""
    precision = recipe["precision"]
    widths = WIDTHS[precision], 8 if precision == "fp64" else 4
    micro_batch = [*_gradients(trace(net), widths, fused=fused), *[Kernel()] * (0 if fused else LOSS)]
    again = micro_batch * (recipe["accumulate"] - 1)  # each of which is given its share of the images
    added = Kernel(bytes_a_step=3 * net.cost.params * widths[1])
    return [
        *micro_batch,
        *(Kernel(0, 0, kernel.bytes_a_step, kernel.launches) for kernel in again),
        *[added] * (recipe["accumulate"] - 1),
        *_update(net, recipe, widths[1]),
    ]


def _gradients(traced: Trace, widths: tuple[int, int], *, fused: bool) -> Iterator[Kernel]:
    """Forward and backward pass of one micro-batch; `widths` are of activations and of parameters."""
    width, master = widths
    sizes = traced.sizes
    if width < master and not fused:
        yield Kernel(0, sizes[IMAGE] * (width + master))  # cast to half precision
    for applied in traced.applied:
        yield from _forward(applied, sizes, widths, fused=fused)
    uses = traced.uses()
    for applied in reversed(traced.applied):
        # gradients of a value that is used several times are added up
        for _ in range(uses[applied.output] - 1):
            yield Kernel(0, (1 if fused else 3) * sizes[applied.output] * width, 0, 0 if fused else 1)
        yield from _backward(applied, sizes, widths, fused=fused)


def _forward(applied: Applied, sizes: list[int], widths: tuple[int, int], *, fused: bool) -> Iterator[Kernel]:
    op, (width, master) = applied.op, widths
    given, made = [sizes[value] for value in applied.inputs], sizes[applied.output]
    mask = made if op.keeps == "mask" else 0  # of bytes
    if op.makes_constant:  # a parameter: it is there
        return
    if fused and op.is_pointwise:
        yield Kernel(0, sum(given[1:]) * width + mask, 0, 0)
        return
    params, casts = _params(applied, widths)
    yield from casts if not fused else ()
    macs = op.macs(*applied.shapes)
    products = macs + op.attention_macs(*applied.shapes)
    yield Kernel(products, (sum(given) + made) * width + mask, params * (width if macs else master))
    if not fused:
        counters = [shape for shape in op.buffers(*applied.shapes).values() if not shape]
        yield from [Kernel()] * len(counters)


def _backward(applied: Applied, sizes: list[int], widths: tuple[int, int], *, fused: bool) -> Iterator[Kernel]:
    op, (width, master) = applied.op, widths
    if op.passes_gradient or op.makes_constant:
        return
    given, gradient = [sizes[value] for value in applied.inputs], sizes[applied.output]
    wanted = [sizes[value] for value in applied.inputs if value != IMAGE]
    params, casts = _params(applied, widths)
    if macs := op.macs(*applied.shapes):
        own = len(op.parameters(*applied.shapes))
        # two factors, of which the weights are the operation's or an input; a bias is none, and its gradient is a sum
        factors = wanted[: 1 if own else 2]
        products = len(factors) + (1 if own else 0)
        yield from [Kernel(macs, (gradient + sum(given)) * width, params * width)] * products
        yield from [Kernel(0, gradient * width)] * (max(own - 1, 0) + len(wanted) - len(factors))
        yield from casts if not fused else ()
        return
    held = {"inputs": sum(given) * width, "output": gradient * width, "mask": gradient, "nothing": 0}[op.keeps]
    if fused and op.is_pointwise:
        yield Kernel(0, held + sum(wanted[1:]) * width, 0, 0)
        return
    if attended := op.attention_macs(
        *applied.shapes
    ):  # two products, each with the gradients of both factors, in one kernel
        yield Kernel(2 * attended, (gradient + sum(wanted)) * width + held)
        return
    share = len(wanted) or 1  # the gradient of each input is a kernel of its own
    moved = (share * gradient + sum(wanted)) * width + held
    yield Kernel(0, moved, 2 * params * master, share)


def _params(applied: Applied, widths: tuple[int, int]) -> tuple[int, list[Kernel]]:
    """Elements of an operation's parameters, and the kernels that cast those of layers where they compute in half precision."""
    width, master = widths
    shapes = applied.op.parameters(*applied.shapes).values()
    cast = width < master and applied.op.macs(*applied.shapes) > 0
    return size(shapes), [Kernel(0, 0, size([shape]) * (width + master)) for shape in shapes if cast]


def _update(net: Network, recipe: Mapping[str, Any], master: int) -> Iterator[Kernel]:
    """The optimizer's step, the gradient's norm where it is clipped, and the EMA weights, each in one kernel at the least."""
    (kind, options), *_ = _optimizer(recipe)
    passes = [PASSES[kind] + (2 if options.get("momentum") else 0)]
    if recipe.get("clip_norm") is not None:
        passes += [1, 2]  # read for the norm; read and written where it is too large
    if recipe.get("ema") is not None:
        passes.append(3)
    yield from (Kernel(0, 0, count * net.cost.params * master) for count in passes)


def _optimizer(recipe: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    optimizer = recipe["optimizer"]
    return [(optimizer["kind"], optimizer)] if "kind" in optimizer else list(optimizer.items())
