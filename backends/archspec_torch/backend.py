"""The PyTorch backend as archspec finds it: source for a net, and a model made by importing that source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.backends import check_supported
from archspec.diagnostics import Diagnostic, SpecError
from archspec.emission.importing import import_source
from archspec.files import FolderError, write_folder
from archspec.network import Network
from archspec_runtime.errors import RunError
from archspec_runtime.job import Options
from archspec_torch.emit.model import model_source
from archspec_torch.emit.modules import SUPPORTED

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn


class TorchBackend:
    """Emission to PyTorch (NCHW); names of parameters are the spec's."""

    name = "torch"
    supported = SUPPORTED
    errors: tuple[type[Exception], ...] = (RunError, FolderError)

    def emit(self, net: Network) -> dict[str, str]:
        """The files of a folder that works without archspec. Raises SpecError for operations that are not supported."""
        from archspec_torch.emit.folder import folder_files

        check_supported(net, self)
        return folder_files(net)

    def build(self, net: Network, *, seed: int, weights: Path | None) -> nn.Module:
        """An `nn.Module` made by importing the emitted source under `seed`, with `weights` loaded where given."""
        check_supported(net, self)
        torch = _torch()
        module = import_source(model_source(net), f"archspec_emitted_torch_{net.fingerprint}")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model: nn.Module = getattr(module, net.class_name)()
        if weights is not None:
            from archspec_torch.weights import load_weights

            load_weights(model, weights)
        return model

    def train(self, net: Network, options: Mapping[str, Any]) -> int:
        """Emit the net into the run's folder and run what was emitted. Raises RunError or FolderError."""
        _torch()
        from archspec_runtime.emitted import train_emitted
        from archspec_torch.trainer import Torch

        files = self.emit(net)
        write = partial(write_folder, files=files, force=True)
        return train_emitted(Torch(), files, net.class_name, Options(**options), write).exit_code

    def evaluate(self, run: Path, split: str, data: Path | None, device: str) -> Mapping[str, str]:
        """Measure a run's newest checkpoint, or one checkpoint. Raises RunError."""
        _torch()
        from archspec_runtime.measuring import evaluate_run
        from archspec_torch.trainer import Torch

        return evaluate_run(Torch(), run, split, data, device).as_text()

    def examine(self) -> Iterator[tuple[str, str, bool, str | None]]:
        """PyTorch, its devices, and what the trainer needs."""
        from archspec_torch.health import examine

        return examine()


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        problem = Diagnostic("AS701", f"PyTorch does not import: {error}", None, "pip install 'archspec-nn[torch]'")
        raise SpecError([problem]) from None
    return torch
