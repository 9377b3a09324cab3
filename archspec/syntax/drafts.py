"""Drafts: what an editor has not saved, or a file would hold after a fix, is read instead of what the file holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_drafts: ContextVar[Mapping[Path, bytes] | None] = ContextVar("drafts", default=None)


@contextmanager
def reading_draft(path: Path, content: bytes) -> Iterator[None]:
    """Read this instead of what a file holds: what it would be after an edit."""
    with reading_drafts({path: content}):
        yield


@contextmanager
def reading_drafts(contents: Mapping[Path, bytes]) -> Iterator[None]:
    """Read these instead of what files hold, or as files that there are not yet: what an editor has not saved."""
    token = _drafts.set(
        {**(_drafts.get() or {}), **{path.resolve(): content for path, content in contents.items()}}
    )
    try:
        yield
    finally:
        _drafts.reset(token)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file, be it a draft."""
    drafts = _drafts.get()
    return os.path.isfile(path) or (drafts is not None and Path(path).resolve() in drafts)


def draft_of(path: Path) -> bytes | None:
    """The draft of a file; None where there is none."""
    drafts = _drafts.get()
    return drafts.get(path.resolve()) if drafts else None
