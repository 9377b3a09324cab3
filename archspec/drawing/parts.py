"""What a picture shows: the calls of a network as parts, opened to a depth, with the values between them as edges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archspec.analysis.summary import options
from archspec.ir import Block, Call, Chain
from archspec.ir.cost import Cost, block_cost, op_cost
from archspec.ir.graph import STEPS, tapped
from archspec.ir.network import Network
from archspec.ops import Features, Op, show

INPUT = -1
"""The source of an edge that is the input of the graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A value on its way from one part to another; `label` names a value from inside of the source, or one of several inputs."""

    source: int
    target: int
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A box: an operation, a block or a stage, or several equal ones (`layer1.1-2`), whose costs are summed."""

    path: str
    name: str
    what: str
    shape: Features
    cost: Cost
    look: str
    inner: Graph | None = None  # what is in it, where it is open
    shortcut: str = ""  # the shortcut of a closed block
    is_shortcut: bool = False  # whether it is one itself
    holds: object = None  # all that is in it, to be compared
    differs: bool = False  # whether the other picture of a pair lacks it


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Parts in order of execution: `exit` gives the result, `inlet` is the shape that goes in."""

    parts: tuple[Part, ...]
    edges: tuple[Edge, ...]
    exit: int
    inlet: Features

    def sources(self, index: int) -> list[int]:
        """The parts that one takes its values from."""
        return [edge.source for edge in self.edges if edge.target == index]


def graph_of(net: Network, depth: int) -> Graph:
    """The graph of a network with its ends, blocks opened `depth` levels deep.

    A step far behind that is given the input as well, as for the size of a segmentation, says so itself.
    """
    root = net.root
    parts, edges, values = _inside(_calls(root), root, "", 1, depth)
    name, shape = root.inputs[0]
    first = next((e.target for e in edges if e.source == INPUT), INPUT)
    again = {e.target for e in edges if e.source == INPUT and e.target != first}
    parts = [replace(part, what=f"{part.what} + {name}") if i in again else part for i, part in enumerate(parts)]
    results = [(o.name, o.value, o.shape) for o in root.outputs] or [("output", root.output, root.shape)]
    ends = [_end(name, shape, f"output {name}") for name, _, shape in results]
    wired = [Edge(e.source + 1, e.target + 1, e.label) for e in edges if e.source != INPUT or e.target not in again]
    wired += [Edge(values[v][0] + 1, len(parts) + 1 + i, values[v][1]) for i, (_, v, _) in enumerate(results)]
    main = next((i for i, output in enumerate(root.outputs) if not output.train_only), 0)
    return Graph((_end(name, shape, name), *parts, *ends), tuple(wired), len(parts) + 1 + main, shape)


def _end(name: str, shape: Features, path: str) -> Part:
    return Part(path, name, show(shape), shape, Cost(), "end")


@dataclass(frozen=True, slots=True, eq=False)
class _Repeat:
    """Consecutive calls, or blocks of a stage, that are drawn as one: `count` of them from `first` to `last`."""

    first: str
    last: str
    target: Op | Block | Chain
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    shape: Features
    input_shapes: tuple[Features, ...]
    cost: Cost
    count: int = 1
    is_shortcut: bool = False

    @property
    def name(self) -> str:
        """Such as `denselayer1-24`."""
        return self.first if self.first == self.last else f"{self.first}-{_NUMBER.findall(self.last)[-1]}"


_NUMBER = re.compile(r"\d+$")


def _calls(block: Block) -> Iterator[_Repeat]:
    for call in block.calls:
        if call.present:
            results = (call.name, *tapped(call))
            yield _Repeat(call.name, call.name, call.target, call.inputs, results, call.shape, call.input_shapes,
                          _cost(call.target, call.input_shapes), is_shortcut=call.role == "shortcut")  # fmt: skip


def _blocks(chain: Chain) -> Iterator[_Repeat]:
    index, before = 0, ""
    for run in chain.runs:
        last = index + run.count - 1
        name = str(last)
        shapes = tuple(shape for _, shape in run.block.inputs)
        yield _Repeat(str(index), name, run.block, (before,), (name,), run.block.shape, shapes,
                      block_cost(run.block) * run.count, run.count)  # fmt: skip
        index, before = last + 1, name


def _cost(target: Op | Block | Chain, inputs: tuple[Features, ...]) -> Cost:
    if isinstance(target, Op):
        return op_cost(target, inputs)
    if isinstance(target, Block):
        return block_cost(target)
    costs = [block_cost(run.block) * run.count for run in target.runs]
    return sum(costs, Cost())


def _collapsed(calls: Iterable[_Repeat], used: Mapping[str, int]) -> list[_Repeat]:
    """Consecutive blocks of the same steps and arguments as one, where each is given what the one before it gives."""
    found: list[_Repeat] = []
    for call in calls:
        before = found[-1] if found else None
        if before is not None and used.get(before.results[0], 0) == 1 and _repeats(before, call):
            found[-1] = replace(
                before,
                last=call.last,
                results=call.results,
                shape=call.shape,
                cost=before.cost + call.cost,
                count=before.count + call.count,
            )
        else:
            found.append(call)
    return found


def _repeats(one: _Repeat, other: _Repeat) -> bool:
    a, b = one.target, other.target
    if not (isinstance(a, Block) and isinstance(b, Block)) or other.inputs != one.results or b.taps:
        return False
    old, new = _NUMBER.search(one.last), _NUMBER.search(other.first)
    if old is None or new is None or one.last[: old.start()] != other.first[: new.start()]:
        return False
    numbered = int(new[0]) == int(old[0]) + 1 and a.definition.class_name != STEPS
    return numbered and a.variant == b.variant and instance(a) == instance(b) and _steps(a) == _steps(b)


def _steps(block: Block) -> tuple[object, ...]:
    """The steps of a block by name and kind, with those of the blocks in it; their rates may differ."""
    return tuple((c.name, _kind(c.target)) for c in block.calls if c.present)


def _kind(target: Op | Block | Chain) -> object:
    if isinstance(target, Op):
        return target.kind, tuple(v for v in target.attributes.values() if not isinstance(v, float))
    blocks = [target] if isinstance(target, Block) else [run.block for run in target.runs]
    return tuple(_steps(block) for block in blocks)


def _inside(
    calls: Iterable[_Repeat], block: Block | None, path: str, level: int, depth: int
) -> tuple[list[Part], list[Edge], dict[str, tuple[int, str]]]:
    """The parts of a block or stage, their edges, and which part gives each value."""
    values: dict[str, tuple[int, str]] = {"": (INPUT, "")}
    calls = list(calls)
    used: dict[str, int] = {}
    for name in [name for call in calls for name in call.inputs]:
        used[name] = used.get(name, 0) + 1
    absent = {c.name: c.inputs[0] for c in block.calls if not c.present} if block is not None else {}
    for name in [*absent.values(), *(block.results[1:] if block is not None else ())]:
        used[name] = used.get(name, 0) + 2  # it is used where it is not seen
    if block is not None:
        several = len(block.inputs) > 1
        values |= {name: (INPUT, f"{name} {show(shape)}" if several else "") for name, shape in block.inputs}
    parts: list[Part] = []
    edges: list[Edge] = []

    def source(name: str) -> tuple[int, str]:
        while name in absent:
            name = absent[name]
        return values[name]

    for index, call in enumerate(_collapsed(calls, used)):
        found = list(dict.fromkeys(source(name) for name in call.inputs))
        part = _part(call, path, level, depth)
        besides = [one for one in found[1:] if path and one[0] == INPUT and one[1]]
        if besides:  # one of several inputs of the block, as for the size of a level of a pyramid
            found = [one for one in found if one not in besides]
            part = replace(part, what=" + ".join((part.what, *(label.split()[0] for _, label in besides))))
        edges += [Edge(origin, index, label) for origin, label in found]
        parts.append(part)
        values[call.results[0]] = (index, "")
        values |= {tap: (index, tap) for tap in call.results[1:]}
    return parts, edges, values | {name: source(name) for name in absent}


def _part(call: _Repeat, path: str, level: int, depth: int) -> Part:
    target, inner_path = call.target, f"{path}{call.name}"
    is_open = not isinstance(target, Op) and level < depth and _steps_of(target)
    what, look, shortcut = _what(call, is_open), "block", ""
    inner: Graph | None = None
    if isinstance(target, Op):
        look = _look(target)
    elif is_open:
        calls = _calls(target) if isinstance(target, Block) else _blocks(target)
        block = target if isinstance(target, Block) else None
        parts, edges, values = _inside(calls, block, f"{inner_path}.", level + 1, depth)
        exit = values[block.output][0] if block is not None else len(parts) - 1
        inner = Graph(tuple(parts), tuple(edges), exit, call.input_shapes[0] if call.input_shapes else call.shape)
    elif isinstance(target, Block):
        shortcut = _shortcut(target)
        shortcut = "each" if call.count > 1 and shortcut == "identity" else shortcut
    return Part(
        inner_path, call.name, what, call.shape, call.cost, look, inner, shortcut, call.is_shortcut, _holds(call)
    )


def _steps_of(target: Block | Chain) -> bool:
    return bool(target.calls if isinstance(target, Block) else target.runs)


def _what(call: _Repeat, is_open: bool) -> str:
    target = call.target
    if isinstance(target, Op):
        return target.summary()
    if isinstance(target, Block):
        if target.definition.class_name == STEPS:
            return ""
        return f"{call.count} × {instance(target)}" if call.count > 1 else instance(target)
    kinds = dict.fromkeys(instance(run.block) for run in target.runs)
    names = dict.fromkeys(run.block.definition.name for run in target.runs)
    told = next(iter(kinds)) if len(kinds) == 1 else " and ".join(names) if len(names) < 3 else "blocks"
    shortcuts = dict.fromkeys(name for run in target.runs if (name := _shortcut(run.block)))
    over = f", shortcut {' and '.join(shortcuts)}" if shortcuts and not is_open else ""
    return f"{len(target)} × {told}{over}"


def _shortcut(block: Block) -> str:
    """What a block has for a shortcut; empty where it has none."""
    if block.branch is None or not any(call.role == "merge" and call.present for call in block.calls):
        return ""
    projected = any(call.role == "shortcut" and call.present for call in block.calls)
    return block.variant.strip("'") if projected else "identity"


def instance(block: Block) -> str:
    """A block's name with the whole numbers and pairs that are said of it; rates and choices by word are left to the table."""
    told = [f"{name}={_number(value)}" for name, value in options(block).items() if _is_whole(value)]
    return f"{block.definition.name} {', '.join(told)}".strip()


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, tuple) and all(isinstance(part, int) for part in value))


def _number(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value).lower()
    return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))


def _look(op: Op) -> str:
    """How an operation is coloured, by what its class says of it."""
    if op.is_layer:
        return "layer"
    if op.is_norm:
        return "norm"
    if op.is_merge or op.joins_axes or op.inputs[0] > 1:
        return "merge"
    return "pool" if op.window() != ((1, 1), (1, 1)) else "other"


def _holds(call: _Repeat) -> object:
    return _content(call.target), call.count, call.shape


def _content(target: Op | Block | Chain) -> object:
    if isinstance(target, Op):
        return target
    if isinstance(target, Chain):
        return tuple((run.count, _content(run.block)) for run in target.runs)
    present = [call for call in target.calls if call.present]
    return tuple((call.name, _inputs(target, call), _content(call.target), call.shape) for call in present)


def _inputs(block: Block, call: Call) -> Sequence[str]:
    absent = {c.name: c.inputs[0] for c in block.calls if not c.present}
    found = []
    for name in call.inputs:
        while name in absent:
            name = absent[name]
        found.append(name)
    return tuple(found)
