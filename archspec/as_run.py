"""A network with what the options of a run change in its recipe, so that what is written of the run is what ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archspec.network import Network
from archspec.reader import Node, Scalar


def as_run(net: Network, *, steps: int | None = None, seed: int | None = None) -> Network:
    """The network whose recipe takes so many steps, or begins with this seed; None leaves either as it is."""
    given: dict[str, Scalar] = {"steps": steps, "seed": seed}
    changed: dict[str, Scalar] = {key: value for key, value in given.items() if value is not None}
    train = net.spec.train
    if train is None or not changed:
        return net
    if steps is not None:
        changed["epochs"] = None
    spec = net.spec.model_copy(update={"train": train.model_copy(update=changed)})
    root = net.resolved.root
    node = root.get("train")
    if isinstance(root.value, dict) and node is not None:
        root = replace(root, value={**root.value, "train": _with(node, changed)})
    return replace(net, resolved=replace(net.resolved, spec=spec, root=root))


def _with(node: Node, changed: Mapping[str, Scalar]) -> Node:
    """A mapping with other values under some keys; None takes one away."""
    entries = dict(node.value) if isinstance(node.value, dict) else {}
    for key, value in changed.items():
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = Node(value, node.key_span(key), origin=f"--{key}")
    return replace(node, value=entries)
