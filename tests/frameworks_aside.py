"""What stands beside the frameworks of `.venv`: the oldest and the newest that pyproject.toml declares, libtpu's compiler,
and loggers.

    python tests/frameworks_aside.py [NAME...]        installs what is not there yet: all, or what is named

Each has a folder below the virtual environment: `aside/NAME`. The file `ready` in it says what was installed, and `refused` what
pip said where it could not be, with no index in reach. `.venv` has the newest Flax and JAX, which nothing pins; PyTorch is
pinned in the Makefile, so its newest release is installed here.

`make test-all` installs both PyTorchs and the loggers while its tests run. Those that need one of them come last, and wait
until it is there.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TextIO

REPO = Path(__file__).parent.parent
ASIDE = Path(sys.prefix) / "aside"
PACKAGES = {"flax": ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint"), "torch": ("torch",)}
# of PyTorch the CPU's build, as the Makefile has it; where that is not reached, one for CUDA, which has libraries to it
CPU_BUILD = ("--retries", "0", "--timeout", "10", "--extra-index-url", "https://download.pytorch.org/whl/cpu")
PATIENCE = 900
"""Seconds for an installation: the CPU's PyTorch takes half a minute, CUDA's gigabytes two to seven."""


def oldest(extra: str) -> list[str]:
    """The pins of an extra's frameworks at the lowest version that it declares."""
    declared = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    floors = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in declared)  # type: ignore[union-attr]
    if "jax" in floors:
        floors["jaxlib"] = floors["jax"]  # which come in pairs
    return [f"{name}=={floors[name]}" for name in PACKAGES[extra]]


def compiler() -> list[str]:
    """The release of libtpu that the installed JAX names."""
    named = (line.split(";")[0] for line in metadata.requires("jax") or ())
    return [next(line for line in named if line.startswith("libtpu"))]


def wanted() -> dict[str, tuple[list[str], tuple[str, ...]]]:
    """By name: what pip is to install, and its options."""
    return {
        "libtpu": (compiler(), ("--no-deps",)),
        "oldest-flax": (oldest("flax"), ("--no-deps",)),
        "oldest-torch": (oldest("torch"), CPU_BUILD),
        "newest-torch": (["torch"], CPU_BUILD),
        # of MLflow its client and the database of a run, without what serves and trains models
        "loggers": (["tensorboard", "wandb", "mlflow-skinny", "sqlalchemy", "alembic"], ()),
    }


def pip(folder: Path, *words: str) -> tuple[int, str]:
    """Its exit code, and the last line that it said."""
    command = [sys.executable, "-m", "pip", *words, "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return 1, f"took more than {PATIENCE} seconds"
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def in_reach() -> bool:
    """Whether pip reaches its index: a package of a few kilobytes comes."""
    with tempfile.TemporaryDirectory() as place:
        return pip(Path(place), "download", "--no-deps", "--no-cache-dir", "--dest", place, "iniconfig")[0] == 0


def lock(name: str) -> TextIO:
    """An open file that keeps others from installing or looking for what a name stands for; waits for those who do."""
    ASIDE.mkdir(exist_ok=True)
    file = (ASIDE / f"{name}.lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def install(name: str) -> None:
    """Install what a name stands for. Raises SystemExit where pip reaches its index and still refuses."""
    pins, options = wanted()[name]
    folder = ASIDE / name
    if (folder / "ready").exists() and (folder / "ready").read_text() == " ".join(pins):
        return
    folder.mkdir(parents=True, exist_ok=True)
    code, said = pip(folder, "install", "--no-compile", "--upgrade", "--target", str(folder), *options, *pins)
    if code == 0:
        (folder / "ready").write_text(" ".join(pins))
        (folder / "refused").unlink(missing_ok=True)
    elif in_reach():
        raise SystemExit(f"{' '.join(pins)} could not be installed into {folder}: {said}")
    else:
        (folder / "refused").write_text(f"{' '.join(pins)}: no package index in reach: {said}")
        print(f"left out, as no package index is in reach: {' '.join(pins)}", file=sys.stderr)


def installed(name: str) -> Path:
    """The folder of what a name stands for. Without it a test is skipped where no package index was in reach, and else fails."""
    import pytest

    folder = ASIDE / name
    with lock(name):
        there = (folder / "ready").exists()
        if not there and (folder / "refused").exists():
            pytest.skip((folder / "refused").read_text())
    if not there:
        pytest.fail(
            f"{folder} is not there: `make test-all` installs it, or `python tests/frameworks_aside.py {name}`"
        )
    return folder


def main(names: list[str]) -> None:
    """Install each. All are locked from the beginning."""
    for name, locked in {name: lock(name) for name in names}.items():
        with locked:
            install(name)


if __name__ == "__main__":
    main(sys.argv[1:] or [*wanted()])
