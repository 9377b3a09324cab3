"""The optional packages, by extra: which are installed, and what each extra is for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version

from archspec.releases import is_recent

DISTRIBUTION = "archspec-nn"
COLLECTIONS = frozenset({"all", "dev"})  # extras that gather others, or are for those who work on archspec itself

PURPOSES: Mapping[str, str] = {
    "images": "photos are decoded and resized in less time",
    "webdataset": "braces in the names of tars",
    "parquet": "Parquet files as data sets",
    "ray": "`sweep --launcher ray`",
}
"""What is lacking without an extra; backends say it of theirs."""

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)[^;]*?(?:>=\s*(?P<least>[\d.]+))?[^;]*;.*extra == ['\"](?P<extra>[\w-]+)"
)


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra with its packages: what is installed as `name version`, and what is not or is too old."""

    name: str
    there: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    @property
    def remedy(self) -> str:
        """The command that installs all of it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'"


def extras() -> Iterator[Extra]:
    """The extras as this installation declares them, in its order; none where archspec runs without being installed."""
    found: dict[str, Extra] = {}
    for text in _declared():
        match = _REQUIREMENT.match(text)
        if match is None or match["extra"] in COLLECTIONS:
            continue
        extra = found.setdefault(match["extra"], Extra(match["extra"]))
        try:
            has = version(match["name"])
        except PackageNotFoundError:
            extra.lacking.append(match["name"])
            continue
        if not is_recent(has, match["least"] or ""):
            extra.lacking.append(f"{match['name']} of {match['least']} or newer (there is {has})")
        else:
            extra.there.append(f"{match['name']} {has}")
    yield from found.values()


def _declared() -> list[str]:
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
