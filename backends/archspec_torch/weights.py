"""Weights from and to safetensors files, checked name by name before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from archspec.errors import WeightsError


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a safetensors file into a model; all of it or nothing.

    Raises WeightsError that lists what is missing, unexpected or of another shape.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read weights from {path}: {error}; give a safetensors file") from None
    expected = model.state_dict()
    faults = [f"missing: {name} {tuple(t.shape)}" for name, t in expected.items() if name not in tensors]
    faults += [f"unexpected: {name} {tuple(t.shape)}" for name, t in tensors.items() if name not in expected]
    for name, tensor in tensors.items():
        if name in expected and tensor.shape != expected[name].shape:
            faults.append(f"shape of {name}: {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
    if faults:
        listed = "\n  ".join(faults[:20]) + (f"\n  and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise WeightsError(f"{path} does not fit the model:\n  {listed}")
    model.load_state_dict(tensors)
