"""The origin of a net: the spec that was asked for and with what, as a command line says it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archspec.diagnostics.printable import printable
from archspec.loading.given_text import is_text
from archspec.syntax.drafts import is_file
from archspec.syntax.nodes import Node


@dataclass(frozen=True, slots=True)
class Origin:
    """A spec by name or by file, and the words behind it: what tells whether a folder is to be built anew or of another spec."""

    name: str  # of the zoo; "" for a file
    file: Path | None
    preset: str
    options: tuple[str, ...]

    def told(self, folder: Path) -> str:
        """On one line; a file as it is found from `folder`, so that both can be moved together."""
        words = [f"{self._place(folder)}:{self.preset}" if self.preset else self._place(folder), *self.options]
        return printable(" ".join(words))

    def _place(self, folder: Path) -> str:
        if self.file is None:
            return self.name
        try:
            place = Path(os.path.relpath(self.file, folder.resolve())).as_posix()
        except ValueError:  # on another drive
            return self.file.as_posix()
        return place if "/" in place else f"./{place}"


def shown(told: str, folder: Path) -> str:
    """What was told from `folder`, with its file as it is found from here."""
    place, dashes, options = told.partition(" --")
    if "/" in place:
        place = os.path.normpath(folder / place)
    return f"{place}{dashes}{options}"


def origin_of(
    spec: str, overrides: Mapping[str, object], preset: str | None, include: Sequence[Path]
) -> Origin | None:
    """The origin of what is loaded so; None of text, which has no place."""
    if is_text(spec):
        return None
    options = (*sorted(_said(key, value) for key, value in overrides.items()),
               *(f"--include {path.resolve()}" for path in include))  # fmt: skip
    stem, _, chosen = ("", "", "") if is_file(spec) else spec.partition(":")
    if is_file(spec) or is_file(stem):
        return Origin("", Path(stem or spec).resolve(), chosen or preset or "", options)
    return Origin(stem, None, ":".join(filter(None, (chosen, preset))), options)


def _said(key: str, value: object) -> str:
    if isinstance(value, Node) and (source := value.span.source) is not None and source.virtual:
        return source.name  # as it was written behind `--set`
    plain = value.plain() if isinstance(value, Node) else value
    return f"--set {key}={str(plain).lower() if isinstance(plain, bool) else plain}"
