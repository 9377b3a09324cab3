"""A trained net, by what a user has of it: a run, a checkpoint, a built folder with weights, or a file of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archspec.backends import Predictor, Trained, find_predictor
from archspec.backends.folders import built_with, folder_of, is_run, trained_by
from archspec.compile import load
from archspec.errors import WeightsError
from archspec.weights.convert import read_fitting
from archspec.weights.for_training import as_safetensors
from archspec.weights.identity import identity_of, notes_on
from archspec.weights.named_net import without_spec

USUAL = "torch"


@dataclass(frozen=True, slots=True)
class Found:
    """What predicts, and what it takes; `notes` are what a user has to know of the weights."""

    backend: Predictor
    source: Path | Trained
    notes: tuple[str, ...] = ()


@contextmanager
def trained_net(source: Path, spec: str | None = None, backend: str | None = None) -> Iterator[Found]:
    """The net of a path, as long as the block. Raises SpecError and WeightsError.

    A file of weights needs a `spec` unless one lies beside it. The backend is by default that of the run or of the folder.
    """
    if is_run(source):
        if spec is not None:
            raise WeightsError(f"{source} is a run, which keeps its own spec", "leave --spec out", 2)
        yield Found(find_predictor(backend or trained_by(source) or USUAL), source)
        return
    file, code = places(source)
    beside = code / "spec.yaml"
    if spec is None and not beside.is_file():
        below = sorted(path.parent for path in source.glob("*/run.json"))
        message, help_ = without_spec(file)
        raise WeightsError(message, f"it holds runs: give one of them, such as {below[0]}" if below else help_, 2)
    net = load(spec if spec is not None else beside)
    weights = read_fitting(net, file)
    identity = identity_of(weights)
    if identity is None:
        raise WeightsError(f"nothing says which classes {source} tells apart, and how pixels are normalized for it",
                           "give a run, or weights that `archspec convert` or `build --weights` made of one")  # fmt: skip
    own = built_with(code) if spec is None else None
    chosen = backend or own or USUAL
    with as_safetensors(weights, source, "predict") as stored:
        trained = Trained(net, stored, identity, code / "model.py" if own == chosen else None)
        yield Found(find_predictor(chosen), trained, tuple(notes_on(weights, net)))


def places(source: Path) -> tuple[Path, Path]:
    """Where weights are, and the folder of the source of their net. Raises WeightsError."""
    if not source.exists():
        raise WeightsError(
            f"{source} is not there", "give a run, a folder that was built with weights, or a file of weights", 2
        )
    if not source.is_dir():
        inside = source.parent
        return source, folder_of(inside) / "code" if is_run(inside) else inside
    if (source / "model.py").is_file():
        if (file := source / "weights.safetensors").is_file():
            return file, source
        raise WeightsError(f"{source} holds no weights", "build it with --weights RUN, or give a run of it, such as "
                           f"{source / 'run'}", 2)  # fmt: skip
    if (source / "model.onnx").is_file():
        return source / "model.onnx", source
    return source, source
