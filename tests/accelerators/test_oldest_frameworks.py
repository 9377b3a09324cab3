"""Trainers with the oldest frameworks that pyproject.toml declares; every other test has the newest.

They are installed once into a folder below the virtual environment that comes first on the path: JAX and Flax without what they
depend on, PyTorch with its own.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import REPO
from loops import LONG

pytestmark = pytest.mark.release

PACKAGES = {
    "flax": ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint"),
    "torch": ("torch",),
}
SUITES = {
    "flax": (
        "tests/trainer/test_flax_training.py",
        "tests/weights/test_convert.py",
        "tests/accelerators/test_flax_evaluation.py",
        "tests/accelerators/test_flax_programs.py",
        "tests/accelerators/test_flax_lowered.py",
    ),
    "torch": (
        "tests/trainer/test_steps.py",
        "tests/accelerators/test_batch_norm.py",
        "tests/accelerators/test_determinism.py",
        "tests/accelerators/test_evaluation.py",
        "tests/accelerators/test_optimizers.py",
        "tests/accelerators/test_precision.py",
        "tests/accelerators/test_skipped_updates.py",
        "tests/accelerators/test_uploads.py",
    ),
}
INDEX = ("--retries", "0", "--timeout", "10", "--extra-index-url", "https://download.pytorch.org/whl/cpu")
OPTIONS = {
    "flax": ("--no-deps",),
    # of PyTorch the CPU's build, as the Makefile has it; where that is not reached, one for CUDA, which has libraries to it
    "torch": INDEX,
}
PATIENCE = 600  # seconds for an installation: the CPU's PyTorch takes half a minute, CUDA's gigabytes two to five


def oldest(extra):
    """The pins of an extra's frameworks at the lowest version that it declares."""
    declared = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    floors = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups() for line in declared)
    if "jax" in floors:
        floors["jaxlib"] = floors["jax"]  # which come in pairs
    return [f"{name}=={floors[name]}" for name in PACKAGES[extra]]


@pytest.fixture
def installed(request):
    """The folder with the oldest frameworks of an extra."""
    pins = oldest(request.param)
    folder = Path(sys.prefix) / "oldest" / "-".join(pins).replace("==", "")
    if not (folder / "ready").exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--upgrade",
            "--target",
            folder,
        ]
        try:
            done = subprocess.run(
                [*command, *OPTIONS[request.param], *pins],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{', '.join(pins)} cannot be installed here in {PATIENCE} seconds")
        if done.returncode:
            pytest.skip(f"{', '.join(pins)} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        (folder / "ready").touch()
    return request.param, folder, pins


@pytest.mark.parametrize("installed", PACKAGES, indirect=True, ids=str)
def test_the_trainer_works_with_the_oldest_frameworks(installed):
    extra, folder, pins = installed
    environment = {k: v for k, v in os.environ.items() if k != LONG} | {"PYTHONPATH": str(folder)}
    ask = "import sys; from importlib.metadata import version; print(*(f'{n}=={version(n).split('+')[0]}' for n in sys.argv[1:]))"
    command = [sys.executable, "-c", ask, *PACKAGES[extra]]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert all(f"{name}.".startswith(f"{pin}.") for name, pin in zip(found.split(), pins, strict=True)), found
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *SUITES[extra],
    ]
    done = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
