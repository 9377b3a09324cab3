"""Phases of the learning rate that a run is too short for: a warning, for a run may be cut short on purpose."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics, Related
from archspec.language.length import Length, written
from archspec.language.train import Phase
from archspec.network import Network
from archspec.reader import Node


def check_phases(net: Network, problems: Diagnostics) -> None:
    """Look for a phase that never begins, or that moves towards a rate which it never reaches."""
    train = net.spec.train
    if train is None:
        return
    length = train.length
    for index, phase in enumerate(train.lr):
        late = _after_the_run(phase, length)
        if late is None:
            continue
        if index + 1 < len(train.lr):
            message = (
                f"phase {index + 2} of `lr` never begins: phase {index + 1} ends on {late}, and the run on {length}"
            )
            _record(net, index + 1, message, problems)
        elif _is_cut(phase, length):
            message = f"phase {index + 1} of `lr` moves until {late}, and the run ends on {length}"
            _record(net, index, message, problems)
        return


def _after_the_run(phase: Phase, length: Length) -> str | None:
    """What a phase ends on where that surely comes no sooner than the end of the run."""
    ends = [length.end(condition) for condition in phase.until]
    if not ends or any(end is None or end < length.total for end in ends):
        return None
    return " or ".join(map(written, phase.until))


def _is_cut(phase: Phase, length: Length) -> bool:
    ends = [length.end(condition) or 0 for condition in phase.until]
    return phase.value is None and min(ends) > length.total


def _record(net: Network, index: int, message: str, problems: Diagnostics) -> None:
    root = net.resolved.root
    train = root.get("train") or root
    phase, whole = _phase(train, index), train.get("steps") or train.get("epochs") or train
    # whoever takes the phases of a recipe has to look at the length that they gave instead of the recipe's
    own = phase.span.source is root.span.source or whole.span.source is phase.span.source
    span, other = (phase.span, whole.span) if own else (whole.span, phase.span)
    related = Related("the run's length is given here" if own else "the phase is here", other)
    problems.add("AS606", message, span, "train for longer, or end the phases sooner", [related])


def _phase(train: Node, index: int) -> Node:
    phases = train.get("lr") or train
    return phases.value[index] if isinstance(phases.value, list) else phases
