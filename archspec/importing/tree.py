"""The tree of a traced model: groups of steps, one for each call of a module, in order of execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from archspec.importing.traced import INPUT, SHARE, Operation, Traced
from archspec.language.step import MODIFIERS
from archspec.ops import Features, Image


@dataclass(slots=True)
class Group:
    """What a module computes of one value; one that is `plain` needs no class of its own."""

    path: str
    class_name: str
    plain: bool
    input: str
    output: str
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """An operation, or a group, under a name that is relative to the group around; a function has none."""

    name: str | None
    target: Operation | Group
    inputs: tuple[str, ...]
    output: str


def tree(net: Traced) -> Group:
    """All operations of a model as the group of its outermost module."""
    used: dict[str, int] = {}
    for position, op in enumerate(net.operations):
        used.update(dict.fromkeys(op.inputs, position))
    used.update(dict.fromkeys(net.outputs.values(), len(net.operations)))
    last = {op.result: used.get(op.result, -1) for op in net.operations}
    root = Group("", net.class_name, False, INPUT, next(iter(net.outputs.values())))
    root.steps = _steps(net, list(enumerate(net.operations)), 0, "", last)
    return root


def shapes(net: Traced) -> dict[str, Features]:
    """The type of every value."""
    return {INPUT: Image(net.input), **{op.result: op.shape for op in net.operations}}


def _steps(
    net: Traced, ops: Sequence[tuple[int, Operation]], depth: int, path: str, last: dict[str, int]
) -> list[Step]:
    found: list[Step] = []
    for key, inner in groupby(ops, lambda op: op[1].scopes[depth].key if len(op[1].scopes) > depth else None):
        own = list(inner)
        if key is None:
            found += [Step(relative(op.path, path), op, op.inputs, op.result) for _, op in own]
            continue
        scope = own[0][1].scopes[depth]
        name = relative(scope.path, path)
        itself = any(
            op.path == scope.path for _, op in own
        )  # a layer with parts, as a normalization with its activation
        group = None if itself else _group(net, own, depth, last)
        if group is not None and (again := _again(group, found)) is not None:
            found.append(again)
        elif group is not None and _is_whole(group, name):
            found.append(Step(name, group, (group.input,), group.output))
        else:  # a module of several values, of none, or without a name: its steps stand in the one around it
            found += [
                Step(_behind(name, step, itself), step.target, step.inputs, step.output)
                for step in _steps(net, own, depth + 1, scope.path, last)
            ]
    return _named_once(_folded(net, found, path, last))


def _again(group: Group, before: Sequence[Step]) -> Step | None:
    """The step that applies the layers of an earlier call of the same module, where a group is nothing else."""
    for step in before:
        first = step.target
        if not isinstance(first, Group) or first.path != group.path:
            continue
        pairs = list(zip(_operations(first), _operations(group), strict=False))
        same = len(_operations(first)) == len(_operations(group)) and all(_repeats(*pair) for pair in pairs)
        if same and any(one.stateful for one, _ in pairs):
            last = next(op for op in _operations(group) if op.result == group.output)
            shared = replace(
                last, kind=SHARE, args={"of": step.output}, inputs=(group.input,), path=None, stateful=True
            )
            return Step(None, shared, (group.input,), group.output)
    return None


def _repeats(one: Operation, other: Operation) -> bool:
    """Whether an operation is another of a former call once more."""
    if one.stateful:
        return other.kind == SHARE and other.args["of"] == (one.args["of"] if one.kind == SHARE else one.result)
    return (one.kind, one.args) == (other.kind, other.args)


def _operations(group: Group) -> list[Operation]:
    found: list[Operation] = []
    for step in group.steps:
        found += [step.target] if isinstance(step.target, Operation) else _operations(step.target)
    return found


def _behind(name: str | None, step: Step, itself: bool) -> str | None:
    """The name of a step of a module that has none of its own: of a layer with parts, the layer has the name."""
    if not itself:
        return f"{name}.{step.name}" if step.name else None
    if isinstance(step.target, Operation) and step.name is None and step.target.path:
        return name
    has_tensors = not isinstance(step.target, Operation) or step.target.stateful
    return f"{name}.{step.name}" if step.name and has_tensors else None


def _group(net: Traced, ops: Sequence[tuple[int, Operation]], depth: int, last: dict[str, int]) -> Group | None:
    """The call of a module, where it takes one value and gives one."""
    scope, results = ops[0][1].scopes[depth], [op.result for _, op in ops]
    taken = dict.fromkeys(value for _, op in ops for value in op.inputs if value not in results)
    given = [result for result in results if last[result] > ops[-1][0]]
    if len(taken) != 1 or len(given) != 1:
        return None
    group = Group(scope.path, scope.class_name, scope.plain, next(iter(taken)), given[0])
    group.steps = _steps(net, ops, depth + 1, scope.path, last)
    if scope.plain and in_order(group):
        group.steps = list(_with_places(group, net.children.get(scope.path, ())))
    return group


def _is_whole(group: Group, name: str | None) -> bool:
    """Whether a call is a step: modules that hand on several values have numbers for names, and no step is called `repeat`."""
    numbers = any((step.name or "").partition(".")[0].isdecimal() for step in group.steps)
    return name not in MODIFIERS and (in_order(group) or not numbers)


def relative(path: str | None, around: str) -> str | None:
    """A path below another, None for what has none, is that itself, or lies elsewhere."""
    if path is None or (around and not path.startswith(f"{around}.")):
        return None
    return path[len(around) + 1 :] if around else path


def in_order(group: Group) -> bool:
    """Whether the steps follow one another, each under a name of one part."""
    names = [step.name for step in group.steps]
    values = [group.input, *(step.output for step in group.steps)]
    return (
        all(name is not None and "." not in name for name in names)
        and len(set(names)) == len(names)
        and all(step.inputs == (value,) for step, value in zip(group.steps, values, strict=False))
        and values[-1] == group.output
    )


def _with_places(group: Group, children: Iterable[str]) -> Iterator[Step]:
    """The steps of a sequence, with an identity wherever one of its modules did nothing: numbers count from 0."""
    made = {step.name: step for step in group.steps}
    value = group.input
    for name in children:
        if name in made:
            yield made[name]
            value = made[name].output
        elif name.isdecimal():
            yield Step(name, Operation(value, "identity", {}, (value,), (), None, Features()), (value,), value)


def _folded(net: Traced, steps: list[Step], path: str, last: dict[str, int]) -> list[Step]:
    """Modules of a list that follow one another, `layers.0` and `layers.1`, as one sequence `layers`.

    One whose values between them are used elsewhere is none, also by a module around.
    """
    made = {op.result: position for position, op in enumerate(net.operations)}
    found: list[Step] = []
    for head, inner in groupby(steps, lambda step: (step.name or "").rpartition(".")[0]):
        own = list(inner)
        whole = f"{path}.{head}" if path and head else head
        numbers = [(step.name or "").rpartition(".")[2] for step in own]
        group = Group(whole, "", True, own[0].inputs[0] if own[0].inputs else "", own[-1].output)
        group.steps = [
            Step(name, step.target, step.inputs, step.output) for name, step in zip(numbers, own, strict=True)
        ]
        inside = {step.output for step in own[:-1]}
        tapped = any(last.get(value, 0) > made.get(own[-1].output, 0) for value in inside)
        tapped |= any(value in inside for step in steps if step not in own for value in step.inputs)
        everything = tuple(numbers) == net.children.get(whole)
        if head and "." not in head and head not in MODIFIERS and everything and not tapped and in_order(group):
            found.append(Step(head, group, (group.input,), group.output))
        else:
            found += own
    return found


def _named_once(steps: list[Step]) -> list[Step]:
    """Names of modules without tensors go to the first of several calls."""
    met: set[str] = set()
    for step in steps:
        if step.name in met:
            step.name = None
        elif step.name is not None:
            met.add(step.name)
    return steps
