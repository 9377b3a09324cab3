"""Running a `train.py` that somebody has: of a built folder, or of a run, edited or not."""

from __future__ import annotations

import filecmp
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import archspec_runtime
from archspec_cli.console import fail
from archspec_runtime.parts import INSTALLED

STATED = {"sets": "--set", "preset": "--preset", "include": "--include", "backend": "--backend", "on": "--on"}
"""Options that change what a spec says, which a `train.py` has said already."""
OWN = {"spec", "folder", *STATED}


def run_trainer(context: typer.Context, folder: Path, out: Path | None = None) -> int:
    """Run the `train.py` of a folder with the options of the command line that are no matter of its own; the exit code.

    `out` is the run to go on with, where the folder is a part of it.
    """
    trainer = folder / "train.py"
    if not trainer.is_file():
        fail(f"{folder} holds no train.py", f"`archspec build SPEC --backend torch --out {folder}` writes one")
    imports = re.search(rb"^\s*(from|import) model\b", trainer.read_bytes(), re.MULTILINE)
    if imports is not None and not (folder / "model.py").is_file() and not (folder / "model").is_dir():
        fail(f"{folder} holds no model.py, which its train.py imports",
             f"`archspec build SPEC --backend torch --out {folder} --force` writes one, and train.py anew")  # fmt: skip
    if out is None and _given(context, "spec"):
        fail(f"both a spec and --from {folder} are given", "leave one of them out: train.py says what it trains")
    for name, option in STATED.items():
        if _given(context, name):
            fail(f"{option} has no effect on {trainer}, which is trained as it stands",
                 f"edit {_place(trainer, context.params[name])} instead")  # fmt: skip
    own = [] if out is None or _given(context, "out") else ["--out", str(out)]
    command = [sys.executable, str(trainer), *_arguments(context), *own]
    with subprocess.Popen(command, env={**os.environ, **_parts(folder)}) as process:
        before = {number: signal.signal(number, _heard_by(process)) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _parts(folder: Path) -> dict[str, str]:
    """Where the parts of the trainer are that a folder does not carry, if those that it carries are of this version."""
    installed = Path(archspec_runtime.__file__).parents[1]
    carried = (path.relative_to(folder) for path in folder.glob("archspec_*/**/*.py"))
    files = [file for file in carried if len(file.parts) > 2 or file.name != "__init__.py"]  # which is shorter
    same = all(
        (installed / file).is_file() and filecmp.cmp(folder / file, installed / file, shallow=False)
        for file in files
    )
    return {INSTALLED: str(installed)} if files and same else {}


def _heard_by(process: subprocess.Popen[bytes]) -> Any:
    """A handler that leaves Ctrl-C to the trainer, which the terminal tells as well, and passes SIGTERM on."""

    def handle(number: int, _: object) -> None:
        if number == signal.SIGTERM:
            process.terminate()

    return handle


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _arguments(context: typer.Context) -> Iterator[str]:
    """What was given, as `train.py` takes it."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in OWN or not _given(context, name):
            continue
        option, value = max(parameter.opts, key=len), context.params[name]
        if value is True:
            yield option
        elif isinstance(value, (list, tuple)):
            for one in value:
                yield from (option, str(one))
        elif value is not False:
            yield from (option, str(getattr(value, "value", value)))


def _place(trainer: Path, given: Any) -> str:
    """The line of a trainer that says what an option would change, as far as a name of it is found there."""
    keys = re.findall(r"[a-z_]+(?==)", str(given[0]) if isinstance(given, list) and given else "")
    lines = trainer.read_text(encoding="utf-8", errors="replace").splitlines()
    for key in keys:
        for number, line in enumerate(lines, 1):
            if re.search(rf"\b{key}=", line):
                return f"line {number} of it (`{line.strip()}`)"
    return "it"
