"""Backends, found through the entry-point group `archspec.backends`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from archspec.diagnostics import Diagnostic, Diagnostics, Related, SpecError
from archspec.extras import DISTRIBUTION, install_command
from archspec.network import Network
from archspec.out_of_memory import is_out_of_memory, remedy
from archspec.rows import Row
from archspec.spelling import did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from archspec.weights.stored import Stored

GROUP = "archspec.backends"

Weights = Mapping[str, "np.ndarray[Any, Any]"]
"""Tensors by the spec's names and in its layouts: (out, in, height, width), (out, in), (C,)."""

Files = dict[str, str | bytes]
"""The files of a folder by relative path; bytes where they are no text."""


class WeightsFormat(Protocol):
    """A kind of file or folder that weights come in. Safetensors files are the core's, others belong to a backend."""

    @property
    def title(self) -> str:
        """What messages call it: `a PyTorch file`."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of files that are taken for one; none of folders."""

    @property
    def writable(self) -> bool:
        """Whether `write` is offered."""

    def recognizes(self, path: Path) -> bool:
        """Whether the content of a file or folder is of this format, whatever it is called."""

    def read(
        self, path: Path, key: str | None, net: Network
    ) -> tuple[Mapping[str, np.ndarray[Any, Any] | Stored], list[str]]:
        """The tensors in the spec's layouts, by its names as far as the format decides them; and what a user should know.

        A tensor is an array, or what the file claims of one (`archspec.weights.stored`), whose numbers are read when it fits.
        `key` chooses one of several sets of weights; `net` is what they are read for. Raises WeightsError, OSError or the
        backend's `errors`.
        """

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """Write weights to a place that is empty. Raises OSError where the disk does not take them."""


class Backend(Protocol):
    """What a backend must offer; an entry point names a class with no constructor arguments."""

    name: str
    supported: frozenset[str]  # kinds of operations
    errors: tuple[
        type[Exception], ...
    ]  # what `train`, `evaluate`, `responses` and its formats raise for a user to mend

    @property
    def formats(self) -> Sequence[WeightsFormat]:
        """The formats of weights that it owns, beside safetensors; the first that is writable is its usual one."""

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """The files of a folder by relative path, with weights where they are given. Raises WeightsError where it cannot
        do without."""

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> Any:
        """An initialized model, made by importing the emitted source; with weights, which fit, where they are given."""

    def train(self, net: Network, options: Mapping[str, Any]) -> int:
        """Train by the net's recipe, importing the emitted source; returns an exit code."""

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command that trains as so many processes that share the run; returns an exit code."""

    def evaluate(
        self, run: Path, split: str, data: Path | None, device: str, *, crops: int = 1, scales: Sequence[int] = (),
        mirror: bool = False,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run or a checkpoint; what was measured by name, errors in percent.

        One or ten crops of each image, or the whole image with these shorter sides; with `mirror` also mirrored.
        """

    def responses(
        self, run: Path, layers: Sequence[str], split: str, data: Path | None, device: str, images: int | None
    ) -> Sequence[float]:
        """The standard deviation of what each of these layers of a run gives, in evaluation."""

    def examine(self) -> Iterable[tuple[str, str, bool, str | None]]:
        """For `doctor`: what, its state, whether it is sound, and what would mend it."""


MEMBERS = [*Backend.__annotations__, *(member for member in vars(Backend) if not member.startswith("_"))]
"""What a backend must have."""


def backend_names() -> list[str]:
    """The names of all installed backends."""
    return sorted(entry.name for entry in _entries())


def find_backend(name: str) -> Backend:
    """The backend of this name. Raises SpecError where it is not installed, broken, or claimed twice."""
    problems = Diagnostics()
    found = [entry for entry in _entries() if entry.name == name]
    if not found:
        help_ = did_you_mean(name, backend_names()) or "`archspec doctor` lists the backends that are installed"
        problems.add("AS701", f"there is no backend `{name}`", None, help_)
    elif len({entry.value for entry in found}) > 1:
        problems.add(
            "AS701", f"`{name}` is claimed by {' and by '.join(e.value for e in found)}", None, "uninstall one"
        )
    else:
        try:
            backend: Backend = found[0].load()()
            if not (lacking := [member for member in MEMBERS if not hasattr(backend, member)]):
                return backend
            why = f"it lacks {', '.join(lacking)}"
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a plugin raises is what is wrong with it)
            if is_out_of_memory(error):
                message = f"out of memory while the backend `{name}` was loaded"
                raise SpecError([Diagnostic("AS701", message, None, remedy())]) from None
            why = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        message = f"the backend `{name}` ({found[0].value}) does not load: {why}"
        problems.add("AS701", message, None, _remedy(found[0]))
    problems.raise_if_any()
    raise AssertionError("unreachable")


def _remedy(entry: EntryPoint) -> str:
    """What may mend a backend that does not load: what it needs, where it is ours, or another version of its package."""
    package = entry.dist.name if entry.dist is not None else DISTRIBUTION
    if package == DISTRIBUTION:
        return install_command(entry.name)
    return f"pip install --upgrade {package}, or pip uninstall {package}"


def check_supported(net: Network, backend: Backend) -> None:
    """Raise SpecError with one diagnostic for each kind of operation that a backend lacks."""
    problems = Diagnostics()
    lacking: dict[str, Row] = {}
    for row in net.modules():
        if row.op not in backend.supported:
            lacking.setdefault(row.op, row)
    for kind, row in lacking.items():
        outer, dot, _ = row.name.partition(".")
        call = net.root.call(outer)
        related = [Related(f"it is part of `{outer}`", call.span)] if call and dot else []
        message = f"the backend `{backend.name}` has no `{kind}`, which `{row.name}` needs"
        problems.add("AS702", message, row.span, "build it with another backend, or use another operation", related)
    problems.raise_if_any()


def _entries() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))


__all__ = ["Backend", "Files", "Weights", "WeightsFormat", "backend_names", "check_supported", "find_backend"]
