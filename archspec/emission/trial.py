"""Whether an emitted model is the net: the same tensors, and an output of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from archspec.ir import Output
from archspec.ir.network import Network
from archspec.ops import Features, Shape


def check_tensors(net: Network, found: Mapping[str, Shape]) -> None:
    """Compare the tensors of a model with those of its net. Raises ValueError."""
    expected = net.tensor_shapes()
    for name in [*expected, *(name for name in found if name not in expected)]:
        if found.get(name) != expected.get(name):
            raise ValueError(f"`{name}` is {found.get(name)} in the model and {expected.get(name)} in the net")


def check_output(
    net: Network, found: Any, training: bool = False, layout: Callable[[Features], Shape] = tuple
) -> None:
    """Compare the shapes of what a model gives for two images with those of the net, in the framework's layout.

    Raises ValueError.
    """
    if not net.outputs:
        found, outputs = {"": found}, [Output("", net.root.output, net.output_shape)]
    else:
        outputs = [output for output in net.outputs if training or not output.train_only]
    given = {name: tuple(value.shape)[1:] for name, value in found.items()}
    expected = {output.name: layout(output.shape) for output in outputs}
    if given != expected:
        told = [
            ", ".join(f"{name} {shape}".strip() for name, shape in shapes.items()) for shapes in (given, expected)
        ]
        raise ValueError(f"the model gives {told[0]}, and the net {told[1]}")
