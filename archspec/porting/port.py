"""Port of a net with its weights to a framework: emitted, filled with the weights bit for bit, and compared layer by layer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from archspec.backends import Observed, Weights, find_importer, find_observer
from archspec.compile import load
from archspec.emission.lint import check_files
from archspec.emission.own_build import FolderFiles
from archspec.emission.trained_net import places
from archspec.errors import ModelError, WeightsError
from archspec.importing import Imported
from archspec.ir.network import Network
from archspec.loading.program import Program
from archspec.porting.layers import Layer, Step, compared, first_to_differ, largest, unlike
from archspec.porting.page import page
from archspec.porting.table import table
from archspec.weights.convert import read_fitting
from archspec.weights.dtypes import remarks_on_numbers
from archspec.weights.formats import format_to_write

OTHERS = {"flax": "torch", "torch": "flax"}
"""The framework whose model a port is compared with, where the source is no module of PyTorch."""
IMAGES = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """What is ported: a net and its weights, and where the source was a model, that model."""

    name: str
    net: Program
    weights: Weights
    spec: str | None = None  # as it was imported
    model: Any = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ported:
    """A net in the other framework, whose proof held: its files, and how far each of its layers is from what it was."""

    network: Program
    source: str
    to: str
    compared_with: str
    layers: tuple[Layer, ...]
    report: tuple[str, ...]  # what was compared, a line each
    files: FolderFiles

    def table(self) -> list[str]:
        """The largest difference at every step as lines of text, with a head."""
        return table(self.layers)

    def as_json(self, folder: str) -> dict[str, Any]:
        """What was compared, and what is in the folder that it was written to."""
        return {
            "source": self.source,
            "to": self.to,
            "out": folder,
            "net": self.network.name,
            "compared_with": self.compared_with,
            "report": list(self.report),
            "layers": [asdict(layer) for layer in self.layers],
            "files": sorted(self.files),
        }

    def write(self, folder: str | Path, *, force: bool = False) -> None:
        """Write the folder, all of it or nothing. Raises FolderError."""
        self.files.write(folder, force=force)


def of_import(name: str, found: Imported) -> Origin:
    """The origin that an imported model is. Raises ModelError where it has no weights."""
    if found.network.tensor_shapes() and not found.weights:
        raise ModelError(
            f"{name} has no weights to port",
            "`archspec import` and `archspec build` make a model without weights of it",
        )
    said = tuple(f"spec and source: {line}" for line in found.report)
    return Origin(name, found.network, found.weights, found.spec, found.model, found.renamed, said)


def of_weights(path: Path, spec: str | None, maps: tuple[str, ...], key: str | None) -> Origin:
    """The origin that weights are: of a run, of a built folder, or with a spec. Raises SpecError and WeightsError."""
    file, code = places(path)
    if spec is None and not (code / "spec.yaml").is_file():
        raise WeightsError(f"{path} does not say which net it is of", "give --spec, such as --spec resnet50", 2)
    net = load(spec if spec is not None else code / "spec.yaml")
    weights = read_fitting(net, file, maps=maps, key=key, matching=True)
    return Origin(str(path), net, weights, said=tuple(getattr(weights, "notes", ())))


def port(origin: Origin, to: str) -> Ported:
    """The folder of a net in a framework, once it is proven to be what the origin is.

    Raises ModelError that names the first layer that differs, WeightsError, and SpecError where a framework is missing.
    """
    net, weights = origin.net, origin.weights
    if odd := remarks_on_numbers(weights):
        raise WeightsError(f"{origin.name} cannot be compared:", "give weights that are finite", rows=odd)
    target = find_observer(to)
    if to not in OTHERS:
        raise ModelError(f"a port goes to torch or flax, not to {to}", "give --to torch or --to flax")
    files = target.emit(net, weights)
    check_files(net.name, to, files)
    kept, what = _stored(net, weights, to)
    found = _observed(partial(target.observe, net, weights), net)
    against, expected = _expected(origin, to, found)
    layers = compared(found, expected)
    _check(origin, to, found, expected, layers, against)
    said = (*origin.said, what, *_said(layers, against))
    written: dict[str, str | bytes] = {**files, **kept}
    if origin.spec is not None and (name := f"{net.name}.yaml") not in written:
        written[name] = origin.spec
    written["report.html"] = page(origin.name, net, to, against, layers, said)
    return Ported(net, origin.name, to, against, tuple(layers), said, FolderFiles(written, net))


def _stored(net: Network, weights: Weights, to: str) -> tuple[dict[str, bytes], str]:
    """The weights in the framework's own format, as files which hold them to the last bit when they are read again."""
    form = format_to_write(Path("weights"), to).format
    name = "weights" + (form.suffixes[0] if form.suffixes else "")
    with tempfile.TemporaryDirectory(prefix="archspec-", ignore_cleanup_errors=True) as room:
        path = Path(room) / name
        form.write(path, weights, net)
        again = read_fitting(net, path)
        odd = next((key for key in net.tensor_shapes() if not _same_bits(again[key], weights[key])), None)
        if odd is not None:
            raise WeightsError(f"{form.title} does not hold `{odd}` as it was", "tell which type its numbers have")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        held = {file.relative_to(room).as_posix(): file.read_bytes() for file in files}
    return held, f"weights: {len(net.tensor_shapes()):,} tensors in {form.title}, read again bit for bit"


def _same_bits(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    same: bool = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return same


def _observed(observe: Any, net: Network) -> Step:
    """A model in evaluation and in training, on images and from gradients that are the same for all."""
    images = np.random.default_rng(0).standard_normal((IMAGES, *net.input_shape))
    return Step(observe(images, None), observe(images, _draw))


def _draw(name: str, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(crc32(name.encode())).standard_normal(shape)


def _expected(origin: Origin, to: str, found: Step) -> tuple[str, Step]:
    """What a port is compared with: the source where that is a module, else the model of the other framework."""
    net, other = origin.net, OTHERS[to]
    if origin.model is None:
        title = f"the model of the same spec and weights in {other}"
        return title, _observed(partial(find_observer(other).observe, net, origin.weights), net)
    outputs = [output.name for output in net.outputs] or [""]
    source = _observed(partial(find_importer("torch").observe_module, origin.model, outputs), net)
    source = Step(*(_in_spec(each, origin) for each in (source.evaluation, source.training)))
    ours = found if to == "torch" else _observed(partial(find_observer("torch").observe, net, origin.weights), net)
    return "the source itself", _as_steps(source, ours, keep=to != "torch")


def _in_spec(observed: Observed, origin: Origin) -> Observed:
    """What was observed of a model, with its tensors by their names and in their shapes in the spec."""
    new, shapes = {old: name for name, old in origin.renamed.items()}, origin.net.tensor_shapes()
    new |= {name: name for name in shapes if name not in new.values()}

    def named(arrays: Weights) -> Weights:
        return {new[name]: array.reshape(shapes[new[name]]) for name, array in arrays.items() if name in new}

    return replace(observed, gradients=named(observed.gradients), statistics=named(observed.statistics))


def _as_steps(source: Step, ours: Step, *, keep: bool) -> Step:
    """The source with the layers that are steps of the spec, and for those that it has not, with `keep`, the spec's in PyTorch.

    A module may have the name of a step and give another value: a normalization with its activation, whose step is the
    normalization alone. Where both models have the same results and gradients, that is no difference.
    """
    layers = compared(ours, source)
    if unlike(ours, source) or any(
        one.differs
        for one in layers
        if one.name not in source.training.layers and one.name not in source.evaluation.layers
    ):
        return source
    same = {one.name for one in layers if not replace(one, parameters=None).differs}

    def chosen(theirs: Weights, own: Weights) -> Weights:
        return {
            name: theirs[name] if name in theirs and name in same else own[name]
            for name in own
            if keep or (name in theirs and name in same)
        }

    both = ((source.evaluation, ours.evaluation), (source.training, ours.training))
    return Step(*(
        replace(one, layers=chosen(one.layers, own.layers), layer_gradients=chosen(one.layer_gradients, own.layer_gradients))
        for one, own in both
    ))  # fmt: skip


def _check(origin: Origin, to: str, found: Step, expected: Step, layers: list[Layer], against: str) -> None:
    """Raise ModelError where two models are not the same."""
    help_ = "nothing is written; tell which model it is of"
    if (lacking := unlike(found, expected)) is not None:
        raise ModelError(f"the port of {origin.name} to {to} is not {against}: {lacking}", help_)
    if (first := first_to_differ(layers)) is not None:
        place = layers.index(first)
        rows = table([*layers[max(0, place - 2) : place + 3]])
        raise ModelError(
            f"the port of {origin.name} to {to} is not {against}: `{first.name}` is the first layer that differs", help_,
            rows=rows,
        )  # fmt: skip


def _said(layers: list[Layer], against: str) -> list[str]:
    forward = largest(d for one in layers for d in (one.evaluation, one.training))
    backward = largest(d for one in layers for d in (one.gradient, one.parameters))
    return [
        f"layers: {len(layers):,} steps and results as those of {against}, in double precision, on {IMAGES} images, with every "
        f"random rate 0: largest difference {forward:.1e}, of gradients {backward:.1e}"
    ]
