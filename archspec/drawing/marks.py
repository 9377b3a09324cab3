"""A pair of pictures: which parts of one the other lacks, or has otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from archspec.drawing.parts import Graph, Part

_RANGE = re.compile(r"^(.*?)(\d+)-(\d+)$")


def marked(one: Graph, other: Graph) -> tuple[Graph, Graph]:
    """Both graphs, with what differs marked: closed boxes by all that is in them, open ones by what is in them alone."""
    return _marked(one, dict(_known(other))), _marked(other, dict(_known(one)))


def _marked(graph: Graph, known: dict[str, object]) -> Graph:
    return replace(graph, parts=tuple(_part(part, known) for part in graph.parts))


def _part(part: Part, known: dict[str, object]) -> Part:
    if part.look == "end":
        return part
    if part.inner is not None:
        lacking = any(path not in known for path in paths(part.path))
        return replace(part, inner=_marked(part.inner, known), differs=lacking)
    return replace(part, differs=any(known.get(path) != part.holds for path in paths(part.path)))


def _known(graph: Graph) -> Iterator[tuple[str, object]]:
    """What stands under each path, ranges written out."""
    for part in graph.parts:
        yield from ((path, part.holds) for path in paths(part.path))
        if part.inner is not None:
            yield from _known(part.inner)


def paths(path: str) -> Iterator[str]:
    """The paths that `layer1.1-2.conv1` stands for."""
    for names in product(*(_names(word) for word in path.split("."))):
        yield ".".join(names)


def _names(word: str) -> list[str]:
    match = _RANGE.match(word)
    if match is None:
        return [word]
    return [f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1)]
