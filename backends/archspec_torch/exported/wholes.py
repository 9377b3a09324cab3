"""Modules of a file that are one operation of archspec, or one block of its library, by their class and their nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archspec_torch.exported.operators import packet
from archspec_torch.exported.program import Node, Program
from archspec_torch.importing.operations import RefusedError
from archspec_torch.importing.whole import Whole

DROPPING = frozenset(
    {"empty", "new_empty", "bernoulli", "bernoulli_", "rand", "ge", "to", "_to_copy", "div", "div_", "mul"}
)
"""What stochastic depth computes by."""

NORMALIZING = frozenset({"layer_norm", "permute", "movedim", "contiguous"})


def wholes(program: Program, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Whole | RefusedError]:
    """What calls of modules are, by their key; `shapes` are those of the tensors of the model."""
    spans: dict[str, list[Node]] = {}
    for node in program.graph.nodes:
        for key in node.meta["nn_module_stack"]:
            spans.setdefault(key, []).append(node)
    found: dict[str, Whole | RefusedError] = {}
    for key, nodes in spans.items():
        path, kind = nodes[0].meta["nn_module_stack"][key]
        try:
            whole = _whole(kind.rpartition(".")[2], path.partition("@")[0], nodes, shapes)
        except RefusedError as why:
            found[key] = why
        else:
            if whole is not None:
                found[key] = whole
    return found


def _whole(name: str, path: str, nodes: Sequence[Node], shapes: Mapping[str, tuple[int, ...]]) -> Whole | None:
    used = {packet(node.target) for node in nodes}
    if name in ("StochasticDepth", "DropPath") and used <= DROPPING:
        return _drop_path(nodes)
    if name in ("LayerNorm2d", "ChannelNorm") and used <= NORMALIZING:
        eps = _one(nodes, "layer_norm").args[4:5] or (1e-5,)
        return "layer_norm", {"eps": eps[0]} if eps[0] != 1e-6 else {}
    if name == "MultiheadAttention" and f"{path}.in_proj_weight" in shapes:
        return _attention(path, nodes, shapes)
    if name.startswith("ShiftedWindowAttention") and not name.endswith("V2"):
        return _window_attention(path, nodes, shapes)
    return None


def _one(nodes: Sequence[Node], name: str) -> Node:
    found = [node for node in nodes if packet(node.target) == name]
    if len(found) != 1:
        raise RefusedError(f"a module with {len(found)} operations {name}, where one is expected")
    return found[0]


def _drop_path(nodes: Sequence[Node]) -> Whole | None:
    """Stochastic depth: a tensor of numbers for each sample, or for the batch, that are kept with some probability."""
    drawn = [node for node in nodes if packet(node.target) in ("bernoulli_", "bernoulli", "ge")]
    made = [node for node in nodes if packet(node.target) in ("empty", "new_empty", "rand")]
    if len(drawn) != 1 or len(made) != 1 or len(drawn[0].args) < 2 or not isinstance(drawn[0].args[1], float):
        return None
    if len([node for node in nodes if packet(node.target) in ("div", "div_")]) != 1:
        raise RefusedError("a drop path that does not scale what it keeps")
    rate = drawn[0].args[1] if packet(drawn[0].target) == "ge" else 1 - drawn[0].args[1]
    batch = nodes[-1].meta["val"].shape[0] > 1 and made[0].meta["val"].shape[0] == 1
    return "drop_path", {"rate": round(rate, 12), **({"per_batch": True} if batch else {})}


def _attention(path: str, nodes: Sequence[Node], shapes: Mapping[str, tuple[int, ...]]) -> Whole:
    if f"{path}.bias_k" in shapes or f"{path}.in_proj_bias" not in shapes:
        raise RefusedError("an attention with separate or extra projections")
    product = _one(nodes, "scaled_dot_product_attention")
    if len(product.args) > 4 and product.args[4]:
        raise RefusedError("an attention with dropout of its weights")
    return "self_attention", {"heads": product.args[0].meta["val"].shape[1]}


def _window_attention(path: str, nodes: Sequence[Node], shapes: Mapping[str, tuple[int, ...]]) -> Whole:
    rows, heads = shapes.get(f"{path}.relative_position_bias_table", (0, 0))
    size = (math.isqrt(rows) + 1) // 2
    rolls = [node for node in nodes if packet(node.target) == "roll"]
    shifts = [abs(shift) for shift in rolls[0].args[1]] if rolls else [0]
    if (2 * size - 1) ** 2 != rows or len(set(shifts)) != 1:
        raise RefusedError("attention in windows that are not square")
    if any(packet(node.target) == "dropout" and node.args[1] for node in nodes):
        raise RefusedError("an attention in windows with dropout")
    return "window_attention", {"heads": heads, "size": size, "shift": shifts[0]}


def dropping(program: Program, found: Mapping[str, Any]) -> frozenset[Node]:
    """The nodes of stochastic depth."""
    keys = {key for key, whole in found.items() if isinstance(whole, tuple) and whole[0] == "drop_path"}
    return frozenset(node for node in program.graph.nodes if keys & node.meta["nn_module_stack"].keys())
