"""Tables of numbers that a model looks up by constants, such as the bias of each pair of pixels in an attention."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from archspec_torch.importing.built import Built
from archspec_torch.importing.operations import RefusedError, Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Lookup:
    """Numbers of a parameter in other places: `places` counts them in it as it lies."""

    table: Tensor
    places: Any


def looked_up(built: Built, node: Any, table: Tensor | Lookup, args: list[Any]) -> Lookup:
    """What a function of PyTorch that moves numbers gives of a parameter, with buffers as indices."""
    import torch

    given = [_index(built, one) for one in args]
    if isinstance(table, Lookup):
        return Lookup(table.table, node.target(table.places, *given))
    whole = torch.arange(math.prod(table.sizes)).reshape(table.view or table.sizes)
    return Lookup(table, node.target(whole, *given))


def _index(built: Built, one: Any) -> Any:
    if isinstance(one, list):
        return [_index(built, each) for each in one]
    if not isinstance(one, Tensor):
        return one
    try:
        found = built.module.get_buffer(one.path)
    except AttributeError:
        raise RefusedError("a parameter that is looked up by another") from None
    return found.reshape(one.view or one.sizes)


def bias_of(built: Built, node: Any, lookup: Lookup) -> str:
    """The step that gives the biases (heads, L, L) of an attention, whose table is a parameter."""
    import torch

    places, table = lookup.places, lookup.table
    places = places[0] if places.ndim == 4 and len(places) == 1 else places
    if places.ndim == 3 and len(table.sizes) == 2 and len(places) == table.sizes[0]:
        heads, area = table.sizes
        if torch.equal(places, places[:1] + area * torch.arange(heads)[:, None, None]):
            for high, stride in ((h, s) for h in range(1, area + 1) if area % h == 0 for s in (1, 2)):
                size = high, area // high
                if torch.equal(places[0], _distances(size, stride)):
                    args: dict[str, Any] = {"size": size[0] if size[0] == size[1] else list(size)}
                    args |= {"stride": stride} if stride > 1 else {}
                    value = built.value(node, table)
                    name = f"{node.name}_bias"
                    return built.add(node, "attention_bias", args, [value], node.meta["nn_module_stack"], name=name)
    raise RefusedError("an attention with a bias that is no table of the rows and columns between pixels")


def _distances(size: tuple[int, int], stride: int) -> Any:
    """The column of a table (heads, h w) for each pair of pixels."""
    import torch

    down, right = ((torch.arange(0, n, stride)[:, None] - torch.arange(n)).abs() for n in size)
    return (size[1] * down[:, None, :, None] + right[:, None]).flatten(2).flatten(0, 1)
