"""Writing a folder of files: all of them or none, and nothing of anyone else's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MARK = ".archspec"
"""Lists the files that a former build wrote, which the next may replace."""


class FolderError(Exception):
    """A folder cannot be written; `help` says what to do."""

    exit_code = 2  # of the command that wanted to write it

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


def write_folder(folder: Path, files: Mapping[str, str | bytes], *, force: bool = False) -> None:
    """Write files into a folder.

    They are written aside first, so that a full disk leaves what was there. A folder that holds anything which a build
    did not write is refused without `force`; with it, files of other names stay. Raises FolderError.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file", "give another --out")
    try:
        if folder.is_dir() and not force:
            _check(folder)
        parent = folder.resolve().parent
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    except OSError as error:
        raise FolderError(f"cannot write to {folder}: {error.strerror}", "give another --out") from None
    try:
        for name, content in {**files, MARK: "".join(f"{name}\n" for name in sorted(files))}.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        aside.chmod(0o755)
        if not folder.exists():
            os.rename(aside, folder)
            return
        for name in [*files, MARK]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside / name, folder / name)
    except OSError as error:
        raise FolderError(
            f"cannot write to {folder}: {error.strerror}", "free some space, or give another --out"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check(folder: Path) -> None:
    mark = folder / MARK
    ours = set(mark.read_text(encoding="utf-8").splitlines()) if mark.is_file() else set[str]()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path == mark or name in ours or "__pycache__" in path.parts:
            continue
        raise FolderError(
            f"{folder} holds {name}, which no build wrote", "give another --out, or --force to write beside it"
        )


@contextmanager
def written_aside(target: Path, *, force: bool, replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """A place beside `target` to write a file or a folder to, which takes its name when all went well.

    What is there is replaced with `force` alone, and a folder only where it is `replaceable`. Raises FolderError.
    """
    try:
        if target.exists():
            _may_replace(target, force, replaceable)
        target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent.resolve()))
    except OSError as error:
        raise FolderError(f"cannot write {target}: {error.strerror}", "give another place") from None
    try:
        aside = room / target.name
        yield aside
        if target.exists():
            _may_replace(target, force, replaceable)
        if aside.is_dir() != target.is_dir() and target.exists():
            raise FolderError(f"{target} is a {'folder' if target.is_dir() else 'file'}, and what is written is not",
                              "give another name")  # fmt: skip
        if target.is_dir():
            os.rename(target, room / "former")
        os.replace(aside, target)
    except OSError as error:
        raise FolderError(
            f"cannot write {target}: {error.strerror or error}", "free some space, or give another place"
        ) from None
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _may_replace(target: Path, force: bool, replaceable: Callable[[Path], bool]) -> None:
    if not force:
        raise FolderError(f"{target} exists", "give another name, or overwrite it with --force")
    if target.is_dir() and any(target.iterdir()) and not replaceable(target):
        raise FolderError(f"{target} is a folder of something else", "give another name")
