"""Weights from and to safetensors files, checked name by name before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from archspec.fit import check_fit, unreadable


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a safetensors file into a model; all of it or nothing.

    Raises WeightsError that lists what is missing, unexpected or of another shape.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from None
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_fit(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, expected)
    model.load_state_dict(tensors)
