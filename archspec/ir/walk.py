"""Walk through a network: values flow through its operations in order of execution, whatever a value is to who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from archspec.ir.graph import Block, Call, Chain, tapped
from archspec.ops import Op

V = TypeVar("V")

Apply = Callable[[str, Call, Op, tuple[V, ...]], V]
"""What comes of an operation: of its dotted name, its call, itself, and the values that it is given."""


def walk(block: Block, inputs: Sequence[V], apply: Apply[V], *, once: bool = False) -> V:
    """The value that a block gives for these inputs. Steps that are absent pass their first value on.

    With `once`, a block that was given equal values before is not walked again, and operations in it are met by the name of
    the first: for values that can be compared and hashed, where the name does not count.
    """
    return _Walk(apply, once).block(block, tuple(inputs), "")[0]


def walk_results(block: Block, inputs: Sequence[V], apply: Apply[V]) -> dict[str, V]:
    """The values that a block gives for these inputs, by the names of `block.results`."""
    return dict(zip(block.results, _Walk(apply, once=False).block(block, tuple(inputs), ""), strict=True))


class _Walk(Generic[V]):
    def __init__(self, apply: Apply[V], once: bool) -> None:
        self.apply = apply
        self.known: dict[tuple[Block, tuple[V, ...]], tuple[V, ...]] | None = {} if once else None

    def block(self, block: Block, inputs: tuple[V, ...], prefix: str) -> tuple[V, ...]:
        """The values of `block.results`."""
        if self.known is None:
            return self.inside(block, inputs, prefix)
        key = block, inputs
        if key not in self.known:
            self.known[key] = self.inside(block, inputs, prefix)
        return self.known[key]

    def inside(self, block: Block, inputs: tuple[V, ...], prefix: str) -> tuple[V, ...]:
        values = dict(zip((name for name, _ in block.inputs), inputs, strict=True))
        for call in block.calls:
            given = tuple([values[name] for name in call.inputs])
            values[call.name], *others = (
                self.call(call, given, f"{prefix}{call.name}") if call.present else given[:1]
            )
            if others:
                values.update(zip(tapped(call), others, strict=False))
        return tuple([values[name] for name in block.results])

    def call(self, call: Call, given: tuple[V, ...], name: str) -> tuple[V, ...]:
        target = call.target
        if isinstance(target, Block):
            return self.block(target, given, f"{name}.")
        if isinstance(target, Chain):
            (value,) = given
            for index, block in enumerate(each(target)):
                (value,) = self.block(block, (value,), f"{name}.{index}.")
            return (value,)
        return (self.apply(name, call, target, given),)


def each(chain: Chain) -> Iterator[Block]:
    """Every block of a stage in order, equal ones as often as they stand."""
    for run in chain.runs:
        yield from [run.block] * run.count


def operations(block: Block, prefix: str = "") -> Iterator[tuple[str, Call, Op]]:
    """Every operation that is there, in order of execution, with its dotted name and its call."""
    for call in block.calls:
        name, target = f"{prefix}{call.name}", call.target
        if not call.present:
            continue
        if isinstance(target, Block):
            yield from operations(target, f"{name}.")
        elif isinstance(target, Chain):
            for index, inner in enumerate(each(target)):
                yield from operations(inner, f"{name}.{index}.")
        else:
            yield name, call, target
