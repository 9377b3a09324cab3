"""A sweep as a SLURM array script: to be read, changed where the cluster wants it, and submitted."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from archspec_experiments.runs import LOGS
from archspec_experiments.task import Task
from archspec_runtime.errors import RunError

HEAD = """\
#!/bin/bash
# Written by `archspec sweep`: one run an array task. Submit it again to go on: runs that ended are left as they are.
#SBATCH --job-name={job}
#SBATCH --array=0-{last}{limit}
#SBATCH --output={logs}/slurm-%A_%a.log
#SBATCH --cpus-per-task={cpus}
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
# To be set for the cluster: #SBATCH --partition=..., --gres=gpu:1, --time=24:00:00

cd {here} || exit 1

run() {{ # FOLDER ARGUMENTS...: start a run, or go on with one that was begun
    local folder=$1 resume=()
    shift
    [ -f "$folder/run.json" ] && resume=(--resume)
    exec {python} -m archspec_cli train "$@" --out "$folder" "${{resume[@]}}" # exec, so that SLURM's signal reaches it
}}

case "$SLURM_ARRAY_TASK_ID" in
"""


def script(out: Path, tasks: Sequence[Task], cpus: int, jobs: int | None) -> str:
    """The text of the script for these tasks, at most `jobs` of them at a time."""
    here = Path.cwd()
    head = HEAD.format(
        job=_word(out.resolve().name), last=len(tasks) - 1, limit=f"%{jobs}" if jobs else "", cpus=cpus,
        logs=_path(out.resolve() / LOGS), here=_quoted(str(here)), python=_quoted(sys.executable),
    )  # fmt: skip
    cases = [f"{index}) run {' '.join(map(_quoted, _words(task)))} ;;" for index, task in enumerate(tasks)]
    return head + "\n".join([*cases, "esac", ""])


def _words(task: Task) -> list[str]:
    """The folder of a task and what `train` is told, less what the script adds."""
    words = list(task.arguments[1:])
    at = words.index("--out")
    return [str(task.folder), *words[:at]]


def _word(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text) or "sweep"


def _path(path: Path) -> str:
    """A path as SLURM's header takes it, where % begins a pattern. Raises RunError where it would not stay on its line."""
    if not str(path).isprintable():
        raise RunError(f"{path} has signs in its name that a SLURM script cannot hold", "give another --out", 2)
    return shlex.quote(str(path).replace("%", "%%"))


def _quoted(text: str) -> str:
    """A word as bash takes it, on one line and without what would drive a terminal that shows the script."""
    if text.isprintable():
        return shlex.quote(text)
    plain = set(range(32, 127)) - set(b"'\\")
    return "$'" + "".join(chr(b) if b in plain else f"\\x{b:02x}" for b in os.fsencode(text)) + "'"
