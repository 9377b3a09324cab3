"""A recipe as a spec writes it, without what goes without saying: what `--dry-run` prints can be pasted below `train:`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from archspec_runtime.recipe.augmentations import ResizeShorter
from archspec_runtime.recipe.images import Epoch, PadCrop, Size, Step
from archspec_runtime.recipe.recipe import Phase, Recipe, every
from archspec_runtime.recipe.vocabulary import Condition, CrossEntropy, Measured, Plateau

SAID = frozenset({"data", "dataset", "batch_size", "optimizer", "seed"})  # also where they are the defaults
SCALES = ("lr_scale", "decay_scale")
EVERY = "eval_every"
PLAIN = re.compile(
    r"(?!(?:true|false|null)$)[A-Za-z_/][\w./-]*(?: \d+)?|\d+(?:\.\d+)?%|\d+ [a-z]+"
)  # text that YAML takes without quotes


def as_spec(recipe: Recipe) -> dict[str, Any]:
    """The keys of `train:` that are not as they are by default, the schedule left out."""
    written = _set(recipe)
    written.pop("lr", None)
    for name, usual in (("loss", CrossEntropy()), ("label_smoothing", 0.0), ("optimizer", None)):
        if getattr(recipe, name) == usual:
            written.pop(name, None)
    return written


def phases(schedule: Iterable[Phase]) -> str:
    """The phases of a rate as YAML on one line."""
    return inline([_phase(phase) for phase in schedule])


def _phase(phase: Phase) -> dict[str, Any]:
    rate = phase.value if phase.shape is None else {"from": phase.value, "to": phase.end}
    until = " or ".join(map(_condition, phase.until))
    return {phase.shape or "value": rate, **({"until": until} if until else {})}


def _condition(condition: Condition) -> str:
    match condition:
        case Plateau(epochs, metric):
            return f"plateau {epochs}" if metric == "val_error" else f"plateau {epochs} of {metric}"
        case Measured(metric, relation, value):
            return f"{metric} {relation} {value:g}{'%' if metric.endswith('error') else ''}"
    return str(_written(condition))


def inline(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(key)}: {inline(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _set(value: Any) -> dict[str, Any]:
    """The fields that are not their defaults."""
    found = {}
    for field in fields(value):
        own = getattr(value, field.name)
        if field.default is MISSING or own != field.default or field.name in SAID:
            found[field.name] = (
                dict(own) if field.name in SCALES else every(own) if field.name == EVERY else _written(own)
            )
    return found


def _written(value: Any) -> Any:
    match value:
        case tuple():
            return [_written(one) for one in value]
        case Step(step):
            return f"step {step}"
        case Epoch(epoch):
            return f"epoch {epoch}"
        case PadCrop(padding, "zeros"):
            return {"pad_crop": padding}
        case ResizeShorter(low, high):
            return {"resize_shorter": [low, high]}
        case Size(pixels, until):
            return {"value": pixels} | ({"until": _written(until)} if until is not None else {})
    if not hasattr(value, "__dataclass_fields__"):
        return value
    inner = _set(value)
    if not hasattr(value, "kind"):
        return inner
    return {value.kind: inner} if inner else value.kind
