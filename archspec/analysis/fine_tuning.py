"""Fine-tuning of a net: which of its parameters a recipe freezes, as trainers read its patterns of names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fnmatch import fnmatchcase

from archspec.ir.network import Network
from archspec.loading.program import recipe_of


def module_names(parameter: str) -> list[str]:
    """The name of a parameter and those of the modules that it is in, from the outermost on."""
    words = parameter.split(".")
    return [".".join(words[: count + 1]) for count in range(len(words))]


def matches(parameter: str, patterns: Iterable[str]) -> bool:
    """Whether a parameter, or a module that it is in, has a name of one of these patterns."""
    names = module_names(parameter)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def frozen_names(net: Network) -> frozenset[str]:
    """The names of the parameters that the recipe of a net freezes."""
    patterns = (recipe_of(net) or {}).get("freeze") or ()
    return (
        frozenset(name for name in net.parameter_shapes() if matches(name, patterns)) if patterns else frozenset()
    )


def frozen_count(net: Network) -> int:
    """How many learned numbers the recipe of a net freezes."""
    frozen, shapes = frozen_names(net), net.parameter_shapes()
    return sum(math.prod(shapes[name]) for name in frozen)
