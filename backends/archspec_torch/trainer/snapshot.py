"""The state of a run as it was at a step, apart from the run, and the files that it becomes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save as serialize
from torch import Tensor
from torch.utils._pytree import tree_map

from archspec_runtime.batches.normalization import Normalization

from .parallel import whole


@dataclass(frozen=True, slots=True)
class TorchSnapshot:
    """Copies in the host's memory; the runtime's `Snapshot`."""

    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor] | None
    optimizer: Mapping[str, Any]
    scaler: Mapping[str, Any]
    normalization: Normalization

    def finite(self) -> bool:
        """Whether every number of the weights is finite."""
        return all(bool(tensor.isfinite().all()) for tensor in self.weights.values())

    def files(self) -> dict[str, bytes]:
        """`weights.safetensors` by the spec's names, `state.pt` with the optimizer, and what else there is."""
        states = {"weights": self.weights, "normalization": self._constants()}
        if self.average is not None:
            states["average"] = self.average
        rest = io.BytesIO()
        torch.save({"optimizer": self.optimizer, "scaler": self.scaler}, rest)
        return {
            **{f"{name}.safetensors": serialize(contiguous(state)) for name, state in states.items()},
            "state.pt": rest.getvalue(),
        }

    def _constants(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array) for name, array in self.normalization.to_arrays().items()}


def on_host(tree: Any) -> Any:
    """Copies of all tensors of a tree in the host's memory, laid out as they were, and whole where they were split."""

    def copy(value: Any) -> Any:
        return whole(value).detach().to("cpu", copy=True) if isinstance(value, Tensor) else value

    return tree_map(copy, tree)


def contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: in the order of their indices."""
    return {name: tensor.contiguous() for name, tensor in state.items()}
