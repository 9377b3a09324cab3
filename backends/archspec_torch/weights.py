"""Weights in PyTorch's own files: a `state_dict`, whose names and layouts are the spec's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor, nn

from archspec.backends import Weights


def load_weights(model: nn.Module, weights: Weights) -> None:
    """Set all parameters and buffers of a model from tensors that fit it."""
    model.load_state_dict({name: to_torch(array) for name, array in weights.items()})


def to_torch(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor with the numbers of an array, to the last bit."""
    whole = np.require(array, requirements=["C", "W"])
    if array.dtype == ml_dtypes.bfloat16:  # which NumPy does not have itself: carried over as integers
        return torch.from_numpy(whole.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(whole)


def write_state_dict(path: Path, weights: Weights) -> None:
    """A state_dict that `model.load_state_dict(torch.load(path))` takes. Raises OSError."""
    whole = io.BytesIO()  # by way of bytes: a full disk is then an OSError
    torch.save({name: to_torch(array) for name, array in weights.items()}, whole)
    path.write_bytes(whole.getbuffer())
