"""Ctrl-C at any moment: the process ends, with no traceback, and nothing half written stays."""

import os
import signal
import subprocess
import sys
import time

import pytest

BEGIN = "import signal; from archspec_cli.entry import main; print('begun', flush=True); main()"
DIES = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
COMPUTES = "import hashlib; print('begun', flush=True); hashlib.pbkdf2_hmac('sha256', b'', b'', 2**30)\n"
"""Minutes in C, in which no handler is called."""


def begun(words, folder, environment=None):
    """A process that has said so."""
    process = subprocess.Popen([sys.executable, "-c", *map(str, words)], cwd=folder, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    return process


def ended(process):
    """Its exit code as a shell gives it, and what it said."""
    _, said = process.communicate(timeout=60)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, said


COMMANDS = {
    "check": ("check", "resnet50"),
    "build": ("build", "resnet50", "--out", "net"),
    "list": ("list",),
    "doctor": ("doctor",),
    "train": ("train", "digits_resnet:resnet8", "--out", "run", "--steps", 4000, "--device", "cpu", "--threads", 1),
}


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.4, 1.2])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_at_any_moment_and_leaves_nothing_half_made(name, seconds, tmp_path):
    if name in ("doctor", "train"):
        pytest.importorskip("torch")
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    process = begun([BEGIN, *COMMANDS[name]], work, {**os.environ, "TMPDIR": str(temporary)})
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code in (0, 130), said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    made = [*work.rglob("*"), *temporary.glob("archspec-*")]
    assert not [p for p in made if p.name.startswith((".", "archspec-")) and p.name != ".archspec"]
    assert not list(work.glob("*/lock"))


def test_a_run_that_is_killed_leaves_nothing_but_its_folder(tmp_path):
    pytest.importorskip("torch")
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    process = begun([BEGIN, *COMMANDS["train"]], work, {**os.environ, "TMPDIR": str(temporary)})
    while not (work / "run" / "metrics.jsonl").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.kill()
    assert ended(process)[0] == 137
    assert not list(temporary.glob("archspec-*"))
    assert [path.name for path in work.iterdir()] == ["run"]


def test_what_was_ignored_stays_ignored(tmp_path):
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {BEGIN}"
    process = begun([code, "check", "resnet18"], tmp_path)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 0


# --- what writes ---------------------------------------------------------------------------------------


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", DIES + code], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_what_is_written_aside_goes_with_the_process(number, tmp_path):
    (tmp_path / "weights.pt").write_text("former")
    code = f"""
from pathlib import Path
from archspec.files import written_aside
with written_aside(Path("weights.pt"), force=True, replaceable=lambda path: False) as aside:
    aside.write_text("half")
    signal.raise_signal({int(number)})
print("not reached")
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-number, "", "")
    assert [p.name for p in tmp_path.iterdir()] == ["weights.pt"]
    assert (tmp_path / "weights.pt").read_text() == "former"


def test_nothing_is_left_half_replaced(tmp_path):
    code = """
from pathlib import Path
from archspec.files.interrupts import unbroken
with unbroken():
    Path("one").touch()
    signal.raise_signal(signal.SIGINT)
    Path("other").touch()
print("not reached")
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
    assert {p.name for p in tmp_path.iterdir()} == {"one", "other"}


def test_where_ctrl_c_raises_it_still_does(tmp_path):
    code = """
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from archspec.files import write_folder
from archspec_runtime.processes.signals import undone, written_whole
try:
    with undone(lambda: print("undone")), written_whole(Path("page.html")) as aside:
        aside.write_text("half")
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("raised")
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["undone", "raised"], "")
    assert not list(tmp_path.iterdir())


# --- a process that computes in C ----------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_folder_is_let_go_also_by_a_process_that_does_not_hear(number, tmp_path):
    code = (
        DIES
        + f"""
from pathlib import Path
from archspec_runtime.record.folder import lock
with lock(Path(".")):
    {COMPUTES}"""
    )
    process = begun([code], tmp_path)
    assert (tmp_path / "lock").exists()
    process.send_signal(number)
    assert ended(process) == (128 + number, "")
    assert not (tmp_path / "lock").exists()


def test_a_second_interrupt_ends_a_step_that_does_not_end(tmp_path):
    code = (
        DIES
        + f"""
from pathlib import Path
from archspec_runtime.record.folder import lock
from archspec_runtime.processes.signals import Signals
with lock(Path(".")), Signals():
    {COMPUTES}"""
    )
    process = begun([code], tmp_path)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "")
    assert not (tmp_path / "lock").exists()
