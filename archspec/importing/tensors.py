"""Tensors of a model and of its spec, by name and shape: in what they differ, as people read it."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.ops import Shape

SHOWN = 3
"""Tensors that are named."""


def unequal_tensors(spec: Mapping[str, Shape], model: Mapping[str, Shape], whose: str = "the model") -> str | None:
    """In what the tensors of a spec and those of a model differ; None where they do not."""
    rows = [
        f"`{name}` is {_told(spec[name])} in the spec and {_told(model[name])} in {whose}"
        for name in spec
        if name in model and tuple(spec[name]) != tuple(model[name])
    ]
    rows += [f"`{name}` is in {whose} alone" for name in model if name not in spec]
    rows += [f"`{name}` is in the spec alone" for name in spec if name not in model]
    more = [f"and {len(rows) - SHOWN:,} more"] if len(rows) > SHOWN else []
    return f"the tensors differ: {', '.join([*rows[:SHOWN], *more])}" if rows else None


def _told(shape: Shape) -> str:
    return "x".join(map(str, shape)) if shape else "one number"
