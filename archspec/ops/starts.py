"""Starts: what the parameters of one step are initialized from, where that is not what `init` says of the whole net."""

from __future__ import annotations

import re
from dataclasses import dataclass

OF_FANS = ("he_normal_fan_out", "he_normal_fan_in", "xavier_uniform", "uniform_fan_in")
"""Distributions whose width follows from the fan-in or fan-out of weights."""
NORMAL = ("normal", "trunc_normal")
"""Distributions with a standard deviation, around zero; the second is cut off at -2 and 2."""
FILTERS = ("dirac", "whitening")
"""Filters of a convolution. `dirac`: the first pass one channel each, and the others are drawn as `init.conv` says (Zagoruyko and
Komodakis, 2017). `whitening`: the trainer sets them from training images, whose patches they whiten (Jordan, 2024)."""


@dataclass(frozen=True, slots=True)
class Start:
    """A constant, or a distribution: `value` is the constant, or the standard deviation of a normal distribution.

    What a distribution of a fan gives is multiplied by `gain`.
    """

    kind: str  # `constant`, a distribution of OF_FANS or NORMAL, or one of FILTERS
    value: float = 0.0
    gain: float = 1.0

    def __str__(self) -> str:
        """As the textual form writes it: `0.0`, `normal(0.02)`, `xavier_uniform` or, with a gain, `xavier_uniform(0.5)`."""
        if self.kind == "constant":
            return repr(self.value)
        if self.kind in NORMAL:
            return f"{self.kind}({self.value!r})"
        return self.kind if self.gain == 1 else f"{self.kind}({self.gain!r})"

    @classmethod
    def read(cls, text: str) -> Start:
        """The start that a text is of. Raises ValueError."""
        found = re.fullmatch(rf"({'|'.join((*NORMAL, *OF_FANS))})\((\S+)\)", text)
        if found is not None:
            number = float(found[2])
            return cls(found[1], number) if found[1] in NORMAL else cls(found[1], gain=number)
        return cls(text) if text in (*OF_FANS, *FILTERS) else cls("constant", float(text))


Starts = tuple[tuple[str, Start], ...]
"""The starts of a step's parameters, by their names."""
