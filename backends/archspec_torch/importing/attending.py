"""Attention, as the framework's own function or written out: softmax(Q K^T scale) V in heads of channels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from archspec.ops.shapes import Tokens
from archspec_torch.importing.arrangements import Arranged, Part, heads, row, whole_value
from archspec_torch.importing.built import Built
from archspec_torch.importing.operations import RefusedError


@dataclass(frozen=True, slots=True)
class Scores:
    """The products of queries and keys, times a factor; `weights` after their softmax."""

    queries: Arranged
    keys: Arranged
    factor: float
    weights: bool = False


def attention(built: Built, node: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`scaled_dot_product_attention`."""
    given = (
        dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"), args, strict=False))
        | kwargs
    )
    if given.get("attn_mask") is not None or given.get("is_causal"):
        raise RefusedError("an attention with a mask")
    if given.get("dropout_p"):
        raise RefusedError("an attention with dropout of its weights")
    return _attended(built, node, given["query"], given["key"], given["value"], given.get("scale"))


def product(built: Built, node: Any, one: Any, other: Any) -> Any:
    """A product of matrices: of queries and keys, or of the weights of an attention and values."""
    if isinstance(one, Scores) and one.weights:
        keys = replace(one.keys, axes=(*one.keys.axes[:2], one.keys.axes[3], one.keys.axes[2]))
        return _attended(built, node, one.queries, keys, other, one.factor)
    if heads(one) is not None and heads(other, turned=True) is not None:
        return Scores(one, other, one.factor * other.factor)
    raise RefusedError("a product of matrices that is no attention of heads")


def scaled(one: Any, factor: float) -> Any:
    """Queries, keys or scores times a number."""
    return replace(one, factor=one.factor * factor)


def _attended(built: Built, node: Any, query: Any, key: Any, value: Any, scale: float | None) -> Any:
    counts = {heads(one) for one in (query, key, value)}
    if len(counts) != 1 or None in counts:
        raise RefusedError("an attention whose queries, keys and values are not tokens in as many heads")
    width = query.sizes[-1]
    if scale is not None and not math.isclose(scale, width**-0.5, rel_tol=1e-6):
        raise RefusedError(
            f"an attention with the scale {scale}; that of its heads of {width} channels is {width**-0.5:.4g}"
        )
    names = [built.value(node, built.plain(row(one))) for one in (query, key, value)]
    built.call(dict(zip(names, ("query", "key", "value"), strict=True)))
    stack = node.meta["nn_module_stack"]
    result = built.add(node, "attention", {"heads": counts.pop()}, names, stack)
    return _in_heads(built, node, result, value.sizes[1])


def _in_heads(built: Built, node: Any, result: str, count: int) -> Any:
    """What an attention gives, as the function does: heads before places."""
    shape = built.shapes[result]
    assert isinstance(shape, Tokens)
    x = whole_value(result, shape, built.batch, windows=result in built.in_windows)
    channels, width = len(shape) - 1, shape.channels // count
    split = (Part(channels, width, count),) if count > 1 else ()
    axes = (x.axes[0], split, x.axes[1], (Part(channels, 1, width),))
    return built.arranged(node, replace(x, axes=axes))
