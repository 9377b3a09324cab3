"""From a path or a zoo name to a checked network: load, resolve, expand, and look at the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from archspec.analysis.checks.declarations import check_declarations_beside
from archspec.analysis.checks.passes import PASSES, check_expectations
from archspec.diagnostics import Diagnostic, Diagnostics
from archspec.expansion.expand import expand
from archspec.ir.garbage import no_collection
from archspec.loading.document import Document
from archspec.loading.given_text import as_text
from archspec.loading.load import load_document
from archspec.loading.misspelt_declarations import misspelt, unknown
from archspec.loading.origin import origin_of
from archspec.loading.override_mistakes import at_overrides
from archspec.loading.overrides import place_of_override
from archspec.loading.program import Program
from archspec.loading.resolve import Resolved, resolve


def load(
    spec: str | PathLike[str] | Mapping[str, object],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> Program:
    """Read, check and build a spec: a path, a zoo name, `name:preset`, YAML text or a mapping.

    Text is what has several lines, or is a mapping of YAML on one; what it extends by path is looked for in the working folder.

    `set` overrides arguments of the spec or dotted keys of it; `include` allows `extends` to reach more folders.
    What is valid and probably not meant so is in the net's `.warnings`. Raises SpecError, which has all the mistakes as
    `.diagnostics` beside the warnings, and TypeError for what is no path, text or value of YAML.
    """
    problems, folders = Diagnostics(), [Path(p) for p in include]
    net = _compile(spec, set or {}, preset, folders, problems)
    problems.raise_if_any()
    assert net is not None, "a spec without errors has a network"
    origin = None if isinstance(spec, Mapping) else origin_of(str(spec), set or {}, preset, folders)
    return replace(net, warnings=tuple(problems.in_order()), origin=origin)


def check(
    spec: str | PathLike[str] | Mapping[str, object],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
) -> tuple[Diagnostic, ...]:
    """All the mistakes and warnings of a spec, whatever `load` takes, each with its `severity`."""
    problems = Diagnostics()
    _compile(spec, set or {}, preset, [Path(p) for p in include], problems)
    return tuple(problems.in_order())


def look(
    spec: str | PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    preset: str | None = None,
    include: Sequence[str | PathLike[str]] = (),
    presets: bool = True,
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The net of a spec, None where its mistakes leave none, with all that `check` says of it.

    Without `presets`, those that were not asked for are not looked at.
    """
    problems = Diagnostics()
    net = _compile(str(spec), set or {}, preset, [Path(p) for p in include], problems, presets)
    return net, tuple(problems.in_order())


def _compile(
    spec: str | PathLike[str] | Mapping[str, object],
    overrides: Mapping[str, object],
    preset: str | None,
    include: Sequence[Path],
    problems: Diagnostics,
    presets: bool = True,
) -> Program | None:
    if isinstance(spec, Mapping):
        spec = as_text(spec)
    if not isinstance(spec, (str, PathLike)):
        raise TypeError(f"a spec is a path, the name of a zoo spec, YAML text or a mapping, not {spec!r}")
    if not isinstance(overrides, Mapping):
        raise TypeError(f"`set` is a mapping such as {{'classes': 10}}, not {overrides!r}")
    if wrong := [key for key in overrides if not isinstance(key, str)]:
        raise TypeError(f"the keys of `set` are text such as 'classes' or 'train.steps', not {wrong[0]!r}")
    if not overrides:
        return _compiled(str(spec), overrides, preset, include, problems, presets)

    def check(some: Mapping[str, object]) -> Diagnostics:
        found = Diagnostics()
        _compiled(str(spec), some, preset, include, found)
        return found

    found = Diagnostics()
    net = _compiled(str(spec), overrides, preset, include, found, presets)
    problems.extend(at_overrides(found, overrides, place_of_override, check) if found.errors else found)
    return net


@no_collection()
def _compiled(
    spec: str, overrides: Mapping[str, object], preset: str | None, include: Sequence[Path], problems: Diagnostics,
    presets: bool = True,
) -> Program | None:  # fmt: skip
    found, known = Diagnostics(), dict[str, str]()
    document = load_document(spec, overrides, preset, include, found)
    if document is not None and not presets:
        document = replace(document, others=())
    net = None if document is None else _program(document, found)
    for name, other in misspelt(document.root, found) if document is not None and found.errors else ():
        again = Diagnostics()
        if respelt := load_document(spec, overrides, preset, include, again, {**known, name: other}):
            _program(respelt, again)
        if len(unknown(other, again)) == 1:  # which is that of the declaration
            found, known = again, {**known, name: other}
    problems.extend(found.along_extends())
    return net


def _program(document: Document, problems: Diagnostics) -> Program | None:
    resolved = resolve(document, problems)
    net = None if resolved is None else _expanded(resolved, problems)
    for other in document.others:
        _look_at_preset(document, resolve(replace(document, root=other), problems), problems)
    if net is not None:
        for check_pass in PASSES:
            check_pass(net, problems)
    elif resolved is not None:
        check_declarations_beside(resolved, problems)
    return net


def _expanded(resolved: Resolved, problems: Diagnostics) -> Program | None:
    """The net; where what is left of it is none, names and arguments can be checked in that, and shapes cannot."""
    if resolved.sound:
        return expand(resolved, problems)
    further = Diagnostics()
    expand(resolved, further)
    problems.extend(d for d in further if d.code < "AS4" or resolved.whole_net)
    return None


_OF_THE_NET = ("norm", "act", "shortcut", "defaults", "stem", "stages", "head", "outputs", "blocks", "shortcuts")


def _look_at_preset(document: Document, resolved: Resolved | None, problems: Diagnostics) -> None:
    """Record what is wrong with a preset that was not asked for.

    Of one that states what the net comes to, all mistakes; of another that changes what the net is made of, unknown names
    and arguments.
    """
    expected = resolved.document.root.get("expect") if resolved is not None else None
    if (
        resolved is not None
        and resolved.sound
        and expected is not None
        and expected is not document.root.get("expect")
    ):
        found = Diagnostics()
        net = expand(resolved, found)
        if net is not None:
            check_expectations(net, found)
        _tell(problems, (d for d in found if d.is_error))
        return
    if resolved is None or all(resolved.document.root.get(key) is document.root.get(key) for key in _OF_THE_NET):
        return
    found = Diagnostics()
    expand(resolved, found)
    _tell(problems, (d for d in found if d.is_error and d.code < "AS4"))


def _tell(problems: Diagnostics, found: Iterable[Diagnostic]) -> None:
    """Record what is not the same mistake at the same place, of which one preset may say other words than another."""
    told = {(d.code, str(d.span)) for d in problems if d.span is not None}
    problems.extend(d for d in found if (d.code, str(d.span)) not in told)
