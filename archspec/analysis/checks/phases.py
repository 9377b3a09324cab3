"""Phases of a schedule that a run is too short for: a warning, for a run may be cut short on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.diagnostics import Diagnostics, Related
from archspec.language.recipe import Phase
from archspec.language.run_length import Length, written
from archspec.loading.program import Program
from archspec.syntax.nodes import Node


def check_phases(net: Program, problems: Diagnostics) -> None:
    """Look for what never begins: a phase of `lr` or of `data.size`, averaging, evaluations; and a rate that is not reached."""
    train = net.spec.train
    if train is None:
        return
    length = train.length
    sizes = [[size.until] if size.until is not None else [] for size in train.data.size]
    for key, phases in (("lr", [phase.until for phase in train.lr]), ("size", sizes)):
        for index, until in enumerate(phases[:-1]):
            if (late := _after_the_run(until, length)) is not None:
                message = f"phase {index + 2} of `{key}` never begins: phase {index + 1} ends on {late}, and the run on {length}"
                _record(net, (("data", "size") if key == "size" else ("lr",), index + 1), message, problems)
                break
    last = train.lr[-1]
    late = _after_the_run(last.until, length)
    if late is not None and _is_cut(last, length):
        message = f"phase {len(train.lr)} of `lr` moves until {late}, and the run ends on {length}"
        _record(net, (("lr",), len(train.lr) - 1), message, problems)
    every = length.end(train.eval_every)
    if "eval_every" in train.model_fields_set and every is not None and every > length.total:
        count, unit = train.eval_every[train.eval_every["kind"]], train.eval_every["kind"]
        message = (
            f"the run is evaluated at its end alone: `eval_every` is {count} {unit}s, and the run ends on {length}"
        )
        _record(net, (("eval_every",), None), message, problems, "evaluate more often, or train for longer")
    after = train.ema.after if train.ema is not None else None
    if after is not None and (late := _after_the_run([after], length)) is not None:
        message = f"`ema` averages nothing: it begins after {late}, and the run ends on {length}"
        _record(net, (("ema", "after"), None), message, problems)


def _after_the_run(until: Sequence[dict[str, Any]], length: Length) -> str | None:
    """What something ends on where that surely comes no sooner than the end of the run."""
    ends = [length.end(condition) for condition in until]
    if not ends or any(end is None or end < length.total for end in ends):
        return None
    return " or ".join(map(written, until))


def _is_cut(phase: Phase, length: Length) -> bool:
    ends = [length.end(condition) or 0 for condition in phase.until]
    return phase.value is None and min(ends) > length.total


def _record(
    net: Program, place: tuple[tuple[str, ...], int | None], message: str, problems: Diagnostics,
    help_: str = "train for longer, or let it begin sooner",
) -> None:  # fmt: skip
    root = net.resolved.root
    train = root.get("train") or root
    part, whole = _part(train, *place), train.get("steps") or train.get("epochs") or train
    # whoever takes a schedule from a recipe has to look at the length that they gave instead of the recipe's
    own = part.span.source is root.span.source or whole.span.source is part.span.source
    span, other = (part.span, whole.span) if own else (whole.span, part.span)
    related = Related("the run's length is given here" if own else "it is written here", other)
    problems.add("AS606", message, span, help_, [related])


def _part(train: Node, keys: tuple[str, ...], index: int | None) -> Node:
    node = train
    for key in keys:
        node = node.get(key) or node
    return node.value[index] if isinstance(node.value, list) and index is not None else node
