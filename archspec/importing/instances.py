"""Blocks as they stand in a model: their steps, and the addition of what they took that makes them residual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.importing.entries import Entry
from archspec.importing.traced import INPUT, SHARE, InexpressibleError, Operation
from archspec.importing.tree import Group, Step, in_order
from archspec.ops import Features

Used = Callable[[Group], Entry]
"""The use of a block for a group that is one."""


@dataclass(slots=True)
class Instance:
    """One block of a model: `shortcut` is what is added to its steps, the input itself or a step on it."""

    group: Group
    entries: tuple[Entry, ...]
    after: tuple[Entry, ...]
    in_shape: Features
    out_shape: Features
    sequence: bool
    shortcut: Entry | str | None = None
    slots: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def skeleton(self) -> object:
        """What tells it from blocks of other definitions."""
        steps = tuple(tuple(entry.skeleton() for entry in part) for part in (self.entries, self.after))
        return self.group.class_name, self.sequence, steps

    @property
    def stride(self) -> int:
        """By how much it makes an image smaller."""
        return -(-self.in_shape[-1] // self.out_shape[-1])

    @property
    def grows(self) -> bool:
        """Whether the result has another shape than the input."""
        return self.stride != 1 or self.in_shape.channels != self.out_shape.channels


def instance(group: Group, shapes: Mapping[str, Features], used: Used, *, merged: bool) -> Instance:
    """A group as a block; where it is `merged`, with its shortcut apart from its steps."""
    sequence = in_order(group) and all(step.name is not None for step in group.steps)
    entries = listed(group.steps, group.input, shapes, used, named=not numbered(group))
    found = Instance(group, tuple(entries), (), shapes[group.input], shapes[group.output], sequence)
    parted = _parted(group, entries) if merged and not sequence else None
    if parted is None:
        return found
    shortcut, body, after = parted
    found.entries = tuple(listed(body, group.input, shapes, used))
    found.after = tuple(listed(after, after[0].inputs[0], shapes, used)) if after else ()
    found.shortcut = INPUT if shortcut is None else _beside(shortcut, shapes, used)
    return found


def _beside(shortcut: Step, shapes: Mapping[str, Features], used: Used) -> Entry:
    """The step of a shortcut, the steps of a sequence one by one: the shortcut has the name of the block that they are."""
    target = shortcut.target
    made = entry(shortcut, shortcut.name, (), shapes, used)
    if not isinstance(target, Group) or not numbered(target):
        return made
    chain = listed(target.steps, target.input, shapes, used, named=False)
    return Entry(shortcut.name, "", {}, (), tuple(chain), made.stateful, made.shape)


def numbered(group: Group) -> bool:
    """Whether the steps are those of a sequence that counts them."""
    return in_order(group) and [step.name for step in group.steps] == [str(i) for i in range(len(group.steps))]


def listed(
    steps: Sequence[Step], before: str, shapes: Mapping[str, Features], used: Used, *, named: bool = True,
    called: dict[str, str] | None = None, asked: Collection[str] = (),
) -> list[Entry]:  # fmt: skip
    """Steps as entries, whose values are called by the steps that give them; those that are asked for have a name."""
    called = {} if called is None else called
    called[before] = INPUT
    lasts = [before]  # a tensor that takes no value leaves the one before it
    for step in steps:
        lasts.append(step.output if step.inputs else lasts[-1])
    needed = {value for step, last in zip(steps, lasts, strict=False)
              for value in step.inputs if step.inputs != (last,)} | set(asked)  # fmt: skip
    taken = {step.name for step in steps}
    found: list[Entry] = []
    for step, last in zip(steps, lasts, strict=False):
        name = step.name if named else None
        if name is None and step.output in needed and named:
            kind = step.target.called if isinstance(step.target, Operation) else step.target.class_name.lower()
            name = next(n for n in (kind, *(f"{kind}{i}" for i in range(2, 999))) if n not in taken)
            taken.add(name)
        inputs = () if step.inputs == (last,) else tuple(called[value] for value in step.inputs)
        made = entry(step, name, inputs, shapes, used)
        if made.kind == SHARE:
            owner = called.get(made.args["of"])
            if not owner or owner == INPUT or not named:
                raise InexpressibleError(
                    "weights are used twice, by steps of two lists, and `share` is of one list"
                )
            name = name or next(n for n in (f"{owner}{i}" for i in range(2, 999)) if n not in taken)
            taken.add(name)
            made = replace(made, name=name, args={"of": owner})
        found.append(made)
        called[step.output] = name or ""
    return found


def entry(
    step: Step, name: str | None, inputs: tuple[str, ...], shapes: Mapping[str, Features], used: Used
) -> Entry:
    """A step as an entry: an operation, a chain or the use of a block."""
    target, shape = step.target, shapes[step.output]
    if isinstance(target, Operation):
        return Entry(name, target.kind, target.args, inputs, stateful=target.stateful, shape=shape)
    if target.plain and in_order(target):
        chain = listed(target.steps, target.input, shapes, used, named=not numbered(target))
        stateful = any(inner.stateful for inner in chain)
        return Entry(name, "", {}, inputs, tuple(chain), stateful, shape)
    return replace(used(target), name=name, inputs=inputs, shape=shape)


def _parted(group: Group, entries: Sequence[Entry]) -> tuple[Step | None, list[Step], list[Step]] | None:
    """The shortcut, the steps of the branch and those after both are added; None where there is no such addition.

    The shortcut is one step on the input, None where it is the input itself.
    """
    steps = group.steps
    at = len(steps) - 1
    while at > 0 and not entries[at].inputs and not entries[at].stateful and entries[at].chain is None:
        at -= 1
    if entries[at].kind != "add" or len(steps[at].inputs) != 2:
        return None
    uses = Counter(value for step in steps for value in step.inputs)
    made = {step.output: place for place, step in enumerate(steps)}
    for value, branch in (steps[at].inputs, steps[at].inputs[::-1]):
        place = made.get(value)
        if place is not None and (steps[place].inputs != (group.input,) or uses[value] != 1):
            continue
        if place is None and value != group.input:
            continue
        if place is not None and not entries[place].stateful:
            continue
        body = [step for i, step in enumerate(steps[:at]) if i != place]
        if body and body[-1].output == branch and uses[branch] == 1:
            return None if place is None else steps[place], body, steps[at + 1 :]
    return None
