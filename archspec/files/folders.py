"""Writing a folder of files: all of them or none, and nothing of anyone else's."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from archspec.diagnostics.printable import printable
from archspec.files.interrupts import unbroken, undone

MARK = ".archspec"
"""Lists the files that a former build wrote, as `sha256sum` does; the next may replace what still is as listed."""
NOTE = "# "
"""What a line of it begins with that lists no file, which `sha256sum --check` passes over."""


class FolderError(Exception):
    """A folder cannot be written; `help` says what to do."""

    exit_code = 2  # of the command that wanted to write it

    def __init__(self, message: str, help: str) -> None:
        super().__init__(printable(message))
        self.help = printable(help)


def write_folder(
    folder: Path, files: Mapping[str, str | bytes], *, force: bool = False, note: str | None = None,
    check: Callable[[Path], object] = lambda _: None, option: str = "--out",
) -> None:  # fmt: skip
    """Write files into a folder, with a note of one line on where they are from.

    They are written aside first, so that a full disk leaves what was there. A folder that holds anything which a build
    did not write, or which was changed since, is refused without `force`; with it, files of other names stay. What a
    former build wrote and this one does not is taken away. `check` may refuse a folder that is there, without `force`. Another
    process that would write it waits until it is written. `option` is what the folder was given by. Raises FolderError.
    """
    try:
        _check_no_file(folder, option)
        with alone(folder):
            if folder.is_dir() and not force:
                check(folder)
                _check(folder, files.keys(), option)
            folder.resolve().parent.mkdir(parents=True, exist_ok=True)
            with _room(folder.resolve().parent, folder.name) as aside:
                _write(folder, aside, files, note)
    except OSError as error:
        raise FolderError(f"cannot write to {folder}: {error.strerror}", _mend(error, option)) from None


def check_own(folder: Path, option: str = "--out") -> None:
    """Raise FolderError where a folder holds what no build wrote, as `write_folder` does after the work."""
    _check_no_file(folder, option)
    if folder.is_dir():
        _check(folder, (), option)


def _check_no_file(folder: Path, option: str) -> None:
    file = next((p for p in (folder, *folder.parents) if p.exists() and not p.is_dir()), None)
    if file is not None:
        raise FolderError(f"{file} is a file", f"give another {option}")


def _write(folder: Path, aside: Path, files: Mapping[str, str | bytes], note: str | None) -> None:
    contents = {name: c if isinstance(c, bytes) else c.encode() for name, c in sorted(files.items())}
    mark = "".join(f"{digest(content)}  {name}\n" for name, content in contents.items())
    mark = mark if note is None else f"{NOTE}{note}\n{mark}"
    for name, content in {**contents, MARK: mark.encode()}.items():
        path = aside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if not folder.exists():
        os.rename(aside, folder)
        return
    with unbroken():
        _take_away(folder, listed(folder).keys() - files.keys())
        for name in [*files, MARK]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside / name, folder / name)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have others that would write a folder wait for the end of a block, where the system and the disk have such locks."""
    held = _locked(folder)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _locked(folder: Path) -> int | None:
    """The folder around, open and locked until it is closed, also by the end of its process; None where that cannot be."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        around = next(place for place in folder.resolve().parents if place.is_dir())
        descriptor = os.open(around, os.O_RDONLY)
    except (OSError, ValueError):  # which writing says
        return None
    with suppress(OSError):  # disks of a network may have no such locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@contextmanager
def _room(parent: Path, name: str) -> Iterator[Path]:
    """A folder beside what is to be called `name`, which is there no longer than the block. Raises OSError."""
    room = parent / f".{name}.{secrets.token_hex(4)}"
    with undone(lambda: shutil.rmtree(room, ignore_errors=True)):
        room.mkdir()
        yield room


def _mend(error: OSError, place: str) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return f"{'free some space, or ' if full else ''}give another {place}"


def _check(folder: Path, names: Collection[str], option: str) -> None:
    built = listed(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name == MARK or "__pycache__" in path.parts:
            continue
        if name not in built:
            help_ = f"give another {option}, or --force to {'replace' if name in names else 'write beside'} it"
            raise FolderError(f"{folder} holds {name}, which no build wrote", help_)
        if built[name] != digest(path.read_bytes()):
            help_ = f"give another {option} to keep it, or --force to replace it"
            raise FolderError(f"{path} was changed after it was built", help_)


def listed(folder: Path) -> dict[str, str]:
    """The files that a former build wrote into a folder, each with the digest of what it held."""
    return {
        name: before for before, _, name in (line.partition("  ") for line in _lines(folder) if line[:1] != "#")
    }


def note(folder: Path) -> str | None:
    """What the former build of a folder noted of where its files are from; None where it did not."""
    return next((line.removeprefix(NOTE) for line in _lines(folder) if line.startswith(NOTE)), None)


def _lines(folder: Path) -> list[str]:
    try:
        return (folder / MARK).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # no build has been there; what else is wrong is said where it is written to
        return []


def _take_away(folder: Path, names: Iterable[str]) -> None:
    """Remove what a former build wrote, where it is as that build left it, and folders that are empty then."""
    built = listed(folder)
    for name in sorted(names):
        path = folder / name
        ours = path.is_file() and path.resolve().is_relative_to(folder.resolve())
        if ours and built[name] == digest(path.read_bytes()):
            path.unlink()
            for parent in path.relative_to(folder).parents[:-1]:
                shutil.rmtree(folder / parent / "__pycache__", ignore_errors=True)
                if not any((folder / parent).iterdir()):
                    (folder / parent).rmdir()


def digest(content: bytes) -> str:
    """The SHA-256 of what a file holds."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def written_aside(target: Path, *, force: bool, replaceable: Callable[[Path], bool]) -> Iterator[Path]:
    """A place beside `target` to write a file or a folder to, which takes its name when all went well.

    What is there is replaced with `force` alone, and a folder only where it is `replaceable`. Raises FolderError.
    """
    try:
        if ".." in target.parts:  # `new/..` would be there once `new` was made
            target = target.resolve()
        target = _through_links(target)
        if target.exists():
            _may_replace(target, force, replaceable)
        if (file := next((one for one in target.parents if one.exists() and not one.is_dir()), None)) is not None:
            raise FolderError(f"{file} is a file", "give another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _room(target.parent.resolve(), target.name) as room:
            aside = room / target.name
            yield aside
            if target.exists():
                _may_replace(target, force, replaceable)
            if aside.is_dir() != target.is_dir() and target.exists():
                raise FolderError(f"{target} is a {'folder' if target.is_dir() else 'file'}, and what is written is not",
                                  "give another name")  # fmt: skip
            with unbroken():
                if target.is_dir():
                    os.rename(target, room / "former")
                os.replace(aside, target)
    except OSError as error:
        raise FolderError(f"cannot write {target}: {error.strerror or error}", _mend(error, "place")) from None


def _through_links(target: Path) -> Path:
    """The file that a path leads to, itself where it is no link. Raises FolderError for a device or a pipe, and OSError."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise FolderError(f"{target} is a device or a pipe, whose place a file would take", "give another name")
    if not target.is_symlink():
        return target
    found = Path(os.path.realpath(target))
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
    return found


def _may_replace(target: Path, force: bool, replaceable: Callable[[Path], bool]) -> None:
    if not force:
        raise FolderError(f"{target} exists", "give another name, or overwrite it with --force")
    if target.is_dir() and any(target.iterdir()) and not replaceable(target):
        raise FolderError(f"{target} is a folder of something else", "give another name")
