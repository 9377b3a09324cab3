"""Whether an emitted model is the net: the same tensors, and an output of the same shape."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.ir.network import Network
from archspec.ops import Shape


def check_tensors(net: Network, found: Mapping[str, Shape]) -> None:
    """Compare the tensors of a model with those of its net. Raises ValueError."""
    expected = net.tensor_shapes()
    for name in [*expected, *(name for name in found if name not in expected)]:
        if found.get(name) != expected.get(name):
            raise ValueError(f"`{name}` is {found.get(name)} in the model and {expected.get(name)} in the net")


def check_output(net: Network, found: tuple[int, ...]) -> None:
    """Compare the shape of a model's output for two images with that of the net. Raises ValueError."""
    if found[1:] != net.output_shape:
        raise ValueError(f"the model gives {found[1:]}, and the net {net.output_shape}")
