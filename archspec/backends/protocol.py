"""What a backend offers: emission, and as far as it goes models, training and formats of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from archspec.diagnostics import Span
from archspec.ir.network import Network
from archspec.loading.program import Program

if TYPE_CHECKING:
    import numpy as np

    from archspec.backends.stored import Stored
    from archspec.importing import Imported

Weights = Mapping[str, "np.ndarray[Any, Any]"]
"""Tensors by the spec's names and in its layouts: (out, in, height, width), (out, in), (C,)."""

Files = dict[str, str | bytes]
"""The files of a folder by relative path; bytes where they are no text."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A net with weights that carry the identity of the run they are of."""

    net: Network
    weights: Path  # a safetensors file by the spec's names
    identity: Mapping[str, Any]
    model: Path | None = None  # the source of a built folder, which a user may have edited


@dataclass(frozen=True, slots=True)
class SourceMap:
    """The text of a model, with where the spec or the library says the steps of its lines, which are counted from 0.

    `classes` are first and last line of each class, and the steps that make a block of it or are around such a step.
    """

    text: str
    lines: Mapping[int, tuple[Span, ...]]
    classes: tuple[tuple[int, int, tuple[Span, ...]], ...] = ()


class Guess(Protocol):
    """A class of a picture: its name, its label, and how probable it is."""

    @property
    def name(self) -> str:
        """The name of the class."""

    @property
    def label(self) -> int:
        """Its number."""

    @property
    def probability(self) -> float:
        """From 0 to 1."""


class Prediction(Protocol):
    """What a net says of a picture."""

    @property
    def image(self) -> str:
        """What the picture is called."""

    @property
    def guesses(self) -> Sequence[Guess]:
        """The most probable classes, the first of them first; none of a picture that cannot be read."""

    @property
    def fault(self) -> Exception | None:
        """Why a picture cannot be read; None of all others."""


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

        A tensor is an array, or what the file claims of one (`archspec.backends.stored`), whose numbers are read when it fits.
        `key` chooses one of several sets of weights; `net` is what they are read for. Raises WeightsError, OSError or the
        backend's `errors`.
        """

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """Write weights to a place that is empty. Raises OSError where the disk does not take them."""


class Backend(Protocol):
    """What every backend offers: emission. An entry point names a class with no constructor arguments.

    It may also have `formats`, the WeightsFormats that it owns beside safetensors, the first that is writable being its usual
    one; `errors`, what these raise for a user to mend; `named_outputs`, true where it emits nets whose outputs have names;
    `try_source`, which makes the emitted model and compares it with the
    net; and `examine`, which gives for `doctor`: what, its state, whether it is sound, and what would mend it.
    """

    name: str
    supported: frozenset[str]  # kinds of operations

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """The files of a folder by relative path, with weights where they are given. Raises WeightsError where it cannot
        do without."""


class Importer(Backend, Protocol):
    """A backend that reads models of its framework."""

    def import_source(
        self, source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None
    ) -> Imported:
        """The model of a source as a spec that is proven equal to it. Raises ModelError."""

    def check_source(
        self, source: str, arguments: Mapping[str, Any], size: tuple[int, int, int] | None, net: Program
    ) -> list[str]:
        """What of a source's model was compared with a net. Raises ModelError where they differ."""

    def import_module(self, module: Any, example: Any, *, name: str | None = None) -> Imported:
        """A model as a spec, by an example of the images that it takes. Raises ModelError."""

    def observe_module(self, module: Any, outputs: Sequence[str], images: Any, draw: Draw | None) -> Observed:
        """What `Observer.observe` says of a net, of a model that was imported; `outputs` are the names of its results."""


class FileImporter(Backend, Protocol):
    """A backend that reads models from files, without running anything in them."""

    def import_file(self, path: Path) -> Imported:
        """The model of a file as a spec that is proven to answer alike. Raises ModelError."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a model's layers give to images, by their dotted names in order of execution, and what they learn from it.

    Maps are (N, C, H, W). A layer that is called again has `(2)` behind its name. What concerns training is empty in evaluation.
    """

    layers: Weights
    results: Weights  # by the names of the outputs; that of a single one is empty
    layer_gradients: Weights  # of what each layer gives
    gradients: Weights  # of parameters
    statistics: Weights  # running ones, as a step leaves them


Draw = Callable[[str, "tuple[int, ...]"], "np.ndarray[Any, Any]"]
"""Numbers for a result of this name and shape: the gradient that a step of training begins with."""


class Mapper(Backend, Protocol):
    """A backend that says which steps the lines of its models are of; for ONNX, of the model as text without its weights."""

    source: str  # what the file is called

    def source_map(self, net: Network) -> SourceMap:
        """The source of a net. Raises SpecError for operations that are not supported."""


class Builder(Backend, Protocol):
    """A backend that makes models in memory as well."""

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> Any:
        """An initialized model, made by importing the emitted source; with weights, which fit, where they are given."""


class Observer(Builder, Protocol):
    """A backend whose models are looked into, layer by layer."""

    def observe(self, net: Network, weights: Weights, images: Any, draw: Draw | None) -> Observed:
        """A model on images (N, C, H, W) in double precision and with every random rate 0.

        In evaluation; or with `draw` in training, with the gradients of what it draws for each result.
        """


class Trainer(Backend, Protocol):
    """A backend that trains as well, and measures what it trained."""

    errors: tuple[type[Exception], ...]  # what these raise for a user to mend

    def train(self, net: Program, options: Mapping[str, Any]) -> int:
        """Train by the net's recipe, importing the emitted source; returns an exit code."""

    def launch(self, command: Sequence[str], processes: int, restarts: int) -> int:
        """Run a command that trains as so many processes that share the run; returns an exit code."""

    def evaluate(
        self, run: Path, split: str, data: Path | None, device: str, *, crops: int = 1, scales: Sequence[int] = (),
        mirror: bool = False, threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run or a checkpoint; what was measured by name, errors in percent.

        One or ten crops of each image, or the whole image with these short edges; with `mirror` also mirrored. `threads` are
        those of the CPU.
        """

    def responses(
        self, run: Path, layers: Sequence[str], split: str, data: Path | None, device: str, images: int | None
    ) -> Sequence[float]:
        """The standard deviation of what each of these layers of a run gives, in evaluation."""


class Predictor(Backend, Protocol):
    """A backend that says of pictures what is on them."""

    errors: tuple[type[Exception], ...]  # what it raises for a user to mend

    def predict(
        self, source: Path | Trained, images: Iterable[Any], device: str, top: int | None
    ) -> tuple[Sequence[str], Sequence[str], Iterator[Prediction]]:
        """The names of the classes, those of the pictures, and the most probable classes of each picture as it is asked for.

        `source` is a run, one of its checkpoints, or a net with its weights. Images are paths of files and folders, `-` for
        standard input, the bytes of files, or images of Pillow's.
        """


class Examiner(Backend, Protocol):
    """A backend that measures runs image by image."""

    errors: tuple[type[Exception], ...]  # what it raises for a user to mend

    def mistakes(
        self, run: Path, split: str, data: Path | None, device: str, predictions: Path | None, *, force: bool,
        threads: int | None = None,
    ) -> Mapping[str, float]:  # fmt: skip
        """Measure a run as `evaluate` does, keep its mistakes in its folder, and write what it predicts of each image."""


def members(protocol: type) -> list[str]:
    """What a backend must have for a protocol, beside what every backend has."""
    return [*protocol.__annotations__, *(member for member in vars(protocol) if not member.startswith("_"))]
