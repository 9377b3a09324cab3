"""Checks of a whole network after it is built: what the spec expects of it, and whether its data fits."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics, Related
from archspec.network import Network
from archspec.ops import show

DATASETS: dict[str, tuple[tuple[int, int, int], int]] = {
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "digits": ((1, 8, 8), 10),
}


def check_expectations(net: Network, problems: Diagnostics) -> None:
    """Compare the counts that the spec states with those of the net."""
    node = net.resolved.root.get("expect")
    for key in ("params", "macs", "depth"):
        expected, actual = getattr(net.spec.expect, key), getattr(net.cost, key)
        if node is not None and expected is not None and expected != actual:
            span = (node.get(key) or node).span
            wanted = f"expected {_count(key, expected)}, and the net has {actual:,}"
            problems.add("AS501", wanted, span, f"mend the net, or state `{key}: {actual}`")


def _count(key: str, number: int) -> str:
    """A count that the spec states, in words."""
    if key == "depth":
        return f"depth {number:,}"
    noun = {"params": "parameter", "macs": "multiply-add"}[key]
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def check_data(net: Network, problems: Diagnostics) -> None:
    """Compare the input and the classes of the net with the data set that its recipe names."""
    train = net.resolved.root.get("train")
    if net.spec.train is None or train is None or net.spec.train.data.dataset not in DATASETS:
        return
    dataset = net.spec.train.data.dataset
    (channels, height, width), classes = DATASETS[dataset]
    data = train.get("data") or train
    span = (data.get("dataset") or data).span
    recipe = train.get("recipe")
    related = (
        [Related("the recipe is chosen here", recipe.span)] if recipe and recipe.span.source != span.source else []
    )
    takes, gives = show(net.input_shape), show((channels, height, width))
    if takes != gives:
        problems.add(
            "AS603",
            f"`{dataset}` has images of {gives}, and the net takes {takes}",
            span,
            f"set `input: {{channels: {channels}, size: {height}}}`, or train on other data",
            related,
        )
    if net.classes != classes:
        message = f"`{dataset}` has {classes} classes, and the net {net.classes}"
        problems.add("AS603", message, span, f"set `classes: {classes}`", related)


PASSES = (check_expectations, check_data)
