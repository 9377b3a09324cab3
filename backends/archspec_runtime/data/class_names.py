"""Classes matched by name: a data set that numbers them otherwise than the net that was trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec_runtime.data.splits import Raw, listed
from archspec_runtime.errors import DataError


def renumbered(raw: Raw, names: Sequence[str]) -> Raw:
    """The same images with labels that are places in `names`. Raises DataError for a class that is not among them."""
    there = present(raw)
    numbers = {name: label for label, name in enumerate(names)}
    for name in there:
        if name not in numbers:
            raise other_class(name, names, there)
    table = np.array([numbers.get(name, -1) for name in raw.classes], np.int64)
    train, test = (split.relabelled(table[split.labels]) for split in (raw.train, raw.test))
    val = None if raw.validation is None else raw.validation.relabelled(table[raw.validation.labels])
    return Raw(train, test, tuple(names), val, raw.left_out, raw.val_is_test)


def present(raw: Raw) -> list[str]:
    """The classes of a data set that have images."""
    used = sorted({int(label) for split in raw.splits.values() for label in np.unique(split.labels)})
    return [raw.classes[label] for label in used]


def other_class(name: str, known: Sequence[str], present: Sequence[str], where: str = "the data set") -> DataError:
    """The error for a class which is not one that a net was trained on; `present` are those that there are images of."""
    missing = [repr(one) for one in known if one not in present]
    lacks = f", and has no images of its {listed(missing, 3)}" if missing else ""
    message = f"{where} has the class {name!r}, which the net was not trained on{lacks}"
    return DataError(message, "classes are matched by name: give each the name that it had then, or take it out")
