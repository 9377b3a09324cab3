"""Statistics that normalizations take: over a single value the result is 0 whatever the input, and frameworks refuse it."""

from __future__ import annotations

from contextlib import suppress

from archspec.analysis.sizes import look_through
from archspec.diagnostics import Diagnostics, Related, Span
from archspec.ir import Call
from archspec.loading.program import Program
from archspec.ops import Features, Op, ShapeError, show


def check_statistics(net: Program, problems: Diagnostics, processes: int = 1) -> None:
    """Look for normalizations over one value, in each size that the net is trained on.

    `processes` is how many share a batch where batch norm takes its statistics in each of them.
    """
    train = net.spec.train
    images = 2 if train is None else train.batch_size // train.accumulate // processes
    sizes = {(size.value, size.value) for size in train.data.size} if train is not None else set()

    def look(call: Call, op: Op, inputs: tuple[Features, ...], name: str) -> None:
        values = op.pooled(*inputs)
        if values is None or values * (images if op.pools_batch else 1) > 1:
            return
        if op.pools_batch:
            message = f"`{name}` normalizes over one value of each channel"
            given = f"it is given {show(inputs[0])}, {_micro_batch(net, processes)}"
            message, help_ = (
                f"{message}: {given}",
                "a micro-batch needs two images: make `batch_size` larger, or accumulate less",
            )
            span, place = _batch(net), Related(f"`{name}` is here", call.span)
        else:
            message = f"`{name}` normalizes over one value of {show(inputs[0])}: it gives 0 whatever the input"
            help_, span, place = "normalize over more channels, or take it out", call.span, None
        problems.add("AS607", message, span, help_, [place] if place else [])

    for size in sizes or {net.input_shape[1:]}:
        with suppress(ShapeError):  # of a size that the net does not take it was said
            look_through(net, size, look)


def check_shares(net: Program, processes: int) -> None:
    """Raise SpecError where batch norm would take its statistics over one value in each of so many processes."""
    train = net.spec.train
    if train is None or train.sync_batch_norm or train.batch_size // train.accumulate % processes:
        return  # what does not split is refused as such
    problems = Diagnostics()
    check_statistics(net, problems, processes)
    problems.raise_if_any()


def _micro_batch(net: Program, processes: int) -> str:
    train = net.spec.train
    parts = train.accumulate if train is not None else 1
    of = f" by each of {processes} processes, since `sync_batch_norm` is false" if processes > 1 else ""
    return f"one image at a time{of}" if parts == 1 or of else f"one image at a time, since `accumulate` is {parts}"


def _batch(net: Program) -> Span:
    """Where it is written how many images are in a micro-batch."""
    train = net.resolved.root.get("train") or net.resolved.root
    parts = net.spec.train.accumulate if net.spec.train is not None else 1
    node = (train.get("accumulate") if parts > 1 else None) or train.get("batch_size") or train
    return node.span
