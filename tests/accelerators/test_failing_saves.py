"""A checkpoint that one process alone knows it could not write: all processes end, and none waits for an answer."""

import os
import subprocess
import sys

import pytest

from runs import CPU, FLAT

pytest.importorskip("jax")
KEEP = "train.keep={on_failure: stop}"


def test_two_processes_of_jax_end_together_where_a_checkpoint_cannot_be_written(tmp_path):
    (tmp_path / "small.yaml").write_text(FLAT.replace("fp64", "fp32"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("not a folder")
    command = [sys.executable, "-m", "archspec_cli", "train", "small.yaml", "--backend", "flax", "--nproc", "2",
               "--out", "run", "--force", "--set", KEEP, "--steps", "40", "--checkpoint-every", "3",
               "--timeout", "20", *CPU]  # fmt: skip
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1, done.stderr
    assert "error: the checkpoint of step 3 cannot be written" in done.stderr
