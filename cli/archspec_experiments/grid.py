"""The points of a sweep: every combination of specs, values and seeds, each with a name that stays the same."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

MOST = 10_000  # points of one sweep
LONGEST = 120  # characters of a name
CLOSES = {"[": "]", "{": "}", "(": ")"}
SEED = "train.seed"


class GridError(ValueError):
    """A grid that cannot be run; `help` says what would be."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep: a spec, what `--set` it is given, as text, and a seed.

    Without `--seeds` the seed is that of the recipe, which is known once the spec was read: `counted` is off, and `seed` is
    None until then.
    """

    name: str
    spec: str
    sets: Mapping[str, str]
    seed: int | None
    counted: bool = True

    def arguments(self) -> list[str]:
        """What `archspec train` is told of it."""
        pairs = [word for key, text in self.sets.items() for word in ("--set", f"{key}={text}")]
        return [self.spec, *pairs, *(["--seed", str(self.seed)] if self.counted else [])]


def parse_over(given: Sequence[str]) -> dict[str, list[str]]:
    """`KEY=VALUE,VALUE` words; commas inside brackets and quotes belong to a value. Raises GridError."""
    axes: dict[str, list[str]] = {}
    for word in given:
        key, equals, text = word.partition("=")
        key, values = key.strip(), [v.strip() for v in split_values(text)]
        if not equals or not key or not all(values):
            raise GridError(f"--over takes KEY=VALUE,VALUE, not {word!r}", "such as --over n=3,5,7,9")
        if key in axes:
            raise GridError(f"--over {key} is given twice", f"give its values together: --over {key}={text},...")
        if len(set(values)) < len(values):
            raise GridError(f"--over {key} has a value twice", "give each once")
        axes[key] = values
    return axes


def split_values(text: str) -> Iterator[str]:
    """Split a text at the commas that are in no bracket and no quotes."""
    closing: list[str] = []
    start, quote = 0, ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in CLOSES:
            closing.append(CLOSES[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def overridden(keys: Sequence[str]) -> tuple[str, str] | None:
    """Of dotted keys in the order they are applied, two of which the second takes the place of the first."""
    for index, key in enumerate(keys):
        for before in keys[:index]:
            if before == key or before.startswith(f"{key}."):
                return before, key
    return None


def make_grid(specs: Sequence[str], axes: Mapping[str, Sequence[str]], seeds: int | None) -> list[Point]:
    """Every combination; the last axis changes fastest, then the seed, of which there are so many from 0.

    With None each run has the seed of its recipe. Raises GridError.
    """
    count = len(specs) * (seeds or 1)
    for values in axes.values():
        count *= len(values)
    if count > MOST:
        raise GridError(f"this grid has {count:,} points", f"sweep over at most {MOST:,} at once")
    if len(set(specs)) < len(specs):
        raise GridError("a spec is given twice", "give each once")
    if seeds is not None and SEED in axes:
        raise GridError(f"--seeds and --over {SEED} both say which seeds", "give one of them")
    combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return named([
        Point("", spec, sets, seed, counted=seeds is not None)
        for spec in specs
        for sets in combinations
        for seed in (range(seeds) if seeds is not None else [None])
    ])  # fmt: skip


def named(points: Sequence[Point]) -> list[Point]:
    """The points with names that stay the same, each another on any disk."""
    several = len({point.spec for point in points}) > 1
    return _told_apart([replace(p, name=_name(p.spec if several else "", p.sets, p.seed)) for p in points])


def _name(spec: str, sets: Mapping[str, str], seed: int | None) -> str:
    parts = [re.sub(r"^.*/|\.ya?ml$", "", spec).replace(":", ".")] if spec else []
    parts += [f"{key}={text}" for key, text in sets.items() if key != SEED or seed is None]
    parts += [] if seed is None else [f"seed={seed}"]
    name = ",".join(_safe(part) for part in parts) or "run"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}~{_digest(spec, sets, seed)}"


def _safe(part: str) -> str:
    """Letters that every file system and shell takes as they are."""
    return re.sub(r"=-(?=[A-Za-z])", "=", re.sub(r"[^A-Za-z0-9._=+-]+", "-", part)).strip("-")


def _told_apart(points: Sequence[Point]) -> list[Point]:
    """Names that would be one file's on some disk get a digest of what they stand for."""
    folded = [point.name.casefold() for point in points]
    counts = Counter(folded)
    return [
        point
        if counts[name] == 1
        else replace(point, name=f"{point.name}~{_digest(point.spec, point.sets, point.seed)}")
        for point, name in zip(points, folded, strict=True)
    ]


def _digest(spec: str, sets: Mapping[str, str], seed: int | None) -> str:
    return hashlib.sha256(repr((spec, sorted(sets.items()), seed)).encode()).hexdigest()[:8]
