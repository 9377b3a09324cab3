"""Running out of memory is said with what a step needs and what needs less."""

import re
import subprocess
import sys

import pytest

from runs import MAIN, forked, said

torch = pytest.importorskip("torch")

LARGE = """archspec: 1
name: large
input: {channels: 3, size: 32}
classes: 10
stem: [{conv1: {conv: {out: 512, kernel: 3}}}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: synthetic, normalize: none}, batch_size: 2000, steps: 1, lr: 0.1}
"""
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))"
STARVED = forked(f"{LIMIT}; from archspec_cli.main import main; main()")


@pytest.fixture
def starve(tmp_path):
    """Train the large net in three gigabytes of address space; gives the one error."""
    (tmp_path / "large.yaml").write_text(LARGE)

    def run(*more):
        command = [
            sys.executable,
            "-c",
            STARVED,
            "train",
            "large.yaml",
            "--out",
            "run",
            "--device",
            "cpu",
            "--threads",
            "1",
            *more,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        return said(done, 1)

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_running_out_of_memory_says_what_a_step_needs_and_what_needs_less(backend, starve):
    pytest.importorskip(backend)
    error = starve("--backend", backend)
    assert re.match(
        r"error: out of memory with a batch of 2000: a step needs about 4\.3 GiB \(weights .*, activations 3\.9 GiB,",
        error,
    )
    assert re.search(
        r"help: split each batch \(`accumulate: 2`, about 2\.2 GiB\), make batch_size or input\.size smaller, or",
        error,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_images_that_are_more_than_the_memory_are_said(starve):
    error = starve("--set", "input.size=1024")
    assert "out of memory" in error
    assert "smaller" in error


LIMITS = {
    "PyTorch, its libraries": (400_000, ("--backend", "torch"), "PyTorch does not import: out of memory"),
    "PyTorch, a run": (650_000, ("--backend", "torch"), "out of memory"),
    "JAX, its libraries": (400_000, ("--backend", "flax"), "out of memory"),
    "JAX, a run": (700_000, ("--backend", "flax"), "out of memory: JAX takes about"),
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("case", LIMITS)
def test_a_limit_that_libraries_reach_is_said_with_how_to_raise_it(case, tmp_path):
    limit, options, words = LIMITS[case]
    pytest.importorskip(options[1])
    command = [
        "bash",
        "-c",
        f'ulimit -v {limit}; exec "$@"',
        "bash",
        *MAIN,
        "train",
        "digits_resnet:resnet8",
        *options,
    ]
    done = subprocess.run(
        [*command, "--steps", "1", "--out", "run", "--device", "cpu", "--threads", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert f"`ulimit -v` is {limit}" in done.stderr
    assert "pip install" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="what is counted is Linux's")
def test_what_a_process_took_is_its_own_and_not_of_the_program_that_it_was_before():
    measure = "from archspec_runtime.run.peak_memory import taken; print(taken())"
    program = f"import os, sys; x = b'x' * 2**29; os.execv(sys.executable, [sys.executable, '-c', {measure!r}])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 2**22 < int(done.stdout) < 2**28
