"""Nets that are not trained: those that tell no classes apart, and those that give something else than scores of them."""

from __future__ import annotations

from archspec.ir.network import Network


def why_untrained(net: Network) -> tuple[str, str] | None:
    """Why a net cannot be trained, whatever its recipe, and what to do; None where it can."""
    odd = [output.name for output in net.outputs if output.shape != (net.classes,)]
    if odd:
        names = ", ".join(f"`{name}`" for name in odd)
        gives = "outputs that are" if len(odd) > 1 else "an output that is"
        return (f"{net.name} has {gives} no score of each class ({names}), and training sums the losses of such scores",
                "take `outputs` out to train it as a classifier, or build it and train it with a loop of your own")  # fmt: skip
    if net.classes is None:
        return (f"{net.name} does not say how many `classes` it tells apart, which training needs",
                "add `classes: 10`, or however many there are")  # fmt: skip
    return None
