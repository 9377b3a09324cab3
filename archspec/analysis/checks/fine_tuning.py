"""Check of the patterns of names by which a recipe freezes parameters, or scales their rate or weight decay."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.analysis.fine_tuning import matches, module_names
from archspec.diagnostics import Diagnostics, Span
from archspec.diagnostics.spelling import did_you_mean
from archspec.loading.program import Program

LISTED = "`archspec summary` lists the modules"


def check_fine_tuning(net: Program, problems: Diagnostics) -> None:
    """See that each pattern is of a parameter that is trained otherwise than without it, and that something is trained."""
    train = net.spec.train
    if train is None or not (train.freeze or train.lr_scale or train.decay_scale):
        return
    parameters = list(net.parameter_shapes())
    trained = [name for name in parameters if not matches(name, train.freeze)]
    names = {outer for name in parameters for outer in module_names(name)}
    patterns = list(_patterns(net))
    for place, (key, pattern, span) in enumerate(patterns):
        later = [other for other_key, other, _ in patterns[place + 1 :] if other_key == key != "freeze"]
        if not any(matches(name, [pattern]) for name in parameters):
            help_ = did_you_mean(pattern.removesuffix(".*"), names) or LISTED
            problems.add("AS609", f"no parameter of the net has a name like `{pattern}`", span, help_)
        elif key != "freeze" and trained and not any(matches(name, [pattern]) for name in trained):
            message = f"`{key}` scales `{pattern}`, of which all parameters are frozen"
            problems.add("AS604", message, span, "take it out, or freeze less")
        elif later and all(matches(name, later) for name in trained if matches(name, [pattern])):
            message = f"`{key}` scales `{pattern}`, and later patterns scale all of its parameters otherwise"
            problems.add("AS604", message, span, "the last pattern counts: put it after the others, or take it out")
    if not trained:
        span = next(span for key, _, span in patterns if key == "freeze")
        problems.add("AS604", "all parameters are frozen, and nothing is trained", span, "freeze less")


def _patterns(net: Program) -> Iterator[tuple[str, str, Span]]:
    """Each pattern with its key and place."""
    train = net.resolved.root.get("train")
    for key in ("freeze", "lr_scale", "decay_scale"):
        node = train.get(key) if train is not None else None
        if node is None:
            continue
        if isinstance(node.value, list):
            yield from ((key, str(item.value), item.span) for item in node.value)
        elif isinstance(node.value, dict):
            yield from ((key, str(name), node.key_span(name)) for name in node.value)
