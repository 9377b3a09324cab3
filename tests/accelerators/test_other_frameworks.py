"""Trainers with the oldest frameworks that pyproject.toml declares, and with the newest PyTorch.

All other tests have those of `.venv`, of which Flax and JAX are the newest, as nothing pins them. `make test-all` installs
the others (`tests/frameworks_aside.py`), each into a folder that comes first on the path.
"""

import os
import subprocess
import sys

import pytest

from conftest import REPO
from frameworks_aside import PACKAGES, installed, oldest
from loops import LONG

FLAX = (
    "tests/trainer/test_flax_training.py",
    "tests/weights/test_convert.py",
    "tests/accelerators/test_flax_evaluation.py",
    "tests/accelerators/test_flax_programs.py",
    "tests/accelerators/test_flax_lowered.py",
)
TORCH = (
    "tests/trainer/test_steps.py",
    "tests/accelerators/test_batch_norm.py",
    "tests/accelerators/test_determinism.py",
    "tests/accelerators/test_evaluation.py",
    "tests/accelerators/test_optimizers.py",
    "tests/accelerators/test_precision.py",
    "tests/accelerators/test_skipped_updates.py",
    "tests/accelerators/test_uploads.py",
)
SUITES = {"oldest-flax": FLAX, "oldest-torch": TORCH, "newest-torch": TORCH}
ASK = "import sys; from importlib.metadata import version; print(*(n + '==' + version(n).split('+')[0] for n in sys.argv[1:]))"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("oldest-torch", marks=pytest.mark.long),
        pytest.param("newest-torch", marks=pytest.mark.long),
        pytest.param("oldest-flax", marks=pytest.mark.release),
    ],
)
def test_the_trainer_works_with_other_frameworks(name):
    folder = installed(name)
    age, extra = name.split("-")
    environment = {k: v for k, v in os.environ.items() if k != LONG} | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", ASK, *PACKAGES[extra]]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    pins = oldest(extra)
    assert all(f"{given}.".startswith(f"{pin}.") for given, pin in zip(found, pins, strict=True)) == (
        age == "oldest"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--timeout=0",  # of each test: that of this one holds
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *SUITES[name],
    ]
    done = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
