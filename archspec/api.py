"""What archspec offers in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.diagnostics import Diagnostic, Diagnostics
from archspec.expand import expand
from archspec.load import load_document
from archspec.network import Network
from archspec.passes import PASSES
from archspec.resolve import resolve

if TYPE_CHECKING:
    from os import PathLike


def load(
    spec: str | PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> Network:
    """Read, check and build a spec: a path, a zoo name, or `name:preset`.

    `set` overrides arguments of the spec or dotted keys of it; `include` allows `extends` to reach more folders.
    Raises SpecError, which has all the mistakes as `.diagnostics`.
    """
    problems = Diagnostics()
    net = _compile(spec, set or {}, preset, [Path(p) for p in include], problems)
    problems.raise_if_any()
    assert net is not None, "a spec without mistakes has a network"
    return net


def check(
    spec: str | PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> tuple[Diagnostic, ...]:
    """All the mistakes of a spec; none where it is sound."""
    problems = Diagnostics()
    _compile(spec, set or {}, preset, [Path(p) for p in include], problems)
    return tuple(problems.in_order())


def emit(net: Network, backend: str) -> dict[str, str]:
    """The source files of a net by relative path. Raises SpecError where the backend is missing or lacks an operation."""
    from archspec.backends import find_backend

    return find_backend(backend).emit(net)


def build(net: Network, backend: str, *, seed: int = 0, weights: str | PathLike[str] | None = None) -> Any:
    """An initialized model of the backend's framework, made by importing the emitted source.

    `weights` is a safetensors file with the net's names. Raises SpecError as `emit` does, and WeightsError where the
    weights cannot be read or do not fit; then nothing is loaded.
    """
    from archspec.backends import find_backend

    return find_backend(backend).build(net, seed=seed, weights=None if weights is None else Path(weights))


def _compile(
    spec: str | PathLike[str],
    overrides: Mapping[str, object],
    preset: str | None,
    include: Sequence[Path],
    problems: Diagnostics,
) -> Network | None:
    document = load_document(str(spec), overrides, preset, include, problems)
    if document is None:
        return None
    resolved = resolve(document, problems)
    for other in document.others:
        resolve(replace(document, root=other), problems)
    if resolved is None:
        return None
    if not resolved.sound:
        # where what is left is no net, names and arguments can be checked in it, and shapes cannot
        further = Diagnostics()
        expand(resolved, further)
        problems.extend(d for d in further if d.code < "AS4" or resolved.whole_net)
        return None
    net = expand(resolved, problems)
    if net is not None:
        for check_pass in PASSES:
            check_pass(net, problems)
    return net
