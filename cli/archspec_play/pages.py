"""Each page of a browser with the document that it edits: the service's state, which is all that the playground has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archspec.diagnostics import Diagnostic, Diagnostics
from archspec.service.document import Document, Workspace
from archspec.syntax.reader import read_value

MOST = 8
"""Pages whose documents are kept; a page that was away for longer begins anew with its next question."""


@dataclass(slots=True)
class Page:
    """A document with the preset and the values that are chosen on its page."""

    document: Document
    chosen: tuple[str | None, dict[str, str]] = (None, {})
    mistaken: list[Diagnostic] = field(default_factory=list)
    """What of the values is no YAML."""

    def choose(self, preset: str | None, values: Mapping[str, str]) -> None:
        """Look at the document with a preset and values, each as it would stand behind `--set KEY=`."""
        if self.chosen == (preset, values):
            return
        problems, overrides = Diagnostics(), dict[str, object]()
        for key, value in values.items():
            if (node := read_value(value, f"--set {key}={value}", problems)) is not None:
                node.origin = "--set"
                overrides[key] = node
        self.chosen, self.mistaken = (preset, dict(values)), list(problems)
        self.document.choose(preset, overrides)


class Pages:
    """Pages by the name that each has given itself."""

    def __init__(self, path: Path, include: Sequence[Path] = ()) -> None:
        self.path = path
        self.include = tuple(include)
        self.known = OrderedDict[str, Page]()

    def page(self, name: str, text: str, preset: str | None, values: Mapping[str, str]) -> Page:
        """A page as it is now."""
        if name not in self.known:
            self.known[name] = Page(Workspace(self.include).open(self.path, text))
            self.known[name].document.is_meant = True
            while len(self.known) > MOST:
                self.known.popitem(last=False)
        page = self.known[name]
        self.known.move_to_end(name)
        page.document.replace(text)
        page.choose(preset, values)
        return page
