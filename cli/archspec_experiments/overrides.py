"""Options that say the same: what an option and `--set`, `--over` or `--seeds` both give is refused, whichever would count."""

from __future__ import annotations

from collections.abc import Iterable

from archspec import Program
from archspec_runtime.errors import RunError

OF_A_RECIPE = {"--steps": ("steps", "epochs"), "--seed": ("seed",), "--seeds": ("seed",)}
"""Options that change a recipe, each with the keys of `train` that it takes the place of."""


def check_given_once(net: Program, options: Iterable[str]) -> None:
    """Raise RunError where one of these options and a value of the command line give the same of a recipe."""
    for option in options:
        for key in OF_A_RECIPE[option]:
            by = given_by(net, key)
            if by is not None:
                raise RunError(
                    f"{option} and {by} both give train.{key}", f"leave out {option}, or what {by} says of it", 2
                )


def given_by(net: Program, key: str) -> str | None:
    """The option that gave a value of a net's recipe (`--set` or `--over`), None where its spec or recipe did."""
    train = net.resolved.root.get("train")
    node = train.get(key) if train is not None else None
    if train is None or node is None:
        return None
    for text in (node.origin or "", node.span.source.name):
        for option in ("--set", "--over"):
            if option in text:
                return option
    return None
