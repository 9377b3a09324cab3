"""Where to look for a mistake of a whole network: in the spec's own file first, not in the library's or a parent's."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.diagnostics import Related, Span
from archspec.loading.program import Program

KEYS = ("head", "stages", "stem", "shortcut", "extends")


def own_place(net: Program, what: str, way: Sequence[Related], span: Span) -> tuple[Span, tuple[Related, ...]]:
    """The place of what is wrong at `span`, reached by the uses of `way` from the outermost on, and what belongs to it.

    The innermost place in the spec's own file comes first; where there is none, the key of the spec by which it
    differs from what it extends.
    """
    root = net.resolved.root
    places = [*way, Related(f"{what} is here", span)]
    for index in range(len(places) - 1, -1, -1):
        if places[index].span.source is root.span.source:
            others = places[index + 1 :][::-1] + places[:index][::-1]
            return places[index].span, tuple(others)
    own = [
        span
        for key in KEYS
        if (span := root.key_span(key)).source is root.span.source and root.get(key) is not None
    ]
    return (own[0], tuple(places[::-1])) if own else (span, tuple(places[:-1][::-1]))
