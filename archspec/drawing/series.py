"""A graph as a series of parts with forks in it: where the ways part, which of them lie side by side, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archspec.drawing.parts import INPUT, Edge, Graph


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One of the ways of a fork, which may be empty: whether it leaves from what is before, and ends in what is behind."""

    steps: tuple[Step, ...]
    leaves: bool
    arrives: bool


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Ways side by side."""

    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A part, by its index, or a fork; `linked` where it is given what the step before gives."""

    item: int | Fork
    linked: bool = True


@dataclass(slots=True)
class Series:
    """The steps of a graph, and the edges that they do not show."""

    steps: tuple[Step, ...]
    arcs: list[Edge] = field(default_factory=list)


def series_of(graph: Graph) -> Series:
    """The series of a graph. What leads to no result but of its own, an auxiliary head, lies beside."""
    planner = _Planner(graph)
    ids = list(range(len(graph.parts)))
    steps = planner.plan(ids, INPUT, {graph.exit})
    return Series(steps, [edge for edge in graph.edges if (edge.source, edge.target) not in planner.shown])


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sources = {index: set(graph.sources(index)) for index in range(len(graph.parts))}
        self.shown = set[tuple[int, int]]()
        self.besides = set[Fork]()  # those whose first way goes on, and whose others end by themselves

    def plan(self, ids: Sequence[int], source: int, exits: set[int]) -> tuple[Step, ...]:
        """The steps of some parts that are given `source` and each other; `exits` are used behind them."""
        alive = set(exits)
        for index in reversed(ids):
            if index in alive:
                alive |= self.sources[index]
        spine = [index for index in ids if index in alive]
        aside = self.components([index for index in ids if index not in alive])
        chunks = self.chunks(spine, source, exits)
        for chunk in chunks:  # what leaves from within a chunk is planned with the way that it leaves from
            for component in [one for one in aside if self.is_within(one, chunk)]:
                chunk[:-1] = sorted([*chunk[:-1], *component])
                aside.remove(component)
        ends = [chunk[-1] for chunk in chunks]
        steps = [self.chunk(chunk, before, exits) for before, chunk in zip((source, *ends), chunks, strict=False)]
        for component in aside:
            steps = self.beside(steps, ends, component, source, 2 if len(aside) == 1 else 1)
        return tuple(step for chunk in steps for step in chunk)

    def is_within(self, component: Sequence[int], chunk: Sequence[int]) -> bool:
        """Whether some parts hang on one way of a chunk, and on nothing else."""
        given = {origin for index in component for origin in self.sources[index]} - {*component}
        ways = self.components(chunk[:-1])
        return len(ways) > 1 and any(given and given <= {*way} for way in ways)

    def chunks(self, spine: Sequence[int], source: int, exits: set[int]) -> list[list[int]]:
        """The parts between those that everything passes through."""
        found: list[list[int]] = []
        chunk: list[int] = []
        live = {source}
        for place, index in enumerate(spine):
            chunk.append(index)
            behind = set[int]().union(*(self.sources[later] for later in spine[place + 1 :]))
            live = {value for value in live | {index} if value in behind or value in exits}
            if live == {index} or place == len(spine) - 1:
                found.append(chunk)
                chunk = []
        return found

    def chunk(self, chunk: Sequence[int], source: int, exits: set[int]) -> tuple[Step, ...]:
        """The steps of one chunk: a part, or a fork and the part that joins its ways."""
        *inner, last = chunk
        if not inner:
            return (Step(last, self.show(source, last)),)
        components = self.components(inner)
        direct = source in self.sources[last]
        if len(components) == 1 and not direct:
            return self.in_order(chunk, source)
        ways: list[Way] = []
        for component in components:
            out = {i for i in component if i in self.sources[last] or i in exits}
            steps = self.plan(component, source, out)
            ways.append(Way(steps, _leaves(steps), bool(out) and self.show(max(out), last)))
        if direct:
            self.show(source, last)
            ways.append(Way((), leaves=True, arrives=True))
        return Step(Fork(tuple(ways))), Step(last, any(way.arrives for way in ways))

    def in_order(self, chunk: Sequence[int], source: int) -> tuple[Step, ...]:
        """What is no fork: one part after the other."""
        steps = []
        for before, index in zip((source, *chunk), chunk, strict=False):
            steps.append(Step(index, self.show(before, index)))
        return tuple(steps)

    def beside(
        self,
        steps: list[tuple[Step, ...]],
        ends: Sequence[int],
        component: Sequence[int],
        source: int,
        most: int,
    ) -> list[tuple[Step, ...]]:
        """The chunks with parts that end by themselves, beside what follows where they leave: at most so many chunks."""
        given = {origin for index in component for origin in self.sources[index]}
        place = max([ends.index(origin) + 1 for origin in given if origin in ends], default=0)
        own = self.plan(component, ends[place - 1] if place else source, {component[-1]})
        length = min(len(own), most, len(steps) - place)
        main = tuple(step for chunk in steps[place : place + length] for step in chunk)
        way = Way(own, _leaves(own), arrives=False)
        if len(main) == 1 and isinstance(fork := main[0].item, Fork) and fork in self.besides:
            ways = (*fork.ways, way)
        else:
            goes_on = place + length < len(steps) or self.graph.parts[ends[-1]].look != "end"
            ways = (Way(main, _leaves(main) if main else True, arrives=goes_on), way)
        fork = Fork(ways)
        self.besides.add(fork)
        return [*steps[:place], (Step(fork),), *[()] * (length - 1), *steps[place + length :]]

    def components(self, ids: Sequence[int]) -> list[list[int]]:
        """The parts that hang together among themselves, in order."""
        group = {index: index for index in ids}

        def find(index: int) -> int:
            while group[index] != index:
                index = group[index]
            return index

        for index in ids:
            for origin in self.sources[index]:
                if origin in group:
                    a, b = find(origin), find(index)
                    group[max(a, b)] = min(a, b)
        found: dict[int, list[int]] = {}
        for index in ids:
            found.setdefault(find(index), []).append(index)
        return list(found.values())

    def show(self, source: int, target: int) -> bool:
        """Whether an edge is there; it is shown then."""
        there = source in self.sources[target]
        if there:
            self.shown.add((source, target))
        return there


def _leaves(steps: Sequence[Step]) -> bool:
    return isinstance(steps[0].item, Fork) or steps[0].linked
