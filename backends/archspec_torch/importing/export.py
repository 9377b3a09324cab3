"""A module as a traced model: checked, exported, and each node of its graph read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archspec.errors import ModelError
from archspec.importing import Traced, partial_spec
from archspec_torch.importing.checks import check_module
from archspec_torch.importing.failures import failure
from archspec_torch.importing.graphs import exported
from archspec_torch.importing.reader import Reader
from archspec_torch.importing.results import like, result_names
from archspec_torch.importing.whole import whole

MOST_ROWS = 20
"""Refusals that a message lists."""


def traced(module: Any, example: Any, *, name: str, source: str = "") -> Traced:
    """A module as it trains on an example, (N, C, H, W). Raises ModelError with all that cannot be said of it."""
    check_module(module, example)
    before = {path: one.training for path, one in module.named_modules()}
    module.train()
    try:
        program = exported(module, example)
    finally:
        for path, one in module.named_modules():
            one.training = before[path]
    reader = Reader(module, program, lambda count: result_names(program, count),
                    lambda _, path: whole(module.get_submodule(path)))  # fmt: skip
    reader.read()
    net = of_reader(reader, name, tuple(example.shape[1:]), source)
    return replace(net, train_only=_train_only(module, example, list(reader.outputs)))


def of_reader(reader: Reader, name: str, size: tuple[int, ...], source: str) -> Traced:
    """What was read as a traced model. Raises ModelError with all that cannot be said of it."""
    module = reader.module
    children = {path: tuple(key for key, _ in one.named_children()) for path, one in module.named_modules()}
    net = Traced(
        name, type(module).__name__, (size[0], size[1], size[2]), tuple(reader.built.placed()), reader.outputs,
        children=children, renamed=reader.built.renamed, source=source, holes=reader.holes.reasons,
    )  # fmt: skip
    if reader.refused:
        rows = list(dict.fromkeys(reader.refused))
        shown = rows[:MOST_ROWS] + ([f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else [])
        partial = partial_spec(net) if reader.holes.reasons and reader.outputs else None
        more = "" if partial is None else "; --partial writes a spec of the rest"
        raise ModelError(
            f"{name} has {len(rows)} operation{'s' * (len(rows) > 1)} that a spec cannot say",
            f"write these parts with the operations that docs/language.md lists{more}",
            rows=shown,
            partial=partial,
        )
    return net


def _train_only(module: Any, example: Any, names: list[str]) -> frozenset[str]:
    """The results that a model gives in training alone."""
    import torch

    if len(names) < 2:
        return frozenset()
    before = {one: one.training for one in module.modules()}
    try:
        with torch.inference_mode():
            given = like(module.eval()(example), names)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the model's own code raises
        raise failure(error, module, "evaluation") from None
    finally:
        for one, training in before.items():
            one.training = training
    return frozenset(names) - given.keys()
