"""Applying the fixes of diagnostics to the text of a spec: in rounds, and only where fewer mistakes are left."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from archspec.diagnostics import Diagnostic, Fix, Span
from archspec.files import FolderError, written_aside
from archspec.syntax.drafts import reading_draft

ROUNDS = 20
BOM = "\ufeff"

Check = Callable[[], Sequence[Diagnostic]]
"""What is to be said of a spec as it is, or as it is drafted."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the ends of lines by YAML


class UnwritableError(Exception):
    """A file cannot be fixed; `help` says what to do."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class Fixed:
    """A spec before and after its fixes: `applied` are the diagnostics that were put right, `left` are those that remain.

    `declined` says that there were fixes, and that they would not have left fewer mistakes.
    """

    path: Path
    before: bytes
    after: bytes
    applied: tuple[Diagnostic, ...]
    left: tuple[Diagnostic, ...]
    declined: bool = False

    def diff(self, name: str) -> str:
        """The change as a unified diff."""
        before, after = (_lines(content.decode("utf-8-sig")) for content in (self.before, self.after))
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in unified_diff(before, after, name, name)
        )

    def write(self) -> None:
        """Put the new text into the file, whole or not at all. Raises UnwritableError."""
        target = self.path.resolve()  # a link stays one
        status = target.stat()
        if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(target, os.W_OK):
            raise UnwritableError(
                f"cannot fix {self.path}: it may not be written", f"allow it: chmod u+w {self.path}"
            )
        try:
            with written_aside(target, force=True, replaceable=lambda _: False) as aside:
                aside.write_bytes(self.after)
                shutil.copymode(target, aside)
                with suppress(OSError):  # of another's file, which only its owner or root may make again
                    os.chown(aside, status.st_uid, status.st_gid)
                if target.read_bytes() != self.before:
                    raise UnwritableError(f"cannot fix {self.path}: it was changed meanwhile", "run it again")
        except FolderError as error:
            raise UnwritableError(str(error), error.help) from None


def fix(path: Path, name: str, check: Check) -> Fixed:
    """What the fixes of a spec make of its file; `name` is what its diagnostics call it. Nothing is written."""
    before = path.read_bytes()
    found = tuple(check())
    if not any(_is_of(d.fix, name) for d in found):
        return Fixed(path, before, before, (), found)
    bom = BOM if before.startswith(BOM.encode()) else ""

    def checked(text: str) -> tuple[Diagnostic, ...]:
        with reading_draft(path, (bom + text).encode()):
            return tuple(check())

    best = now = _State(before.decode("utf-8-sig"), found)
    for _ in range(ROUNDS):
        after = _round(now, name, checked)
        if after is None:
            break
        now = after
        best = now if _is_better(now.found, best.found) else best
    if not best.applied:
        return Fixed(path, before, before, (), found, declined=True)
    return Fixed(path, before, (bom + best.text).encode(), best.applied, best.found)


@dataclass(frozen=True, slots=True)
class _State:
    """A text after some rounds, what is to be said of it, and what was put right until then."""

    text: str
    found: tuple[Diagnostic, ...]
    applied: tuple[Diagnostic, ...] = ()


def _round(state: _State, name: str, checked: Callable[[str], tuple[Diagnostic, ...]]) -> _State | None:
    """The state after one round of fixes that do not overlap: of all of them, or of one; None where none does good.

    As many mistakes may be left, for one may have hidden another that the next round puts right.
    """
    fixable = [d for d in state.found if _is_of(d.fix, name)]
    for candidates in ([fixable] if len(fixable) > 1 else []) + [[d] for d in fixable]:
        chosen = _apart(candidates)
        text = edited(state.text, [d.fix for d in chosen if d.fix])
        found = checked(text) if text != state.text else state.found
        if text != state.text and _weight(found) <= _weight(state.found):
            return _State(text, found, (*state.applied, *chosen))
    return None


def _weight(found: Sequence[Diagnostic]) -> tuple[int, int]:
    """Mistakes, and what there is to say in all."""
    return sum(d.is_error for d in found), len(found)


def _is_better(after: Sequence[Diagnostic], before: Sequence[Diagnostic]) -> bool:
    """Whether fewer mistakes are left, or as many and fewer warnings: of a net with mistakes few are given."""
    return _weight(after) < _weight(before)


def _is_of(fix: Fix | None, name: str) -> bool:
    return fix is not None and all(e.span.source.name == name and not e.span.source.virtual for e in fix.edits)


def _apart(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The first ones whose edits touch nothing that those of others touch; of the same edits one is enough."""
    taken: dict[tuple[int, int, int, int], str] = {}
    chosen = []
    for d in diagnostics:
        edits = [(_range(e.span), e.text) for e in (d.fix.edits if d.fix else ())]
        free = all(
            taken.get(one) == text if one in taken else not any(_overlap(one, other) for other in taken)
            for one, text in edits
        )
        if free:
            chosen.append(d)
            taken.update(edits)
    return chosen


def _range(span: Span) -> tuple[int, int, int, int]:
    return span.line, span.column, span.end_line, span.end_column


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[:2] <= other[2:] and other[:2] <= one[2:]


def edited(text: str, fixes: Iterable[Fix]) -> str:
    """A text after the edits of fixes that do not overlap."""
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def offset(line: int, column: int) -> int:
        return min(starts[line] + column, len(text)) if line < len(starts) else len(text)

    edits = {(_range(e.span), e.text) for fix in fixes for e in fix.edits}
    for (line, column, end_line, end_column), new in sorted(edits, reverse=True):
        text = text[: offset(line, column)] + new + text[offset(end_line, end_column) :]
    return text


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True) if "\r" not in text else re.findall("[^\n]*\n|[^\n]+", text)
