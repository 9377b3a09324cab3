"""The Flax backend as archspec finds it: source for a net, and a model made by importing that source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from archspec.backends import check_supported
from archspec.diagnostics import Diagnostic, SpecError
from archspec.emission.importing import import_source
from archspec.network import Network
from archspec_flax.emit.layers import SUPPORTED
from archspec_flax.emit.model import model_source

if TYPE_CHECKING:
    from flax import nnx


class FlaxBackend:
    """Emission to Flax NNX (NHWC); `archspec_flax.names` gives what a model holds by the spec's names."""

    name = "flax"
    supported = SUPPORTED
    errors: tuple[type[Exception], ...] = ()

    def emit(self, net: Network) -> dict[str, str]:
        """The files of a folder that works without archspec. Raises SpecError for operations that are not supported."""
        from archspec_flax.emit.folder import folder_files

        check_supported(net, self)
        return folder_files(net)

    def build(self, net: Network, *, seed: int, weights: Path | None) -> nnx.Module:
        """An `nnx.Module` made by importing the emitted source under `seed`, with `weights` loaded where given."""
        check_supported(net, self)
        try:
            from flax import nnx
        except ImportError as error:
            problem = Diagnostic("AS701", f"Flax does not import: {error}", None, "pip install 'archspec-nn[flax]'")
            raise SpecError([problem]) from None
        module = import_source(model_source(net), f"archspec_emitted_flax_{net.fingerprint}")
        model: nnx.Module = getattr(module, net.class_name)(rngs=nnx.Rngs(seed))
        if weights is not None:
            from archspec_flax.weights import load_weights

            load_weights(model, weights)
        return model

    def train(self, net: Network, options: Mapping[str, Any]) -> int:
        """Raise SpecError: there is no trainer yet."""
        _no_trainer()

    def evaluate(self, run: Path, split: str, data: Path | None, device: str) -> Mapping[str, str]:
        """Raise SpecError: there is no trainer yet."""
        _no_trainer()

    def examine(self) -> Iterator[tuple[str, str, bool, str | None]]:
        """Flax, JAX and its devices, and what goes with them."""
        from archspec_flax.health import examine

        return examine()


def _no_trainer() -> NoReturn:
    """Until runs can be trained and measured in Flax."""
    what = "the backend `flax` builds models, and does not train them yet"
    help_ = 'train with `--backend torch`; `build(..., backend="flax", weights=...)` takes the weights'
    raise SpecError([Diagnostic("AS701", what, None, help_)])
