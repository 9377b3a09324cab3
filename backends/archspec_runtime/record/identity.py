"""The identity of a run: what was trained, on what, as one JSON record that travels with its weights.

A net is its wired graph; a run is its net, its source, its class names, its data set's identity, its normalization and its
recipe as it ran. The record is in `run.json`, in each checkpoint, and in whatever is exported from one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.data.splits import Dataset, Listing
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job
from archspec_runtime.record.folder import lacking

FORMAT = 1
KEY = "archspec"
"""Under which a file's metadata has the record, as JSON."""
MARK = ".archspec"
"""Lists the files of a folder as they were written, as `sha256sum` does: what `archspec build` leaves."""

EDITED = "its model.py was edited before it was trained, so that the net is not the one of its spec"

Identity = dict[str, Any]

SHAPE: Mapping[str, Any] = {
    "format": int,
    "net": {"name": str, "fingerprint": str, "input": list},
    "source": {"sha256": str, "edited": bool | None},
    "classes": list,
    "data": {"dataset": str, "splits": dict},
    "normalization": {"kind": str, "mean": list, "std": list | None},
    "recipe": dict,
}


LAYERS = "layers.py"
"""What a `model.py` may import from its own folder, and is one source with."""
_FROM_LAYERS = re.compile(r"(?m)^from layers import \(?\s*(\w+)")
_BETWEEN = f"\n# {LAYERS}\n"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The text of a model's module and of its `layers.py`; whether archspec wrote others, None where nothing says so."""

    text: str
    edited: bool | None
    layers: str | None = None

    @staticmethod
    def of(make_model: Callable[..., Any], *, emitted: bool = False) -> ModelSource:
        """The source of a class, which need not be files: texts that were just `emitted` are imported as they are."""
        modules = [sys.modules[make_model.__module__]]
        if (found := _FROM_LAYERS.search(inspect.getsource(modules[0]))) is not None:
            modules.append(sys.modules[getattr(modules[0], found[1]).__module__])
        text, *layers = [inspect.getsource(module) for module in modules]
        return ModelSource(text, _edited(modules, emitted), *layers)

    @property
    def whole(self) -> str:
        """Both texts."""
        return self.text if self.layers is None else f"{self.text}{_BETWEEN}{self.layers}"

    @property
    def sha256(self) -> str:
        """What tells sources apart."""
        return digest_of(self.whole)

    def write(self, folder: Path) -> None:
        """Write the files of the source into a folder. Raises OSError."""
        for name, text in {"model.py": self.text, LAYERS: self.layers}.items():
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8")


def source_files(path: Path) -> list[Path]:
    """A `model.py`, and the `layers.py` beside it where it imports that. Raises OSError."""
    found = _FROM_LAYERS.search(path.read_text(encoding="utf-8", errors="replace"))
    return [path, path.with_name(LAYERS)] if found else [path]


def source_text(path: Path, errors: str = "replace") -> str:
    """The text of the source that a `model.py` is of, as `ModelSource.whole` is of one that is imported. Raises OSError."""
    contents = (file.read_bytes() if file.is_file() else b"" for file in source_files(path))
    return _BETWEEN.join(content.decode("utf-8", errors) for content in contents)


def digest_of_source(path: Path) -> str | None:
    """The SHA-256 of the source that a `model.py` is of; None where it cannot be read."""
    with suppress(OSError):
        return hashlib.sha256(source_text(path, "surrogateescape").encode("utf-8", "surrogateescape")).hexdigest()
    return None


@dataclass(frozen=True, slots=True)
class TrainerSource:
    """The text of a `train.py`, and whether it is another than archspec wrote; None where nothing says so."""

    text: str
    edited: bool | None

    @staticmethod
    def of(training: Any, *, emitted: bool = False) -> TrainerSource | None:
        """The file that states the functions of a `training`; None where there are none."""
        if training is None:
            return None
        module = sys.modules[training.train_step.__module__]
        return TrainerSource(inspect.getsource(module), _edited([module], emitted))

    @property
    def sha256(self) -> str:
        """What tells trainers apart, whatever their jobs are."""
        return digest_of(arithmetic(self.text))


def _edited(modules: list[ModuleType], emitted: bool) -> bool | None:
    """Whether files are others than archspec wrote; None where nothing says so."""
    if emitted:
        return False
    written = [listed(Path(inspect.getfile(module))) for module in modules]
    return None if None in written else written != [digest_of(inspect.getsource(module)) for module in modules]


def arithmetic(text: str) -> str:
    """What a `train.py` says beside its job, which is compared by its values: the code that a step runs."""
    lines, kept = text.splitlines(), list[str]()
    for node in ast.parse(text).body:
        match node:
            case ast.Expr(ast.Constant()):
                continue
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "archspec_runtime":
                continue
            case ast.Assign(targets=[ast.Name(id="JOB")]):
                continue
            case ast.FunctionDef() | ast.ClassDef():
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            case _:
                first = node.lineno
        kept += lines[first - 1 : node.end_lineno]
    return "\n".join(kept) + "\n"


def digest_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of_file(path: Path) -> str | None:
    """The SHA-256 of a file; None where it cannot be read."""
    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return None


def listed(path: Path) -> str | None:
    """The SHA-256 of a file as it was written, by the list of its folder; None where there is none of it."""
    with suppress(OSError):
        for line in path.with_name(MARK).read_text("utf-8", "replace").splitlines():
            digest, _, name = line.partition("  ")
            if name == path.name:
                return digest
    return None


def identity_of(
    job: Job,
    source: ModelSource,
    dataset: Dataset,
    normalization: Normalization,
    trainer: TrainerSource | None = None,
) -> Identity:
    """The record of a run that begins."""
    stated = {} if trainer is None else {"trainer": {"sha256": trainer.sha256, "edited": trainer.edited}}
    return {
        "format": FORMAT,
        "net": {"name": job.name, "fingerprint": job.fingerprint, "input": list(job.input_shape)},
        "source": {"sha256": source.sha256, "edited": source.edited},
        **stated,
        "classes": list(dataset.classes),
        "data": {
            "dataset": job.recipe.data.dataset,
            "splits": {name: found.to_dict() for name, found in dataset.listings.items()},
        },
        "normalization": {
            "kind": job.recipe.data.normalize,
            "mean": _numbers(normalization.mean),
            "std": None if normalization.std is None else _numbers(normalization.std),
        },
        "recipe": job.recipe.to_dict(),
    }


def _numbers(array: Any) -> Any:
    """A nested list of the shortest decimals that give the same numbers again in float32."""
    if array.ndim == 0:
        return float(str(array))
    return [_numbers(inner) for inner in array]


def normalization_of(identity: Identity) -> Normalization:
    """The normalization that a record states."""
    stated = identity["normalization"]
    arrays = {key: np.asarray(stated[key], np.float32) for key in ("mean", "std") if stated[key] is not None}
    return Normalization.from_arrays(arrays)


def read_identity(record: Mapping[str, Any], where: object) -> Identity | None:
    """The identity in a record of a run or of a checkpoint; None where an earlier version wrote it.

    Raises RunError for one of a later version, or one that is none.
    """
    found = record.get("identity")
    if found is None:
        return None
    written = found.get("format") if isinstance(found, dict) else None
    if isinstance(written, int) and written > FORMAT:
        message = f"the identity in {where} has format {written}, and this version reads up to {FORMAT}"
        raise RunError(message, "install a newer archspec")
    key = lacking(found, SHAPE) or _odd(found)
    if key is not None:
        raise RunError(f"the identity in {where} is not one: see its `{key}`", "undo what was edited there")
    identity: Identity = found
    return identity


def _odd(identity: Identity) -> str | None:
    """The key of the first part of a record that does not hold what it should; None where all do."""
    if not all(isinstance(name, str) for name in identity["classes"]):
        return "classes"
    try:
        for listing in identity["data"]["splits"].values():
            Listing.from_dict(listing)
    except (KeyError, TypeError, ValueError):
        return "data.splits"
    try:
        shape = tuple(identity["net"]["input"])
        arrays = normalization_of(identity).to_arrays().values()
        fits = all(
            np.broadcast_shapes(array.shape, shape) == shape and np.isfinite(array).all() for array in arrays
        )
    except (KeyError, TypeError, ValueError):
        fits = False
    return None if fits else "normalization"


def metadata(identity: Identity | None) -> dict[str, str]:
    """The record as the metadata of a file."""
    return {} if identity is None else {KEY: json.dumps(identity)}


def tagged(content: bytes, identity: Identity | None) -> bytes:
    """A safetensors file with the record in its metadata: the header is written anew, the tensors stay as they are."""
    if identity is None:
        return content
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = {**header.get("__metadata__", {}), **metadata(identity)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # as the format aligns its tensors
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(content)[8 + length :]])


def edited(identity: Identity | None) -> bool:
    """Whether a run was trained with a `model.py`, or `layers.py` beside it, that is not what archspec wrote."""
    return identity is not None and identity["source"]["edited"] is True


def edited_trainer(identity: Identity | None) -> bool:
    """Whether a run was trained by a `train.py` that is not what archspec wrote."""
    return identity is not None and isinstance(of := identity.get("trainer"), dict) and of.get("edited") is True


def same_trainer(before: Identity, now: Identity) -> bool:
    """Whether two runs have the same code in `train.py`, or both what archspec, maybe of two versions, makes of their recipes."""
    old, new = before.get("trainer"), now.get("trainer")
    return not old or not new or old["sha256"] == new["sha256"] or (old["edited"], new["edited"]) == (False, False)
