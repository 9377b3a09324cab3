"""The specs that lie in a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from archspec_cli.common import is_run
from archspec_cli.console import fail


def is_spec_folder(name: str) -> bool:
    """Whether a name is that of a folder of specs: not of a run, and not a name of the zoo, which comes first."""
    if not os.path.isdir(name) or is_run(name):
        return False
    from archspec.loading import zoo

    return zoo.find(name) is None and zoo.member(name) is None


def specs_below(name: str) -> tuple[list[str], int]:
    """The specs of a folder, and how many other files of YAML are there.

    Recipes and blocks are parts of specs, and are checked where one names them; what runs keep is what they ran.
    """
    folder = Path(name)
    os.listdir(folder)  # which says so where it may not be read: a search would find nothing
    files = sorted(p for suffix in ("yaml", "yml") for p in folder.rglob(f"*.{suffix}") if _is_seen(p, folder))
    found = [str(path) for path in files if _is_spec(path)]
    if not found:
        fail(f"{name} holds no specs: no .yaml file that says `archspec: 1`", "give a folder of specs, or a spec")
    return found, len(files) - len(found)


def _is_seen(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    if path.is_dir() or "recipes" in parts[:-1] or any(part.startswith(".") for part in parts):
        return False
    run = path.parent.parent  # whose spec is a record, and nothing to mend
    return run == folder or path.parent.name != "code" or not (run / "run.json").is_file()


def _is_spec(path: Path) -> bool:
    """Whether a file says that it is one; of one that cannot be read it will be said."""
    if not path.is_file():  # a pipe would be waited for
        return True
    try:
        return re.search(rb"^[\"']?archspec[\"']?\s*:", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return True
