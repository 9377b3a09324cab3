"""What archspec offers in Python of a network that is loaded: its source, a model of it, its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy
from archspec.errors import WeightsError
from archspec.ir.garbage import no_collection
from archspec.ir.network import Network
from archspec.ir.views import VIEWS

if TYPE_CHECKING:
    from archspec.backends import Prediction, Weights
    from archspec.emission.own_build import FolderFiles
    from archspec.importing import Imported
    from archspec.porting.port import Ported
    from archspec.weights.convert import Converted


def emit(
    net: Network, backend: str, *, weights: str | PathLike[str] | Weights | None = None, tried: bool = False
) -> FolderFiles:
    """The files of a net's folder by relative path, which `.write(folder)` writes.

    `weights` are put in them, a file or what `read_weights` gave.

    The syntax and the names of modules are looked at; what is `tried` was imported too and has the net's tensors, if the
    backend can do that and its framework is installed. Raises SpecError where the backend is missing, lacks an operation or
    makes source that does not run, and WeightsError as `build` does.
    """
    from archspec.backends import find_backend
    from archspec.emission.lint import check_files
    from archspec.emission.own_build import FolderFiles

    chosen = find_backend(backend)
    _check_net(net)
    given = [] if weights is None else [weights if isinstance(weights, Mapping) else read_weights(net, weights)]
    with no_collection():
        files = chosen.emit(net, *given)
    check_files(net.name, backend, files)
    if tried and (attempt := getattr(chosen, "try_source", None)) is not None:
        attempt(net, files)
    return FolderFiles(files, net)


def build(net: Network, backend: str, *, seed: int = 0, weights: str | PathLike[str] | None = None) -> Any:
    """An initialized model of the backend's framework, made by importing the emitted source.

    `weights` is a file of any format that `convert` reads, with the net's names. Raises SpecError as `emit` does, ValueError
    for a negative seed or one of more than 63 bits, and WeightsError where the weights cannot be read or do not fit; then
    nothing is loaded.
    """
    from archspec.backends import find_builder

    chosen = find_builder(backend)
    _check_net(net)
    if not 0 <= index(seed) < 2**63:
        raise ValueError(f"a seed is a whole number from 0 to 2^63 - 1, not {seed}")
    return chosen.build(net, seed=index(seed), weights=None if weights is None else read_weights(net, weights))


def convert(
    net: Network,
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    source_backend: str | None = None,
    target_backend: str | None = None,
    maps: Sequence[str] = (),
    key: str | None = None,
    dtype: str | None = None,
    force: bool = False,
) -> Converted:
    """Read weights that fit a net and write them in another format: all of it or nothing.

    Formats follow from suffix and content, and from the backend's name where those do not say. `maps` are `OLD=NEW`
    patterns for names, `key` is one of several sets of weights in `source`, `dtype` another type for floating-point
    numbers. Raises WeightsError, `archspec.files.FolderError` where `target` cannot be written, and SpecError where a
    backend or its framework is missing.
    """
    _check_net(net)
    with _weights_room():
        from archspec.weights.convert import convert

    return convert(net, Path(source), Path(target), source_backend=source_backend, target_backend=target_backend,
                   maps=maps, key=key, dtype=dtype, force=force)  # fmt: skip


def import_model(
    model: Any, example: Any = None, *, name: str | None = None, arguments: Mapping[str, object] | None = None
) -> Imported:
    """A model of PyTorch as a spec that is proven equal to it: `.spec`, `.network`, `.weights` and `.report`.

    `model` is an `nn.Module` in eager code with an `example` of its images (N, C, H, W), or a source such as
    "torchvision:resnet50", "timm:resnet50d" or "net.py:Net", which `arguments` are for and of which `example` may be the
    size (C, H, W); its code is run. "net.onnx", "net.pt2" and "net.prototxt" are files: their graphs are computed for
    comparison, of a prototxt only the shapes, and no other code is run. Raises ModelError where a spec cannot say it, and
    SpecError where the framework is missing.
    """
    from archspec.backends import find_file_importer, find_importer
    from archspec.importing.files import kind_of

    if isinstance(model, str) and (kind := kind_of(model)) is not None:
        if arguments or example is not None:
            raise ValueError("a file says itself what it takes: leave `arguments` and `example` out")
        if kind.backend is None:
            from archspec.importing.caffe.importing import import_file

            return import_file(Path(model))
        return find_file_importer(kind.backend).import_file(Path(model))
    found = find_importer("torch")
    if isinstance(model, str):
        return found.import_source(model, dict(arguments or {}), example)
    return found.import_module(model, example, name=name)


def port(
    source: Any,
    to: str,
    example: Any = None,
    *,
    spec: str | None = None,
    arguments: Mapping[str, object] | None = None,
    maps: Sequence[str] = (),
    key: str | None = None,
) -> Ported:
    """A model with its weights in the framework `to`, "torch" or "flax": `.layers`, `.report`, `.network`, and `.write(folder)`.

    `source` is what `import_model` takes, with its `example` and `arguments`; or the path of a run, of a folder that was built
    with weights, or with a `spec` of weights in any format, for which `maps` and `key` are those of `convert`. Raises
    ModelError where a layer differs, and names the first; else what `import_model` and `convert` raise.
    """
    with _weights_room():
        from archspec.porting.port import of_import, of_weights, port

    if spec is not None or (isinstance(source, (str, PathLike)) and Path(source).is_dir()):
        origin = of_weights(Path(source), spec, tuple(maps), key)
    else:
        model = str(source) if isinstance(source, PathLike) else source
        name = model if isinstance(model, str) else type(model).__name__
        origin = of_import(name, import_model(model, example, arguments=arguments))
    return port(origin, to)


def predict(
    source: str | PathLike[str], images: Any, *, spec: str | None = None, backend: str | None = None,
    device: str = "auto", top: int | None = None,
) -> list[Prediction]:  # fmt: skip
    """The `top` most probable classes of images, by default five, as `prediction.guesses`: each a name, a label, a probability.

    `source` is a run, one of its checkpoints, a folder that was built with weights, or a file of weights that carries the
    identity of a run, with the `spec` of its net. `images` is one or several: a path of a file or a folder, the bytes of
    a file, or an image of Pillow's. Raises SpecError, WeightsError and the `errors` of the backend, one of them for the first
    image that cannot be read.
    """
    several = isinstance(images, Iterable) and not isinstance(images, (str, bytes, PathLike))
    given = list(images) if several else [images]
    with _weights_room():
        from archspec.emission.trained_net import trained_net

    with trained_net(Path(source), spec, backend) as found:
        _, _, answers = found.backend.predict(found.source, given, device, top)
        predictions = list(answers)
    for one in predictions:
        if one.fault is not None:
            raise one.fault
    return predictions


def _draw(net: Network, format: str, depth: int | None) -> str | bytes:
    from archspec.drawing.draw import draw

    return draw([net], format, depth)


def _html(net: Network) -> str:
    from archspec.drawing.notebook import to_html

    return to_html(net)


def _summary(net: Network, depth: int) -> str:
    from archspec.analysis.summary import summary_text

    return summary_text(net, depth)


VIEWS.update(draw=_draw, html=_html, summary=_summary)


def _check_net(net: object) -> None:
    if not isinstance(net, Network):
        raise TypeError(f"a net is what `archspec.load` gives, such as archspec.load('resnet50'), not {net!r}")


def read_weights(net: Network, path: str | PathLike[str], fresh: Sequence[str] = ()) -> Weights:
    """The weights of a file or folder of any known format that fit a net but for its `fresh` modules. Raises WeightsError."""
    with _weights_room():
        from archspec.weights.convert import read_fitting

    return read_fitting(net, Path(path), fresh)


def _install() -> str:
    from archspec.backends.extras import install_command

    return install_command("torch")


@contextmanager
def _weights_room() -> Iterator[None]:
    """Where what weights need is imported: every extra has it."""
    try:
        yield
    except (ImportError, MemoryError, SystemError) as error:
        if is_out_of_memory(error):
            raise WeightsError(
                "out of memory while the libraries that read weights were loaded", remedy()
            ) from None
        raise WeightsError(f"weights cannot be read: {error}", f"{_install()}, or another extra") from None
