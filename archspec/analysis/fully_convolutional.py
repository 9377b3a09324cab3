"""Whether a net takes images of other sizes than its spec says: whether it is fully convolutional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike

from archspec.diagnostics import Diagnostics, SpecError
from archspec.ir.network import Network
from archspec.ops import show
from archspec.ops.base import tensor_name


def check_sizes(spec: str | PathLike[str], sizes: Sequence[int], load: Callable[..., Network]) -> None:
    """Raise SpecError where the weights of a net would not be the same for images of these sides, as `load` makes it."""
    net = load(spec)
    expected = net.parameter_shapes()
    problems = Diagnostics()
    for size in sizes:
        for row in _of_size(spec, size, load).modules():
            for name, shape in row.parameters.items():
                before = expected.get(tensor_name(row.name, name))
                if before is not None and before != shape:
                    message = (
                        f"`{row.name}` ties the net to images of {show(net.input_shape)}: "
                        f"for {size}x{size} its {name} would be {show(shape)} and not {show(before)}"
                    )
                    problems.add(
                        "AS703", message, row.span, "measure it with crops, or end it in `global_avg_pool`"
                    )
        problems.raise_if_any()


def _of_size(spec: str | PathLike[str], size: int, load: Callable[..., Network]) -> Network:
    try:
        return load(spec, set={"input.size": size})
    except SpecError as error:
        raise SpecError(
            [
                replace(d, message=f"images of {size}x{size} pixels do not do: {d.message}")
                for d in error.diagnostics
            ]
        ) from None
