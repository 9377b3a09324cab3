"""Parameters that are not trained: they stay in the model, and are none of those that a step differentiates or changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flax import nnx

from archspec_flax.names import is_repeated, spec_names
from archspec_runtime.errors import RunError
from archspec_runtime.recipe.patterns import matches


def freeze(model: nnx.Module, patterns: Sequence[str]) -> Any:
    """The filter, for NNX, of the parameters that are trained: all but those of these names.

    Batch norms that have none normalize by their running statistics, and leave them as they are. Raises RunError.
    """
    if not patterns:
        return nnx.Param
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    repeats = {path: node.repeats for path, node in nodes if is_repeated(node)}
    frozen = set()
    for path, node in nodes:
        if not isinstance(node, nnx.Param):
            continue
        names = spec_names(path, repeats)
        held = [matches(name, patterns) for name in names]
        if any(held) and not all(held):
            raise RunError(
                f"{names[0]} to {names[-1]} are one parameter of {len(names)} equal blocks in Flax, and some are frozen",
                "freeze all of these blocks or none, or train with --backend torch",
            )
        if all(held):
            frozen.add(path)
    for path, node in nodes:
        if isinstance(node, nnx.BatchNorm):
            own = [name for name in ("scale", "bias") if getattr(node, name, None) is not None]
            if own and all((*path, name) in frozen for name in own):
                node.use_running_average = True
    return nnx.All(nnx.Param, lambda path, _: tuple(path) not in frozen)
