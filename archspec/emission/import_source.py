"""Emitted source as a module, so that what one reads is what runs."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from pickle import PicklingError
from threading import RLock
from types import CodeType, ModuleType
from typing import Any, Self

from archspec.backends.folders import folder_of, trained_by
from archspec.compile import load
from archspec.emission.lint import check_source
from archspec.ir.network import Network


class _Text(InspectLoader):
    """Imports a text. Tracebacks and `inspect` ask it for the lines, so that no file has to be there, or be left behind."""

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        self.file = file

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        """The text, compiled."""
        return self.source_to_code(self.source, self.file)


def import_source(source: str, name: str, file: Path | None = None) -> ModuleType:
    """Import a source text as a module of this name, whose lines tracebacks show.

    `file` is where the text is kept, or will be; what lies there meanwhile is not asked.
    """
    loader = _Text(source, str(file or f"{name}.py"))
    linecache.cache[loader.file] = (len(source), None, source.splitlines(keepends=True), loader.file)
    spec = ModuleSpec(name, loader, origin=loader.file)
    spec.has_location = True  # for `__file__`, which `inspect` goes by
    module = module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


MODEL, LAYERS = "model.py", "layers.py"
"""The files of a net's source: that of its classes, and what that may import from its own folder."""
_ALONE = RLock()


def import_files(files: Mapping[str, str], name: str) -> ModuleType:
    """Import the `model.py` among the files of a net as a module of this name, its `layers.py` as one of that and `_layers`."""
    with _beside(files, name):
        return import_source(files[MODEL], name)


@contextmanager
def _beside(files: Mapping[str, str], name: str) -> Iterator[None]:
    """Have `layers` be what lies beside a `model.py`, for as long as that is imported: another net has others."""
    if LAYERS not in files:
        yield
        return
    with _ALONE:
        before = sys.modules.get("layers")
        sys.modules["layers"] = import_source(files[LAYERS], f"{name}_layers")
        try:
            yield
        finally:
            sys.modules.pop("layers")
            if before is not None:
                sys.modules["layers"] = before


def import_model(name: str, backend: str, files: Mapping[str, str], instead: str = "") -> ModuleType:
    """Import the source of a net of this name. Raises SpecError (AS704) where Python does not take it.

    Its models can be pickled, and take their source along; where the framework has none that can be, `instead` says what to
    do.
    """
    for file, text in files.items():
        check_source(name, backend, file, text)
    digest = sha256("".join(files.values()).encode()).hexdigest()[:16]
    carried = Carried(files[MODEL], f"archspec_emitted_{backend}_{digest}", instead, files.get(LAYERS))
    return carried.module()


@dataclass(frozen=True, slots=True)
class Carried:
    """What a pickled model has of its source: enough to import it in a process that has not."""

    source: str
    name: str
    instead: str
    layers: str | None = None

    def module(self) -> ModuleType:
        """The module of the text, imported once in a process."""
        if (known := sys.modules.get(self.name)) is not None:
            return known
        beside = {} if self.layers is None else {LAYERS: self.layers}
        module = import_files({MODEL: self.source, **beside}, self.name)

        def reduced(model: Any, protocol: int) -> tuple[Any, ...]:
            usual = object.__reduce_ex__(model, max(protocol, 2))
            return remade, (self, type(model).__qualname__), *usual[2:]

        for made in vars(module).values():
            if isinstance(made, type) and made.__module__ == self.name:
                made.__reduce_ex__ = reduced  # type: ignore[assignment, method-assign]
        return module

    def __reduce__(self) -> tuple[Any, ...]:
        if self.instead:
            raise PicklingError(self.instead)
        return Carried, (self.source, self.name, self.instead, *([] if self.layers is None else [self.layers]))

    def __deepcopy__(self, memo: object) -> Self:
        return self  # `deepcopy` asks objects what `pickle` would, and can copy those that it cannot save


def remade(carried: Carried, kind: str) -> Any:
    """An object of a class of emitted source, before it has its state."""
    made = getattr(carried.module(), kind)
    return made.__new__(made)


def foreign_class(run: Path, backend: str, files: Callable[[Network], Mapping[str, str]]) -> Any | None:
    """The class of a run's net in this backend, from the spec that the run keeps; None where the backend trained it itself.

    `run` is the folder of a run or one of its checkpoints, whose weights have the same names in every backend.
    """
    if trained_by(run) in (None, backend):
        return None  # without a record the runtime says what is wrong with it
    return model_class(load(folder_of(run) / "code" / "spec.yaml"), backend, files)


def model_class(net: Network, backend: str, files: Callable[[Network], Mapping[str, str]]) -> Any:
    """The class of a net in a backend, by importing its `model.py`, which is among its `files`."""
    return getattr(import_model(net.name, backend, files(net)), net.class_name)
