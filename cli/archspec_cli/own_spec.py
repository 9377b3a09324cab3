"""The spec that a command means where none is given: the one of the folder, or of what was built there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple, NoReturn

from archspec.diagnostics.printable import printable
from archspec_cli.console import fail, say

_IS_SPEC = re.compile(rb"^archspec[ \t]*:", re.MULTILINE)
MOST = 12  # specs that are listed


def spec_of_folder() -> str:
    """The path of the spec in the working folder; ends with a message where there is none, or which is meant is open."""
    found = [path for path in sorted(Path().iterdir()) if _is_spec(path)]
    built = Path("spec.yaml")
    if built in found and Path("model.py").is_file():
        found = [built]
    run = Path("code", "spec.yaml")
    if not found and _is_spec(run):
        found = [run]
    if not found:
        fail("no spec is given, and this folder holds none", "name a file or one of the zoo: `archspec list`")
    if len(found) > 1:
        _fail_between(found)
    say(f"the spec is {found[0]}")
    return str(found[0])


class Run(NamedTuple):
    """What a run's folder says of how it was trained."""

    spec: str
    backend: str
    data: Path | None
    edited: bool  # its train.py


def means_run(spec: str) -> bool:
    """Whether what stands for a spec is a run's folder, or any folder that has not the name of a zoo spec."""
    from archspec.loading import zoo

    if not Path(spec).is_dir():
        return False
    return Path(spec, "run.json").is_file() or (zoo.find(spec) is None and zoo.member(spec) is None)


def run_of(folder: Path) -> Run:
    """The run that is in a folder, or around it. Raises RunError where it holds none that can be gone on with."""
    from archspec_runtime.errors import RunError
    from archspec_runtime.record.folder import read_run
    from archspec_runtime.record.identity import edited_trainer, read_identity

    around = next((parent for parent in folder.absolute().parents if (parent / "run.json").is_file()), None)
    if around is not None and not (folder / "run.json").is_file():
        raise RunError(
            f"{folder} is a part of a run",
            f"go on with the run: archspec train {shlex.quote(str(around))} --resume",
            2,
        )
    found = read_run(folder)
    spec, data = folder / "code" / "spec.yaml", found.get("data")
    if not spec.is_file():
        help_ = f"name the spec: archspec train SPEC --out {shlex.quote(str(folder))} --resume"
        raise RunError(f"{folder} does not hold the spec of its run, {spec}", help_, 2)
    edited = edited_trainer(read_identity(found, folder / "run.json"))
    return Run(str(spec), found["backend"], Path(data) if isinstance(data, str) else None, edited)


def _fail_between(found: list[Path]) -> NoReturn:
    names = ", ".join(printable(str(path)) for path in found[:MOST]) + (", ..." if len(found) > MOST else "")
    fail("no spec is given, and this folder holds several", f"name one of them: {names}")


def _is_spec(path: Path) -> bool:
    """Whether a file says that it is a spec; what cannot be read is none here, and said where it is named."""
    try:
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            return False
        with path.open("rb") as file:
            return _IS_SPEC.search(file.read(1 << 16)) is not None
    except OSError:
        return False
