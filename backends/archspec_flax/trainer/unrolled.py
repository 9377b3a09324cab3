"""A model whose equal blocks are one by one again, so that each can be reached."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from archspec_flax.names import is_repeated


class Blocks(nnx.List[Any]):
    """Blocks applied one after the other, under the names 0, 1, 2, ..."""

    def __call__(self, x: Array) -> Array:
        """Map x through all blocks."""
        for block in self:
            x = block(x)
        return x


def without_loops(model: nnx.Module) -> None:
    """Compile each of the blocks that a layer stacks by itself, where their parameters stay stacked.

    For processes that share a run on CPUs: XLA keeps the order of all-reduces within one computation alone, and runs those
    in a loop's body beside those around it, in an order that each process has for itself.
    """
    for _, node in list(nnx.iter_graph(model)):
        if is_repeated(node):
            node.__class__ = type(type(node).__name__, (type(node),), {"__call__": _one_by_one})


def _one_by_one(self: Any, x: Array) -> Array:
    parts: Any = nnx.split(self.blocks, nnx.Param, ...)
    graph, params, rest = parts
    after = []
    for index in range(self.repeats):
        block = nnx.merge(graph, *jax.tree.map(lambda leaf, index=index: leaf[index], (params, rest)))
        x = block(x)
        after.append(nnx.state(block, nnx.Not(nnx.Param)))
    nnx.update(self.blocks, jax.tree.map(lambda *leaves: jnp.stack(leaves), *after))
    return x


def unroll(model: nnx.Module) -> None:
    """Put a block for each of those that a layer stacks, under the spec's names."""
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    repeated = {path: node for path, node in nodes if is_repeated(node)}
    by_path = dict(nodes)
    for stage in {path[:-1] if isinstance(path[-1], int) else path for path in repeated}:
        whole = stage in repeated
        layers = [repeated[stage]] if whole else list(by_path[stage])
        blocks = Blocks(
            [block for layer in layers for block in (_blocks(layer) if is_repeated(layer) else [layer])]
        )
        *above, last = stage
        parent = by_path[tuple(above)]
        if isinstance(last, int):
            parent[last] = blocks
        else:
            setattr(parent, last, blocks)


def _blocks(layer: Any) -> list[Any]:
    graph, state = nnx.split(layer.blocks)
    return [
        nnx.merge(graph, jax.tree.map(lambda leaf, index=index: leaf[index], state))
        for index in range(layer.repeats)
    ]
