"""Nets of the zoo that compile soon: each kind of their blocks is left, one or two of each, and images as small as they take.

What a compiler takes goes by the number of layers and the size of their maps. Widths stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import archspec
from archspec.diagnostics import SpecError

SIDES = (8, 16, 32, 56, 64, 96, 224)
"""Of images: the smallest that a net takes is taken."""
KINDS = {"block", "act", "se", "stride", "expand", "apart"}
"""Columns of a table that tell one kind of block from another; of the rest, as widths, each row has its own."""
LEFT = {
    **{name: ("features", slice(0, 4)) for name in ("convnext", "swin", "swin_v2")},
    "efficientnet_v2": ("table", slice(0, None, 2)),
    "maxvit_t": ("table", slice(0, 1)),
}
"""Of stages that stand one by one in a chain: two, with what lies between; of a table among the arguments: every other row; of
MaxViT's, whose last row has windows in place of a grid, one."""
FEW = {"densenet": {"layers": [2, 2]}, "densenet_bc": {"layers": 2}}
"""Arguments that say how many layers the blocks have."""
OUT = {
    "googlenet": {"inception3a", "inception4b", "inception4c", "inception4e", "inception5a"},
    "inception_v3": {"Mixed_5b", "Mixed_5c", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_7b"},
}
"""Modules that are like one that is left."""


def small(name: str) -> dict[str, Any]:
    """The spec of a net of the zoo, shortened."""
    net = archspec.load(name, set=FEW.get(name))
    spec = shortened(net.resolved.root.plain(), name.partition(":")[0])
    spec.pop("expect", None)
    spec.pop("presets", None)
    if net.recipe is None:
        spec["train"] = {"recipe": "imagenet_resnet"}
    if net.recipe and "cifar" in net.recipe["data"]["dataset"]:
        spec["train"]["data"]["dataset"] = "image_folder"  # of images of any size
    for side in SIDES:
        if "size" in spec.get("args", {}):
            spec["args"]["size"] = side
        tried = spec | {"input": {**spec.get("input", {}), "size": side}}
        try:
            archspec.load(tried)
        except SpecError:
            continue
        return tried
    raise AssertionError(f"{name} takes none of {SIDES}")


def shortened(value: Any, name: str) -> Any:
    """What a spec holds, without stages, rows and modules that are like others, and with two equal blocks in a row at most."""
    if isinstance(value, list):
        return [
            shortened(item, name)
            for item in value
            if not (isinstance(item, dict) and set(item) & OUT.get(name, set()))
        ]
    if not isinstance(value, dict):
        return value
    cut = {key: shortened(item, name) for key, item in value.items()}
    if "repeat" in cut:
        cut["repeat"] = f"min(2, {cut['repeat']})"
    if isinstance(cut.get("stages"), list):
        cut["stages"] = last_of_each(cut["stages"], kind_of_stage)
    if isinstance(cut.get("table"), list) and "columns" in cut and isinstance(cut["table"][0], list):
        columns = cut["columns"]
        cut["table"] = last_of_each(cut["table"], lambda row: kind_of_row(columns, row))
        if "repeat" in columns:
            place = columns.index("repeat")
            cut["table"] = [[*row[:place], f"min(2, {row[place]})", *row[place + 1 :]] for row in cut["table"]]
    key, left = LEFT.get(name, ("", slice(None)))
    if isinstance(cut.get(key), list):
        cut[key] = cut[key][left]
    return cut


def last_of_each(items: list[Any], kind: Callable[[Any], Any]) -> list[Any]:
    """The last of each run of items of one kind."""
    return [[*alike][-1] for _, alike in groupby(items, kind)]


def kind_of_stage(stage: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stage.items() if key not in ("name", "width", "repeat")}


def kind_of_row(columns: list[str], row: list[Any]) -> list[Any]:
    """Of a stride and an expansion it counts whether they are more than 1."""
    told = [value for column, value in zip(columns, row, strict=True) if column in KINDS]
    return [value > 1 if type(value) in (int, float) else value for value in told]
