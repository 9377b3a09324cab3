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

NAMES = ("oldest-flax", "oldest-torch", "newest-torch")
MOST = {
    "flax": (
        "trainer/test_flax_training",
        "weights/test_convert",
        "accelerators/test_flax_evaluation",
        "accelerators/test_flax_programs",
        "accelerators/test_flax_lowered",
        "trainer/test_damaged_runs",
        "trainer/test_ended_evaluations",
        "trainer/test_schedule_length",
        "trainer/test_starts_from_images",
    ),
    "torch": (
        "trainer/test_steps",
        "trainer/test_compiling",
        "accelerators/test_batch_norm",
        "accelerators/test_determinism",
        "accelerators/test_evaluation",
        "accelerators/test_optimizers",
        "accelerators/test_precision",
        "accelerators/test_skipped_updates",
        "accelerators/test_uploads",
    ),
}
"""Tests that meet most of a framework's interface, in a minute or two of a processor: half of them in a process."""
OF_ONE_BUILD = "trainer/test_memory"
"""Tests whose limits of memory are those of the libraries of one build."""
ASK = "import sys; from importlib.metadata import version; print(*(n + '==' + version(n).split('+')[0] for n in sys.argv[1:]))"
# JAX before 0.10.2 says of each program for a CPU which it finds in its cache that it may end by SIGILL; the tests share one
SILENT = {"TF_CPP_MIN_LOG_LEVEL": "3"}
# the modules of what stands aside are compiled when they are first imported, and kept
LEFT_OUT = {LONG, "PYTHONDONTWRITEBYTECODE"}


def of_trainers(extra):
    """All tests of trainers that name a framework, and of the models that Flax trains."""
    named = (
        f"trainer/{path.stem}"
        for path in REPO.glob("tests/trainer/test_*.py")
        if extra in path.read_text("utf-8") and (extra == "flax" or "flax" not in path.stem)
    )
    models = ("backends/test_flax_models", "weights/test_flax_weights") if extra == "flax" else ()
    return sorted({*named, *models} - {*MOST[extra], OF_ONE_BUILD})


def extra_of(name):
    """The extra whose packages a name stands for."""
    return name.partition("-")[2]


@pytest.mark.long
@pytest.mark.parametrize("half", range(2))
@pytest.mark.parametrize("name", NAMES)
def test_trainers_work_with_other_frameworks(name, half):
    check(name, *MOST[extra_of(name)][half::2])


@pytest.mark.release
@pytest.mark.parametrize(
    ("name", "tests"), [(name, file) for name in NAMES for file in of_trainers(extra_of(name))]
)
def test_each_trainer_test_passes_with_other_frameworks(name, tests):
    check(name, tests)


def check(name, *tests):
    """Run files of tests with a framework that stands aside."""
    folder, extra = installed(name), extra_of(name)
    environment = {k: v for k, v in os.environ.items() if k not in LEFT_OUT} | SILENT | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", ASK, *PACKAGES[extra]]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    pins = oldest(extra)
    assert all(f"{given}.".startswith(f"{pin}.") for given, pin in zip(found, pins, strict=True)) == (
        name.startswith("oldest")
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
        *(f"tests/{file}.py" for file in tests),
    ]
    done = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
