"""Building of graphs in Python: steps are added one after the other, and every value gets its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from archspec.ir.graph import STEPS, Block, Call, Chain, Definition, Output, Role, tapped
from archspec.ops import Features, Op, ShapeError, typed
from archspec.ops.starts import Start
from archspec.syntax.expressions import Value
from archspec.syntax.identifiers import class_name, net_class_name

NONE: Mapping[str, Start] = MappingProxyType({})


@lru_cache(maxsize=1024)
def define(
    name: str, arguments: tuple[str, ...], positional: bool, *, doc: str = "", net: bool = False
) -> Definition:
    """What blocks of one name with the same arguments are instances of: one definition, which one class is emitted for."""
    steps = re.fullmatch(r"\d+ steps?", name) is not None  # what chains without a declaration are called
    called = net_class_name(class_name(name)) if net else STEPS if steps else class_name(name)
    own = tuple(argument for argument in arguments if argument != "in_channels")
    return Definition(name, called, doc, own, {}, positional or steps)


class GraphBuilder:
    """A block or net in the making, whose inputs are given by name; a block also says the arguments that it was made with.

    graph = GraphBuilder("net", {"input": Image((3, 32, 32))})
    graph.add("conv1", Conv(out=16, kernel=(3, 3)), "input")
    net = Network(graph.block("conv1"))
    """

    def __init__(self, name: str, inputs: Mapping[str, Features], args: Mapping[str, Value] | None = None) -> None:
        self.name = name
        self.is_net = args is None
        first = next(iter(inputs.values()))
        self.args: dict[str, Value] = {} if args is None else {"in_channels": first.channels, **args}
        self.inputs = tuple(inputs.items())
        self.types = dict(inputs)
        self.calls: list[Call] = []

    def add(
        self,
        name: str,
        target: Op | Block | Chain,
        *inputs: str,
        role: Role = "body",
        starts: Mapping[str, Start] = NONE,
        owner: str | None = None,
    ) -> str:
        """Apply an operation, block or stage to values; gives the name of the result.

        `starts` are what its parameters are initialized from; those of a step that has an `owner` are that step's.

        Raises ValueError where a value is unknown or the name is taken, and ShapeError where the target does not take them.
        """
        if name in self.types:
            raise ValueError(f"`{name}` is given twice")
        shapes = tuple(self.type(value) for value in inputs)
        if isinstance(target, Op):
            fewest, most = target.inputs
            if not fewest <= len(inputs) <= most:
                raise ShapeError("AS307", f"`{target.kind}` does not take {len(inputs)} inputs")
            shape = typed(target.output_shape(*shapes))
        else:
            given = target.runs[0].block.inputs if isinstance(target, Chain) else target.inputs
            if tuple(shape for _, shape in given) != shapes:
                raise ShapeError("AS401", f"`{name}` is made for other inputs than {', '.join(inputs)}")
            shape = target.shape
        call = Call(name, target, inputs, shapes, shape, role=role, starts=tuple(starts.items()), owner=owner)
        self.calls.append(call)
        self.types[name] = shape
        taps = target.taps if isinstance(target, Block) else ()
        for outer, tap in zip(tapped(call), taps, strict=True):
            made = target.call(tap) if isinstance(target, Block) else None
            assert made is not None, "a block has the steps that it taps"
            self.types[outer] = made.shape
        return name

    def type(self, value: str) -> Features:
        """The type of a value. Raises ValueError where there is none."""
        if value not in self.types:
            raise ValueError(f"there is no value `{value}` before this step")
        return self.types[value]

    def block(
        self, output: str, *, doc: str = "", branch: str | None = None, taps: Sequence[str] = (),
        outputs: Sequence[Output] = (),
    ) -> Block:  # fmt: skip
        """The graph with the value that it gives; `branch` is the one that the shortcut was merged with."""
        positional = bool(self.calls) and all(call.name.isdecimal() for call in self.calls)
        definition = define(self.name, tuple(self.args), positional and not self.is_net, doc=doc, net=self.is_net)
        return Block(
            definition, self.args, self.inputs, tuple(self.calls), output, self.type(output), branch,
            taps=tuple(taps), outputs=tuple(outputs),
        )  # fmt: skip
