"""Other people's names: `OLD=NEW` patterns that turn the names of a file into those of a spec.

A pattern is a whole name, or where it ends in a dot the beginning of one. `*` stands for any characters, the fewest that
fit, and the n-th `*` of NEW for what the n-th of OLD stood for.

    module.=                   takes a prefix away
    linear.=fc.                another name for a module
    *.gamma=*.weight           another name for a tensor, wherever it is
    blocks.*.c*.=layer1.*.conv*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec.diagnostics.spelling import did_you_mean
from archspec.errors import WeightsError

HELP = "give OLD=NEW, such as module.= or linear.=fc. or '*.gamma=*.weight'"


@dataclass(frozen=True, slots=True)
class Renaming:
    """One `OLD=NEW`."""

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Renaming:
        """Read a pattern. Raises WeightsError where it is none."""
        old, equals, new = (part.strip() for part in text.partition("="))
        if not equals or not old:
            raise WeightsError(f"--map {text!r} says not what becomes of what", HELP, 2)
        if new and old.endswith(".") != new.endswith("."):
            raise WeightsError(f"--map {text} mixes the beginning of a name with a whole one",
                               "end both in a dot, or neither", 2)  # fmt: skip
        if new.count("*") != old.count("*"):
            raise WeightsError(f"--map {text} has {old.count('*')} `*` before the `=` and {new.count('*')} behind it",
                               "give both the same number", 2)  # fmt: skip
        return cls(old, new)

    def __str__(self) -> str:
        return f"{self.old}={self.new}"

    def apply(self, name: str) -> str | None:
        """The new name of a tensor; None where the pattern is of others."""
        pattern = "(.*?)".join(map(re.escape, self.old.split("*")))
        match = re.match(pattern, name) if self.old.endswith(".") else re.fullmatch(pattern, name)
        if match is None:
            return None
        pieces = iter(match.groups())
        return re.sub(r"\*", lambda _: next(pieces), self.new) + name[match.end() :]


def rename(names: Iterable[str], renamings: Sequence[Renaming]) -> dict[str, str]:
    """The new name of each: the patterns are applied one after the other, each to what the ones before gave.

    Raises WeightsError where a pattern is of no name, or gives one name to two.
    """
    now = {name: name for name in names}
    for renaming in renamings:
        renamed = {name: renaming.apply(current) for name, current in now.items()}
        if all(new is None for new in renamed.values()):
            beginnings = {name[: name.index(".") + 1] for name in now.values() if "." in name}
            raise WeightsError(f"--map {renaming} matches no name of the file",
                               did_you_mean(renaming.old, beginnings) or _some(now.values()))  # fmt: skip
        taken: dict[str, str] = {}
        for name, new in renamed.items():
            result = now[name] if new is None else new
            if result in taken:
                raise WeightsError(f"--map {renaming} gives the name `{result}` to both `{taken[result]}` and `{name}`",
                                   "make OLD more exact")  # fmt: skip
            if not result:
                raise WeightsError(f"--map {renaming} leaves nothing of the name `{name}`", HELP)
            taken[result] = name
        now = {name: result for result, name in taken.items()}
    return now


def _some(names: Iterable[str]) -> str:
    return "its names are " + ", ".join(f"`{name}`" for name in sorted(names)[:3]) + ", ..."
