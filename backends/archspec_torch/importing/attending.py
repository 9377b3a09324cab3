"""Attention, as the framework's own function or written out: softmax(Q K^T scale + bias) V in heads of channels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from archspec.ops.shapes import Tokens
from archspec_torch.importing.arrangements import Arranged
from archspec_torch.importing.attention_heads import heads, in_heads, row, turned
from archspec_torch.importing.built import Built
from archspec_torch.importing.lookups import Lookup, bias_of
from archspec_torch.importing.operations import RefusedError


@dataclass(frozen=True, slots=True)
class Scores:
    """The products of queries and keys, times a factor, and a bias; `weights` after their softmax, `turned` with keys first."""

    queries: Arranged
    keys: Arranged  # (heads, D, L)
    factor: float
    bias: str | None = None
    weights: bool = False
    turned: bool = False


def attention(built: Built, node: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`scaled_dot_product_attention`."""
    given = (
        dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"), args, strict=False))
        | kwargs
    )
    if given.get("is_causal"):
        raise RefusedError("an attention with a causal mask")
    if given.get("dropout_p"):
        raise RefusedError("an attention with dropout of its weights")
    bias = None if given.get("attn_mask") is None else _bias(built, node, given["attn_mask"])
    return _attended(built, node, given["query"], given["key"], given["value"], given.get("scale"), bias)


def product(built: Built, node: Any, one: Any, other: Any) -> Any:
    """A product of matrices: of queries and keys, or of the weights of an attention and values."""
    if isinstance(one, Scores) and one.weights and not one.turned:
        return _attended(built, node, one.queries, turned(one.keys), other, one.factor, one.bias)
    if isinstance(other, Scores) and other.weights and other.turned and isinstance(one, Arranged):
        scores = other
        found = _attended(built, node, scores.queries, turned(scores.keys), turned(one), scores.factor, scores.bias)
        return built.arranged(node, turned(built.whole(found)))
    if heads(one) is not None and heads(other, turned=True) is not None:
        return Scores(one, other, one.factor * other.factor)
    raise RefusedError("a product of matrices that is no attention of heads")


def scaled(one: Any, factor: float) -> Any:
    """Queries, keys or scores times a number."""
    if isinstance(one, Scores) and (one.bias is not None or one.weights):
        raise RefusedError("an attention whose scores are scaled after their bias or their softmax")
    return replace(one, factor=one.factor * factor)


def of_scores(built: Built, node: Any, name: str, args: list[Any]) -> Scores:
    """What a function gives of the scores or the weights of an attention."""
    one: Scores = args[0]
    rest = args[1:]
    last = len(one.queries.axes) - 1
    if name == "softmax" and rest[0] in (-1, last) and not one.turned:
        return replace(one, weights=True)
    if name == "dropout" and (not rest[0] or not rest[1]):
        return replace(one)
    if name == "transpose" and {axis % (last + 1) for axis in rest} == {last - 1, last}:
        return replace(one, turned=not one.turned)
    if name == "add" and not one.weights and not one.turned and one.bias is None:
        return replace(one, bias=_bias(built, node, rest[0]))
    raise RefusedError("an attention whose scores are more than products with a bias and a softmax")


def _bias(built: Built, node: Any, bias: Any) -> str:
    """A value (heads, L, L) that does not depend on the images."""
    if isinstance(bias, Lookup):
        return bias_of(built, node, bias)
    if isinstance(bias, str) and bias in built.constants and len(built.shapes[bias]) == 3:
        return bias
    raise RefusedError("an attention with a mask, or with a bias that is no learned one of each head")


def _attended(
    built: Built, node: Any, query: Any, key: Any, value: Any, scale: float | None, bias: str | None
) -> Any:
    one, two, three = (one if isinstance(one, Arranged) else _whole(built, one) for one in (query, key, value))
    counts = {heads(each) for each in (one, two, three)}
    if len(counts) != 1 or None in counts:
        raise RefusedError("an attention whose queries, keys and values are not tokens in as many heads")
    width = one.sizes[-1]
    factor = one.factor * two.factor * width**-0.5 if scale is None else scale
    if three.factor != 1 or not math.isclose(factor, width**-0.5, rel_tol=1e-6):
        raise RefusedError(
            f"an attention with the scale {factor:.6g}; that of its heads of {width} channels is {width**-0.5:.4g}"
        )
    names = [built.value(node, built.plain(row(each))) for each in (one, two, three)]
    built.call(dict(zip(names, ("query", "key", "value"), strict=True)))
    (count,) = counts
    given = [*names, *([bias] if bias else [])]
    result = built.add(node, "attention", {"heads": count}, given, node.meta["nn_module_stack"])
    shape = built.shapes[result]
    assert isinstance(shape, Tokens)
    windows = result in built.in_windows
    made = in_heads(result, shape, count or 1, built.batch, windows=windows, axis=len(one.axes) == 4)
    return built.arranged(node, made)


def _whole(built: Built, value: Any) -> Any:
    return built.whole(value) if isinstance(value, str) else value
