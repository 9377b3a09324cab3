"""What the playground is opened with: a spec's file, one of the zoo, a shared address, or a first spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archspec.files.folders import FolderError, digest, written_aside
from archspec.syntax.reader import MAX_BYTES

BOM = "\ufeff"


class TooLongError(ValueError):
    """The file is longer than any spec that is read."""

    def __init__(self) -> None:
        super().__init__(f"it is longer than a spec may be, {MAX_BYTES:,} bytes")


class ChangedError(Exception):
    """The file was changed since it was read, by another program or on another page."""


@dataclass(slots=True)
class Opened:
    """A spec as it was opened; `file` is where it is saved, None for what has no file of its own."""

    name: str
    text: str
    file: Path | None = None
    folder: Path = field(default_factory=Path.cwd)
    preset: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    fragment: str = ""
    digest: str = ""
    bom: str = ""
    newline: str = "\n"

    @property
    def path(self) -> Path:
        """Where it stands, or would stand, for what it extends."""
        return self.file if self.file is not None else self.folder / f"{self.name}.yaml"

    @classmethod
    def from_file(cls, file: Path) -> Opened:
        """A spec's file. Raises OSError, UnicodeDecodeError and TooLongError."""
        opened = cls(file.stem, "", file.resolve(), file.resolve().parent)
        opened.read()
        return opened

    def read(self) -> str:
        """The text of the file as it is now, which what is saved next takes the place of. Raises as `from_file` does."""
        assert self.file is not None
        if self.file.stat().st_size > MAX_BYTES:
            raise TooLongError
        content = self.file.read_bytes()
        text = content.decode("utf-8")
        self.bom = BOM if text.startswith(BOM) else ""
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.digest = digest(content)
        self.text = text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
        return self.text

    def save(self, text: str, before: str) -> str:
        """Write the file, whole or not at all, and give its digest.

        `before` is the digest of what the text took the place of: raises ChangedError where the file holds something else,
        written by whomever, and FolderError where it cannot be written.
        """
        assert self.file is not None
        content = (self.bom + text.replace("\n", self.newline)).encode("utf-8")
        self._check(before)
        with written_aside(self.file, force=True, replaceable=lambda _: False) as aside:
            aside.write_bytes(content)
            aside.chmod(self.file.stat().st_mode & 0o7777)
            self._check(before)
        self.text, self.digest = text, digest(content)
        return self.digest

    def _check(self, before: str) -> None:
        assert self.file is not None
        if not self.file.is_file() or digest(self.file.read_bytes()) != before:
            raise ChangedError


__all__ = ["ChangedError", "FolderError", "Opened", "TooLongError"]
