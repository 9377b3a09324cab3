"""What is written in a box: the name of a part, what it is, and what it costs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from archspec.drawing.page import text_width
from archspec.drawing.parts import Part
from archspec.ir.cost import Cost

CHARACTERS = 34  # in a line of a closed box


def is_small(part: Part) -> bool:
    """Whether all that is written of a part stands in one line."""
    return part.look != "block"


def lines_of(part: Part) -> Iterator[tuple[str, str]]:
    """What is written in a closed box, as (style, text)."""
    yield "name", part.name
    what = part.what if part.what != part.name else ""
    if is_small(part):
        if what:
            yield "what", what
        if part.look == "layer" or part.cost.params >= 100_000:
            yield "cost", short(part.cost.params)
        return
    for line in textwrap.wrap(what, CHARACTERS):
        yield "what", line
    yield "cost", f"{short(part.cost.params)} · {short(part.cost.macs)}"


def title_of(part: Part) -> Iterator[tuple[str, str]]:
    """What stands below the name of an open box."""
    if part.what:
        yield "what", part.what
    yield "cost", cost_text(part.cost)


def line_width(style: str, text: str) -> float:
    """How wide a text of a box is in its style."""
    return text_width(text, {"name": 12.5, "cost": 10.5}.get(style, 12.0)) * (1.06 if style == "name" else 1.0)


def cost_text(cost: Cost) -> str:
    """What something costs, in three digits and in words."""
    return f"{short(cost.params)} parameters · {short(cost.macs)} multiply-adds"


def short(count: int) -> str:
    """A count in three digits, such as 25.6M."""
    if count < 1000:
        return str(count)
    for unit in "KMGTPE":
        count_ = count / 1000
        if count_ < 999.5 or unit == "E":
            return f"{count_:.{2 if count_ < 9.995 else 1 if count_ < 99.95 else 0}f}{unit}"
        count = round(count_)
    raise AssertionError("the last unit takes all")
