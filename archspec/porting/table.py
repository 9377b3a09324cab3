"""The largest difference at every step as a table of text."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.porting.layers import Layer

HEADS = ("step", "evaluation", "training", "gradient", "parameters")


def table(layers: Sequence[Layer]) -> list[str]:
    """The largest difference at every step as lines of text, with a head."""
    rows = [HEADS, *((one.name, *map(shown, numbers(one))) for one in layers)]
    wide = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return [
        f"{row[0]:{wide[0]}}  " + "  ".join(f"{cell:>{wide[i]}}" for i, cell in enumerate(row[1:], 1))
        for row in rows
    ]


def numbers(layer: Layer) -> tuple[float | None, ...]:
    """The differences of a layer, in the order of the heads."""
    return layer.evaluation, layer.training, layer.gradient, layer.parameters


def shown(number: float | None) -> str:
    """A difference as it is printed."""
    return "-" if number is None else "0" if number == 0 else f"{number:.1e}"
