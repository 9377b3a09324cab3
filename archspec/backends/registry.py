"""Backends by name, found through the entry-point group `archspec.backends`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from archspec.backends.extras import DISTRIBUTION, install_command
from archspec.backends.protocol import (
    Backend,
    Builder,
    Examiner,
    FileImporter,
    Importer,
    Mapper,
    Observer,
    Predictor,
    Trainer,
    WeightsFormat,
    members,
)
from archspec.diagnostics import Diagnostic, Diagnostics, Related, SpecError
from archspec.diagnostics.out_of_memory import is_out_of_memory, remedy
from archspec.diagnostics.spelling import did_you_mean
from archspec.ir import Row
from archspec.ir.network import Network
from archspec.loading.program import Program

GROUP = "archspec.backends"


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
            if not (lacking := _lacking(backend, Backend)):
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


def find_builder(name: str) -> Builder:
    """The backend of this name, which makes models. Raises SpecError as `find_backend` does, and where it makes none."""
    backend = find_backend(name)
    if _lacking(backend, Builder):
        message, help_ = f"the backend `{name}` makes no models in memory", f"emit its source: --backend {name}"
        raise SpecError([Diagnostic("AS701", message, None, help_)])
    return cast(Builder, backend)


def find_observer(name: str) -> Observer:
    """The backend of this name, whose models are looked into. Raises SpecError as `find_backend` does, and where they are not."""
    backend = find_backend(name)
    if _lacking(backend, Observer):
        message = f"the layers of models of the backend `{name}` are not compared with others"
        raise SpecError([Diagnostic("AS701", message, None, "port to torch or flax")])
    return cast(Observer, backend)


def find_importer(name: str) -> Importer:
    """The backend of this name, which reads models. Raises SpecError as `find_backend` does, and where it reads none."""
    backend = find_backend(name)
    if _lacking(backend, Importer):
        raise SpecError(
            [Diagnostic("AS701", f"the backend `{name}` imports no models", None, "import one of PyTorch")]
        )
    return cast(Importer, backend)


def find_file_importer(name: str) -> FileImporter:
    """The backend of this name, which reads files. Raises SpecError as `find_backend` does, and where it reads none."""
    backend = find_backend(name)
    if _lacking(backend, FileImporter):
        raise SpecError([Diagnostic("AS701", f"the backend `{name}` imports no files", None, "import one of ONNX")])
    return cast(FileImporter, backend)


def find_mapper(name: str) -> Mapper:
    """The backend of this name, which says which steps its lines are of. Raises SpecError, also where it does not."""
    backend = find_backend(name)
    if _lacking(backend, Mapper):
        message = f"the backend `{name}` does not say which steps the lines of its source are of"
        raise SpecError([Diagnostic("AS701", message, None, f"read its source: archspec build --backend {name}")])
    return cast(Mapper, backend)


def find_trainer(name: str) -> Trainer:
    """The backend of this name, which trains. Raises SpecError as `find_backend` does, and where it does not train."""
    backend = find_backend(name)
    if lacking := _lacking(backend, Trainer):
        message = f"the backend `{name}` does not train and has no runs"
        if len(lacking) < len(members(Trainer)):
            message += f": it lacks {', '.join(lacking)}"
        help_ = (
            "train and measure with --backend torch or flax; `archspec build --weights RUN` takes what they trained"
        )
        raise SpecError([Diagnostic("AS701", message, None, help_)])
    return cast(Trainer, backend)


def find_predictor(name: str) -> Predictor:
    """The backend of this name, which predicts. Raises SpecError as `find_backend` does, and where it does not."""
    backend = find_backend(name)
    if _lacking(backend, Predictor):
        help_ = "--backend torch and flax do; a folder built with --backend onnx has a predict.py of its own"
        raise SpecError([Diagnostic("AS701", f"the backend `{name}` does not predict", None, help_)])
    return cast(Predictor, backend)


def find_examiner(name: str) -> Examiner:
    """The backend of this name, which measures image by image. Raises SpecError as `find_backend` does, and where it does not."""
    backend = find_backend(name)
    if _lacking(backend, Examiner):
        message = f"the backend `{name}` does not measure runs image by image"
        raise SpecError([Diagnostic("AS701", message, None, "--backend torch and flax do")])
    return cast(Examiner, backend)


def formats_of(backend: Backend) -> Sequence[WeightsFormat]:
    """The formats of weights that a backend owns."""
    formats: Sequence[WeightsFormat] = getattr(backend, "formats", ())
    return formats


def errors_of(backend: Backend) -> tuple[type[Exception], ...]:
    """What a backend raises for a user to mend."""
    errors: tuple[type[Exception], ...] = getattr(backend, "errors", ())
    return errors


def _lacking(backend: object, protocol: type) -> list[str]:
    return [member for member in members(protocol) if not hasattr(backend, member)]


def _remedy(entry: EntryPoint) -> str:
    """What may mend a backend that does not load: what it needs, where it is ours, or another version of its package."""
    package = entry.dist.name if entry.dist is not None else DISTRIBUTION
    if package == DISTRIBUTION:
        return install_command(entry.name)
    return f"pip install --upgrade {package}, or pip uninstall {package}"


def check_supported(net: Network, backend: Backend) -> None:
    """Raise SpecError with one diagnostic for each kind of operation that a backend lacks, and for outputs it cannot name."""
    problems = Diagnostics()
    if net.outputs and not getattr(backend, "named_outputs", False):
        message = f"the backend `{backend.name}` has no named outputs, which `{net.name}` has"
        place = net.resolved.root.key_span("outputs") if isinstance(net, Program) else None
        problems.add("AS702", message, place, "build it with another backend")
    lacking: dict[str, Row] = {}
    for row in net.modules():
        if row.op not in backend.supported:
            lacking.setdefault(row.op, row)
    for kind, row in lacking.items():
        call = next((c for c in net.root.calls if row.name.startswith(f"{c.name}.")), None)
        related = [Related(f"it is part of `{call.name}`", call.span)] if call else []
        message = f"the backend `{backend.name}` has no `{kind}`, which `{row.name}` needs"
        problems.add("AS702", message, row.span, "build it with another backend, or use another operation", related)
    problems.raise_if_any()


def _entries() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))
