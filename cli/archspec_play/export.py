"""The playground as static files: its page, a Python for browsers, and the wheels of archspec and of what it needs."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from archspec.files import FolderError, check_own, listed, write_folder
from archspec.files.folders import note
from archspec.service.document import Workspace
from archspec_play.opened import Opened
from archspec_play.parts import ARCHIVE, PYODIDE, gathered
from archspec_play.policy import policy
from archspec_play.wheels import wheels

PAGE = ("core.js", "icon.svg", "play.css", "play.js")
PYTHON = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
NOTE = "archspec play --export"
NONCE = "play"  # of its styles: the page is the same for everybody
LICENSES = f"""
--- below pyodide/

Pyodide {PYODIDE} with the standard library of Python, under the Mozilla Public License 2.0 and Python's own license:
https://github.com/pyodide/pyodide

--- below wheels/

Each wheel has its license in its folder `.dist-info`.
"""


def export(
    opened: Opened, include: Sequence[Path], folder: Path, parts: Path | None, *, force: bool = False
) -> None:
    """Write the page into a folder, with `parts` from there or fetched. Raises FolderError and PartsError."""
    if not force:  # before anything is fetched
        check_own(folder, "--export")
        _is_export(folder)
    content = site(opened, include, gathered(parts))
    write_folder(folder, content, force=force, note=NOTE, check=_is_export, option="--export")


def _is_export(folder: Path) -> None:
    if listed(folder) and note(folder) != NOTE:
        raise FolderError(f"{folder} holds a build", "give another --export")


def site(opened: Opened, include: Sequence[Path], parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the page, by their paths."""
    packed = dict(sorted([*wheels(), *((name, part) for name, part in parts.items() if name != ARCHIVE)]))
    page = files("archspec_play") / "page"
    return {
        "index.html": index((page / "index.html").read_text(encoding="utf-8")).encode(),
        **{name: (page / name).read_bytes() for name in PAGE},
        "licenses.txt": (page / "licenses.txt").read_bytes() + LICENSES.encode(),
        "opened.json": json.dumps(_told(opened, include)).encode(),
        "wheels.json": json.dumps([*packed]).encode(),
        **{f"wheels/{name}": content for name, content in packed.items()},
        **{f"pyodide/{name}": content for name, content in _python(parts[ARCHIVE]).items()},
    }


def index(text: str) -> str:
    """The page as it asks the core in its own worker, under a policy that stands in it."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(NONCE, exported=True)}">'
    return text.replace('data-nonce="{{nonce}}"', f'data-nonce="{NONCE}" data-core').replace(
        "<head>\n", f"<head>\n  {meta}\n"
    )


def _python(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            name: stream.read() for name in PYTHON if (stream := tar.extractfile(f"package/{name}")) is not None
        }


def _told(opened: Opened, include: Sequence[Path]) -> dict[str, object]:
    """What was opened, with the files that it extends, below the folder that is around all of them."""
    document = Workspace(tuple(include)).open(opened.path, opened.text)
    extended = [each for each in document.chain()[1:] if not each.is_library]
    around = Path(os.path.commonpath([document.path.parent, *(each.path.parent for each in extended)]))
    return {
        "name": opened.name,
        "text": opened.text,
        "preset": opened.preset,
        "values": dict(opened.overrides),
        "fragment": opened.fragment,
        "folder": document.path.parent.relative_to(around).as_posix(),
        "extended": {each.path.relative_to(around).as_posix(): each.text.text for each in extended},
    }
