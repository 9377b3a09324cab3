"""Weights from and to safetensors files in the spec's names and layouts, which PyTorch's files have too."""

from __future__ import annotations

from pathlib import Path

from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from archspec.fit import check_fit, unreadable
from archspec_flax.names import load_state_dict, spec_shapes, state_dict


def load_weights(model: nnx.Module, path: Path) -> None:
    """Load a safetensors file into a model; all of it or nothing.

    Raises WeightsError that lists what is missing, unexpected or of another shape.
    """
    try:
        with safe_open(path, framework="np") as file:
            given = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
            check_fit(path, given, spec_shapes(model))
            tensors = {name: file.get_tensor(name) for name in given}
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from None
    load_state_dict(model, tensors)


def save_weights(model: nnx.Module, path: Path) -> None:
    """Write a model's parameters and statistics to a safetensors file."""
    save_file(state_dict(model), path)
