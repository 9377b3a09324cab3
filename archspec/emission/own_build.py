"""Own builds: the files of a net's folder, which replace unasked what the same spec was built to before, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from archspec.files import FolderError, write_folder
from archspec.files.folders import listed, note
from archspec.ir.network import Network
from archspec.loading.origin import Origin, shown
from archspec.loading.program import Program

WEIGHTS = "weights.safetensors"
BUILT = "archspec build "
"""What notes begin with."""


class FolderFiles(dict[str, "str | bytes"]):
    """The files of a net's folder by relative path."""

    def __init__(self, files: Mapping[str, str | bytes], net: Network) -> None:
        super().__init__(files)
        self._name = net.name
        self._origin: Origin | None = net.origin if isinstance(net, Program) else None

    def write(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write them, all or none.

        Raises FolderError where the folder holds what no build wrote, what was changed since, or the build of another spec,
        unless by `force`.
        """
        path = Path(folder)
        write_folder(path, self, force=force, note=self._told(path), check=self._check)

    def _told(self, folder: Path) -> str | None:
        return None if self._origin is None else f"{BUILT}{self._origin.told(folder)}"

    def _check(self, folder: Path) -> None:
        """Raise FolderError where what was built into a folder is not this spec's."""
        built = listed(folder)
        if not built:
            return
        before, now = _text(folder / "spec.yaml"), self.get("spec.yaml")
        name = _name_in(before) or self._name
        held, own = note(folder), self._told(folder)
        if name != self._name:
            what = f"{folder} holds the net {name}, and {self._name} would replace it"
        elif WEIGHTS in built and WEIGHTS not in self:
            what = f"{folder} holds weights, and this build has none"
        elif before == now if before is not None else self.get("model.py") == _text(folder / "model.py"):
            return
        elif held is None or own is None:
            what = f"{folder} holds another net {name}, which this one would replace"
        elif held != own:
            other, this = (shown(one.removeprefix(BUILT), folder) for one in (held, own))
            what = f"{folder} holds the build of `{other}`, and that of `{this}` would replace it"
        else:
            return
        raise FolderError(what, "give another --out, or --force to replace it")


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _name_in(spec: str | None) -> str | None:
    found = re.search(r"^name: (.*)$", spec, re.MULTILINE) if spec is not None else None
    return found[1].strip("'\"") if found is not None else None
