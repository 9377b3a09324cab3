"""From a file of weights in one format to a file in another, through the spec's names and layouts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.backends import Weights
from archspec.diagnostics.out_of_memory import remedy
from archspec.errors import WeightsError
from archspec.files import written_aside
from archspec.ir.network import Network
from archspec.ops import Shape
from archspec.weights.advice import OTHER, advice
from archspec.weights.dtypes import FLOATS, cast, remarks_on_numbers
from archspec.weights.fit import fit
from archspec.weights.formats import format_to_read, format_to_write
from archspec.weights.identity import OfRun, identity_of, remarks
from archspec.weights.matching import from_tree, is_tree, matched
from archspec.weights.renaming import Renaming, rename


@dataclass(frozen=True, slots=True)
class Converted:
    """What was read and written, in words."""

    source: str
    target: str
    tensors: int
    dtypes: tuple[str, ...]  # of the floating-point numbers that were written
    notes: tuple[str, ...]


def convert(
    net: Network,
    source: Path,
    target: Path,
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
    patterns for names (`archspec.weights.renaming`), `key` is one of several sets of weights in `source`, and `dtype`
    another type for floating-point numbers. Raises WeightsError, FolderError where `target` cannot be written, and
    SpecError where a backend or its framework is missing.
    """
    renamings = [Renaming.parse(text) for text in maps]
    if dtype is not None and dtype not in FLOATS:
        raise WeightsError(f"--dtype {dtype} is no type of weights", f"give one of {', '.join(FLOATS)}", 2)
    output = format_to_write(target, target_backend)
    with written_aside(target, force=force, replaceable=output.format.recognizes) as aside:
        weights, what, notes = _read(net, source, source_backend, key, renamings)
        identity = identity_of(weights)
        weights = weights if dtype is None else OfRun(cast(weights, dtype), identity)
        output.format.write(aside, weights, net)
        notes += [*remarks_on_numbers(weights), *remarks(identity, net)]
        if identity is not None and not getattr(output.format, "carries_identity", False):
            notes.append(f"{output.format.title} holds tensors alone: class names and normalization stay behind")
    dtypes = dict.fromkeys(str(weights[name].dtype) for name in net.parameter_shapes())
    return Converted(what, output.format.title, len(weights), tuple(dtypes), tuple(notes))


def read_fitting(
    net: Network, path: Path, fresh: Sequence[str] = (), *, maps: Sequence[str] = (), key: str | None = None,
    matching: bool = False,
) -> Weights:  # fmt: skip
    """The weights of a file or folder of any known format, which fit a net but for the modules that are `fresh`.

    `maps` and `key` are those of `convert`; with `matching`, names that are another's are found by the shapes and the order of
    the layers, where only one pairing of them is possible (`archspec.weights.matching`).

    Raises WeightsError, and SpecError where the framework that reads it is missing.
    """
    try:
        renamings = [Renaming.parse(text) for text in maps]
        weights, _, notes = _read(net, path, None, key, renamings, fresh, matching=matching)
        return OfRun(weights, identity_of(weights), notes)
    except WeightsError as error:
        if not matching and error.help and "--map" in error.help and "archspec convert" not in error.help:
            error.help += "; `archspec convert` takes --map, and writes a file to give here"
        raise


def _read(
    net: Network,
    path: Path,
    backend: str | None,
    key: str | None,
    renamings: Sequence[Renaming],
    fresh: Sequence[str] = (),
    *,
    matching: bool = False,
) -> tuple[Weights, str, list[str]]:
    shapes = net.tensor_shapes()
    for module in fresh:
        if not any(_is_below(name, [module]) for name in shapes):
            raise WeightsError(
                f"--fresh {module}: the net has no module of this name", "`archspec summary` lists them", 2
            )
    found = format_to_read(path, backend)
    expected = {name: shape for name, shape in shapes.items() if not _is_below(name, fresh)}
    try:
        tensors, notes = found.format.read(path, key, net)
        identity = identity_of(tensors)
        if matching and is_tree([*tensors]):
            tensors = from_tree(tensors)
        names = rename(tensors, renamings)
        if matching:
            other = matched({names[name]: tuple(t.shape) for name, t in tensors.items()}, expected)
            names = {name: other.get(new, new) for name, new in names.items()}
            notes = [
                *notes,
                *(f"`{old}` is `{new}`, by its layer's shapes and order" for old, new in other.items()),
            ]
        given = {names[name]: tensor for name, tensor in tensors.items() if not _is_below(names[name], fresh)}
        try:
            weights, more = fit(path, given, expected, net.whole_numbers())
        except WeightsError as error:
            if fresh and error.help == OTHER:  # where more differs than those modules, or their names
                error.help = advice({names[name]: tuple(t.shape) for name, t in tensors.items()}, shapes)
            raise
    except found.errors as error:
        message, *rows = str(getattr(error, "message", error)).split("\n  ")
        raise WeightsError(
            message, getattr(error, "hint", None) or getattr(error, "help", None), rows=rows
        ) from None
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise too_large(path, expected) from None
    return OfRun(weights, identity), found.format.title, [*notes, *more]


def too_large(path: Path, expected: Mapping[str, Shape]) -> WeightsError:
    """The error that says how much memory the weights of a net take, where there is less."""
    mebibytes = sum(4 * math.prod(shape) for shape in expected.values()) / 2**20
    size = path.stat().st_size / 2**20 if path.is_file() else 0
    return WeightsError(
        f"out of memory while {path} ({size:,.0f} MiB) was read: the net's weights alone take {mebibytes:,.0f} MiB",
        remedy(),
    )


def _is_below(name: str, modules: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)
