"""Nets that are not trained yet: those whose outputs have names, and those that tell no classes apart."""

from __future__ import annotations

from archspec.ir.network import Network


def why_untrained(net: Network) -> tuple[str, str] | None:
    """Why a net cannot be trained, whatever its recipe, and what to do; None where it can."""
    if net.outputs:
        names = ", ".join(f"`{output.name}`" for output in net.outputs)
        several = "several outputs" if len(net.outputs) > 1 else "a named output"
        return (f"{net.name} has {several} ({names}), and training takes a net that gives its last value alone",
                "take `outputs` out to train it as a classifier, or build it and train it with a loop of your own")  # fmt: skip
    if net.classes is None:
        return (f"{net.name} does not say how many `classes` it tells apart, which training needs",
                "add `classes: 10`, or however many there are")  # fmt: skip
    return None
