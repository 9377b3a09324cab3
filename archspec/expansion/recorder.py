"""Mistakes in blocks that are being expanded, each with the chain of uses that led to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from archspec.diagnostics import Diagnostics, Fix, Related, Span
from archspec.expansion.given import Given
from archspec.language.values import mentioned


class Recorder:
    """Records mistakes where their author can mend them."""

    def __init__(self, problems: Diagnostics) -> None:
        self.problems = problems
        self.uses: list[tuple[Related, Given]] = []
        self.mistaken: set[int] = set()
        """Blocks with a mistake inside that leaves their shape as it would be, by `id`."""

    def add(
        self, code: str, message: str, span: Span, help: str | None = None, related: Iterable[Related] = (),
        fix: Fix | None = None, about: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Record a mistake inside the blocks that are being expanded.

        Where the library is at fault for what it was given, the place is that of the value that its user gave.
        """
        uses = [use for use, _ in reversed(self.uses)]
        if span.source.library and (place := self._of_user(about)) is not None:
            inside = Related("which comes to this in the library", span)
            self.problems.add(code, message, place, help, [*related, inside, *(u for u in uses if u.span != place)])
        else:
            self.problems.add(code, message, span, help, [*related, *uses], fix)

    def _of_user(self, about: Collection[str]) -> Span | None:
        """Where the value that a name in the library stands for is written outside of it; else where a block is used."""
        for _, given in reversed(self.uses):
            nodes = [given.nodes[name] for name in about if name in given.nodes]
            place = next((n.span for n in nodes if not n.span.source.library), None)
            if place is not None:
                return place
            about = {name for node in nodes for name in mentioned(node.plain())}
            if not given.span.source.library:
                return given.span
        return None
