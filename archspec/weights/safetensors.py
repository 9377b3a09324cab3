"""Safetensors files in the spec's names and layouts, which belong to no framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec.network import Network


class Safetensors:
    """A safetensors file."""

    title = "a safetensors file"
    suffixes = (".safetensors",)
    writable = True

    def recognizes(self, path: Path) -> bool:
        """Whether a file begins as one does: the length of its header, then the header, a JSON object."""
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
        """All tensors. Raises WeightsError."""
        if key is not None:
            raise WeightsError(
                f"{path} is a safetensors file, which holds one set of weights", "leave --key out", 2
            )
        try:
            with safe_open(path, framework="np") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, []  # noqa: SIM118 (no mapping)
        except SafetensorError as error:
            raise WeightsError(f"cannot read weights from {path}: it is damaged or no safetensors file ({error})",
                               "get it anew") from None  # fmt: skip
        except (AttributeError, TypeError) as error:  # of 8 bits and less
            raise WeightsError(f"{path} has a type of numbers that is not read here: {error}") from None

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """A file of these tensors."""
        path.write_bytes(serialized(weights))  # by way of bytes: a full disk is then an OSError


def serialized(weights: Weights) -> bytes:
    """A safetensors file; its `format: pt` is what readers of PyTorch's files look for."""
    whole = {name: np.require(tensor, requirements="C") for name, tensor in weights.items()}
    return save(whole, {"format": "pt"})
