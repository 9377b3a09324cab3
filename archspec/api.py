"""What archspec offers in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.attribution import at_overrides
from archspec.collecting import no_collection
from archspec.declarations import check_declarations_beside
from archspec.diagnostics import Diagnostic, Diagnostics
from archspec.document import Document
from archspec.errors import WeightsError
from archspec.expand import expand
from archspec.load import load_document
from archspec.network import Network
from archspec.out_of_memory import is_out_of_memory, remedy
from archspec.overrides import place_of_override
from archspec.passes import PASSES
from archspec.resolve import Resolved, resolve

if TYPE_CHECKING:
    from archspec.backends import Files, Weights
    from archspec.weights.convert import Converted


def load(
    spec: str | PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> Network:
    """Read, check and build a spec: a path, a zoo name, or `name:preset`.

    `set` overrides arguments of the spec or dotted keys of it; `include` allows `extends` to reach more folders.
    What is valid and probably not meant so is in the net's `.warnings`. Raises SpecError, which has all the mistakes as
    `.diagnostics` beside the warnings, and TypeError for what is no path, text or value of YAML.
    """
    problems = Diagnostics()
    net = _compile(spec, set or {}, preset, [Path(p) for p in include], problems)
    problems.raise_if_any()
    assert net is not None, "a spec without mistakes has a network"
    return replace(net, warnings=tuple(problems.in_order()))


def check(
    spec: str | PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> tuple[Diagnostic, ...]:
    """All the mistakes and warnings of a spec, each with its `severity`; none where there is nothing to say."""
    problems = Diagnostics()
    _compile(spec, set or {}, preset, [Path(p) for p in include], problems)
    return tuple(problems.in_order())


def emit(net: Network, backend: str, *, weights: str | PathLike[str] | None = None, tried: bool = False) -> Files:
    """The files of a net's folder by relative path, with `weights` in them where they are given.

    The syntax and the names of modules are looked at; what is `tried` was imported too and has the net's tensors, if the
    backend can do that and its framework is installed. Raises SpecError where the backend is missing, lacks an operation or
    makes source that does not run, and WeightsError as `build` does.
    """
    from archspec.backends import find_backend
    from archspec.emission.lint import check_files

    chosen = find_backend(backend)
    _check_net(net)
    given = [] if weights is None else [_weights(net, weights)]
    with no_collection():
        files = chosen.emit(net, *given)
    check_files(net.name, backend, files)
    if tried and (attempt := getattr(chosen, "try_source", None)) is not None:
        attempt(net, files)
    return files


def build(net: Network, backend: str, *, seed: int = 0, weights: str | PathLike[str] | None = None) -> Any:
    """An initialized model of the backend's framework, made by importing the emitted source.

    `weights` is a file of any format that `convert` reads, with the net's names. Raises SpecError as `emit` does, ValueError
    for a negative seed or one of more than 63 bits, and WeightsError where the weights cannot be read or do not fit; then
    nothing is loaded.
    """
    from archspec.backends import find_backend

    chosen = find_backend(backend)
    _check_net(net)
    if not 0 <= index(seed) < 2**63:
        raise ValueError(f"a seed is a whole number from 0 to 2^63 - 1, not {seed}")
    return chosen.build(net, seed=index(seed), weights=None if weights is None else _weights(net, weights))


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


def _check_net(net: object) -> None:
    if not isinstance(net, Network):
        raise TypeError(f"a net is what `archspec.load` gives, such as archspec.load('resnet50'), not {net!r}")


def _weights(net: Network, path: str | PathLike[str]) -> Weights:
    with _weights_room():
        from archspec.weights.convert import read_fitting

    return read_fitting(net, Path(path))


def _install() -> str:
    from archspec.extras import install_command

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


def _compile(
    spec: str | PathLike[str],
    overrides: Mapping[str, object],
    preset: str | None,
    include: Sequence[Path],
    problems: Diagnostics,
) -> Network | None:
    if not isinstance(spec, (str, PathLike)):
        raise TypeError(f"a spec is a path or the name of a zoo spec, not {spec!r}")
    if not isinstance(overrides, Mapping):
        raise TypeError(f"`set` is a mapping such as {{'classes': 10}}, not {overrides!r}")
    if wrong := [key for key in overrides if not isinstance(key, str)]:
        raise TypeError(f"the keys of `set` are text such as 'classes' or 'train.steps', not {wrong[0]!r}")
    if not overrides:
        return _compiled(str(spec), overrides, preset, include, problems)

    def check(some: Mapping[str, object]) -> Diagnostics:
        found = Diagnostics()
        _compiled(str(spec), some, preset, include, found)
        return found

    found = Diagnostics()
    net = _compiled(str(spec), overrides, preset, include, found)
    problems.extend(at_overrides(found, overrides, place_of_override, check) if found.errors else found)
    return net


@no_collection()
def _compiled(
    spec: str, overrides: Mapping[str, object], preset: str | None, include: Sequence[Path], problems: Diagnostics
) -> Network | None:
    document = load_document(spec, overrides, preset, include, problems)
    if document is None:
        return None
    resolved = resolve(document, problems)
    for other in document.others:
        _look_at_preset(document, resolve(replace(document, root=other), problems), problems)
    if resolved is None:
        return None
    if not resolved.sound:
        # where what is left is no net, names and arguments can be checked in it, and shapes cannot
        further = Diagnostics()
        expand(resolved, further)
        problems.extend(d for d in further if d.code < "AS4" or resolved.whole_net)
        check_declarations_beside(resolved, problems)
        return None
    net = expand(resolved, problems)
    if net is not None:
        for check_pass in PASSES:
            check_pass(net, problems)
    else:
        check_declarations_beside(resolved, problems)
    return net


_OF_THE_NET = ("norm", "act", "shortcut", "defaults", "stem", "stages", "head", "blocks", "shortcuts")


def _look_at_preset(document: Document, resolved: Resolved | None, problems: Diagnostics) -> None:
    """Record the unknown names and arguments of a preset that was not asked for and changes what the net is made of."""
    if resolved is None or all(resolved.document.root.get(key) is document.root.get(key) for key in _OF_THE_NET):
        return
    found = Diagnostics()
    expand(resolved, found)
    problems.extend(d for d in found if d.is_error and d.code < "AS4")
