"""Which equal blocks are compiled once, their parameters stacked, instead of one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.ir import Block, Chain, Run, rows
from archspec.ir.network import Network

ROLLED = 8
"""So many equal blocks or more are one layer. A compiler takes a second or so for each block that is written out."""

DRAWN = frozenset({"conv", "linear", "batch_norm", "group_norm", "layer_norm"})
"""Operations whose layers are made with random numbers, as those that are stacked are."""


def is_rolled(run: Run) -> bool:
    """Whether equal blocks are one layer."""
    return run.count >= ROLLED and any(row.op in DRAWN and row.params for row in rows(run.block))


Stages = Mapping[str, Sequence[tuple[int, bool]]]
"""How many blocks each run of a stage has and whether it is one layer, by the dotted names of stages."""


def rolled_stages(net: Network) -> Stages:
    """The stages that have such a layer."""
    return _stages(net.root, "")


def _stages(block: Block, prefix: str) -> dict[str, Sequence[tuple[int, bool]]]:
    found: dict[str, Sequence[tuple[int, bool]]] = {}
    for call in block.calls:
        if isinstance(call.target, Chain) and any(map(is_rolled, call.target.runs)):
            found[f"{prefix}{call.name}"] = tuple((run.count, is_rolled(run)) for run in call.target.runs)
        elif isinstance(call.target, Block):
            found |= _stages(call.target, f"{prefix}{call.name}.")
    return found
