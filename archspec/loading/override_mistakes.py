"""Mistakes that an override made: said once, at the override, and not wherever in the spec its value ends up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from archspec.diagnostics import Diagnostic, Related, Span

MOST_PLACES = 3


def at_overrides(
    found: Iterable[Diagnostic],
    overrides: Mapping[str, object],
    place: Callable[[str, object], Span],
    check: Callable[[Mapping[str, object]], Iterable[Diagnostic]],
) -> list[Diagnostic]:
    """What was found, with the mistakes that are there only because of an override told as one, at its place.

    `check` finds the mistakes that there are with some of the overrides.
    """
    told = list(found)
    elsewhere = [d for d in told if d.is_error and not _is_override(d.span)]
    if not elsewhere:
        return told
    before = {_key(d) for d in check({})}
    made = [d for d in elsewhere if _key(d) not in before]
    if not made:
        return told
    key, value = _culprit(list(overrides.items()), before, check)
    first = made[0]
    spans = list(dict.fromkeys(d.span for d in made if d.span is not None))
    related = [Related("this comes of it", span) for span in spans[:MOST_PLACES]]
    one = Diagnostic(first.code, first.message, place(key, value), first.help, (*related, *first.related))
    return [*(d for d in told if d not in made), one]


def _culprit(
    overrides: list[tuple[str, object]],
    before: set[object],
    check: Callable[[Mapping[str, object]], Iterable[Diagnostic]],
) -> tuple[str, object]:
    """The first override with which there are mistakes that were not there without it."""
    for count in range(1, len(overrides)):
        if any(d.is_error and _key(d) not in before for d in check(dict(overrides[:count]))):
            return overrides[count - 1]
    return overrides[-1]


def _is_override(span: Span | None) -> bool:
    return span is not None and span.source.virtual and span.source.name.startswith("--set ")


def _key(diagnostic: Diagnostic) -> object:
    return diagnostic.code, str(diagnostic.span), diagnostic.message
