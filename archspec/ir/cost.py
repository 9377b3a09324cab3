"""What a net costs: exact counts, summed over the graph; equal blocks are counted once and multiplied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import add, attrgetter

from archspec.ir.constants import gives_constant
from archspec.ir.graph import Block, Call, Chain, tapped
from archspec.ir.liveness import training_only
from archspec.ops import Op, Shape, size


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts for one sample.

    params: learned numbers; norm_params: those of them that belong to normalizations; buffers: numbers kept but not
    learned (running mean and variance, and the counter of batches); macs: multiply-adds of convolutions and linear
    layers (a multiplication and an addition are one; biases are not counted); attention_macs: those of products of two
    values, of which neither are weights, as attention has them; activations: numbers in the results of all
    operations; depth: convolutions and linear layers on the longest path from the input to the output, without those of
    shortcuts and gates; modules: operations. Heads of a net that are there only in training count with their parameters,
    buffers and modules, which the model has, and not with what they compute, which inference does not.
    """

    params: int = 0
    norm_params: int = 0
    buffers: int = 0
    macs: int = 0
    attention_macs: int = 0
    activations: int = 0
    depth: int = 0
    modules: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(add, _counts(self), _counts(other)))

    def __mul__(self, times: int) -> Cost:
        return Cost(*(count * times for count in _counts(self)))

    @property
    def stored(self) -> Cost:
        """What is left of it where nothing is computed."""
        return replace(self, macs=0, attention_macs=0, activations=0, depth=0)

    @property
    def params_without_norm(self) -> int:
        """Learned numbers outside normalizations."""
        return self.params - self.norm_params


_counts = attrgetter(*(f.name for f in fields(Cost)))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of many."""
    return Cost(*map(sum, zip(*map(_counts, costs), strict=True)))


@lru_cache(maxsize=4096)
def op_cost(op: Op, inputs: tuple[Shape, ...]) -> Cost:
    """The cost of one operation on inputs of these shapes."""
    params = size(op.parameters(*inputs).values())
    return Cost(
        params=params,
        norm_params=params if op.is_norm else 0,
        buffers=size(op.buffers(*inputs).values()),
        macs=op.macs(*inputs),
        attention_macs=op.attention_macs(*inputs),
        activations=0 if op.makes_constant else size([op.output_shape(*inputs)]),
        depth=int(op.is_layer),
        modules=1,
    )


@lru_cache(maxsize=4096)
def block_cost(block: Block) -> Cost:
    """The cost of a block with all that is in it."""
    costs = {call.name: call_cost(call) for call in block.calls if call.present}
    for name in training_only(block):
        costs[name] = costs[name].stored
    return replace(total(costs.values()), depth=_depth(block, {name: c.depth for name, c in costs.items()}))


def training_cost(root: Block) -> Cost:
    """The cost of what of a net is there only in training."""
    names = training_only(root)
    return total([Cost(), *(call_cost(call) for call in root.calls if call.present and call.name in names)])


def chain_cost(chain: Chain) -> Cost:
    """The cost of all the blocks of a stage."""
    return total(
        block_cost(run.block) * run.count if run.count > 1 else block_cost(run.block) for run in chain.runs
    )


def call_cost(call: Call) -> Cost:
    """The cost of a call that is there; parameters are counted where they belong to."""
    if call.owner is not None:
        own = call_cost(replace(call, owner=None))
        return replace(own, params=0, norm_params=0, buffers=0)
    if isinstance(call.target, Chain):
        return chain_cost(call.target)
    if isinstance(call.target, Op):
        return op_cost(call.target, call.input_shapes)
    cost = block_cost(call.target)
    if call.role == "shortcut":
        return replace(cost, depth=0)
    return cost


def _depth(block: Block, own: Mapping[str, int]) -> int:
    """The layers on the longest path from an input to the output; `own` are those inside of each call.

    The layers of a shortcut do not count, nor those on a path that ends as the gate of a product: they weight what the other
    path computes.
    """
    depths = dict.fromkeys((name for name, _ in block.inputs), 0)
    gates, constants = set[str](), set[str]()
    for call in block.calls:
        if call.present and gives_constant(
            call.target, call.inputs, constants
        ):  # which is on no path from an input
            constants.add(call.name)
            depths[call.name] = 0
            continue
        sources = call.inputs
        if not call.present:
            depths[call.name] = depths[sources[0]]
            gates |= {call.name} if sources[0] in gates else set()
            continue
        if isinstance(call.target, Op) and call.target.takes_gates:
            shapes = zip(sources, call.input_shapes, strict=True)
            weighted = tuple([name for name, shape in shapes if shape == call.shape and name not in gates])
            sources = weighted or sources
        before = depths[sources[0]] if len(sources) == 1 else max([depths[name] for name in sources], default=0)
        depths[call.name] = before + own[call.name]
        if taps := tapped(call):
            depths |= {name: before + inside for name, inside in zip(taps, _tap_depths(call), strict=True)}
        if _is_gate(call):
            gates.add(call.name)
    return (
        depths[block.output]
        if not block.outputs
        else max(depths[o.value] for o in block.outputs if not o.train_only)
    )


def _tap_depths(call: Call) -> list[int]:
    """The layers before the taps of a call, from its input on."""
    block = call.target
    if not isinstance(block, Block) or not block.taps:
        return []
    own = {inner.name: call_cost(inner).depth for inner in block.calls if inner.present}
    return [_depth(replace(block, output=tap, taps=()), own) for tap in block.taps]


def _is_gate(call: Call) -> bool:
    """Whether a value lies between 0 and 1, and so can weight another."""
    target = call.target
    if isinstance(target, Op):
        return target.is_gate
    last = target.runs[-1].block if isinstance(target, Chain) else target
    made = last.call(last.output)
    while made is not None and not made.present:
        made = last.call(made.inputs[0])
    return made is not None and _is_gate(made)
