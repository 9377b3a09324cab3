"""The resolved spec of a run with what its options change in the recipe, so that what is written of the run is what ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archspec.language.run_length import written
from archspec.loading.program import Program
from archspec.syntax.nodes import Node
from archspec.syntax.scalars import Scalar

LENGTHS = {"steps": "--steps", "epochs": "--steps", "seed": "--seed"}


def as_run(net: Program, recipe: Mapping[str, Any]) -> Program:
    """The program with the length, the seed and the schedule of a recipe in its resolved spec.

    The recipe is the program's own but for these: other steps, and ends of phases that were scaled to them.
    """
    root, before = net.resolved.root, net.recipe
    train = root.get("train")
    if before is None or train is None or not isinstance(root.value, dict) or before == dict(recipe):
        return net
    node = train
    for key, option in LENGTHS.items():
        if before[key] != recipe[key]:
            node = _with(node, key, recipe[key], option)
    every = recipe["eval_every"]
    if before["eval_every"] != every:
        node = _with(node, "eval_every", f"{every[every['kind']]} {every['kind']}s", "--eval-every")
    node = _ends_of(node, "lr", before["lr"], recipe["lr"])
    if before["ema"] and before["ema"].get("after") != recipe["ema"].get("after"):
        node = _inside(node, "ema", "after", written(recipe["ema"]["after"]))
    data, old, new = node.get("data"), before["data"], recipe["data"]
    if data is not None:
        data = _ends_of(data, "size", old.get("size") or [], new.get("size") or [])
        if old.get("mix") and old["mix"].get("until") != new["mix"].get("until"):
            data = _inside(data, "mix", "until", written(new["mix"]["until"]))
        node = _put(node, "data", data)
    return replace(net, resolved=replace(net.resolved, root=_put(root, "train", node)))


def _ends_of(node: Node, key: str, before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Node:
    """A mapping with other ends of the phases under a key."""
    phases = node.get(key)
    if phases is None or not isinstance(phases.value, list):
        return node
    items = list(phases.value)
    for index, (old, new) in enumerate(zip(before, now, strict=True)):
        if old["until"] != new["until"]:
            ends = new["until"] if isinstance(new["until"], list) else [new["until"]]
            items[index] = _with(items[index], "until", " or ".join(map(written, ends)), "--scale-schedule")
    return _put(node, key, replace(phases, value=items))


def _inside(node: Node, outer: str, inner: str, value: Scalar) -> Node:
    found = node.get(outer)
    return node if found is None else _put(node, outer, _with(found, inner, value, "--scale-schedule"))


def _with(node: Node, key: str, value: Scalar, origin: str) -> Node:
    """A mapping with another value under a key; None takes the key away."""
    if value is None and isinstance(node.value, dict):
        return replace(node, value={name: inner for name, inner in node.value.items() if name != key})
    return _put(node, key, Node(value, node.key_span(key), origin=origin))


def _put(node: Node, key: str, value: Node) -> Node:
    return replace(node, value={**node.value, key: value}) if isinstance(node.value, dict) else node
