"""Processes that are forked for tests are what a start would have made them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

warm = pytest.importorskip("warm")

if warm.session is None:
    pytest.skip("processes are started as users do", allow_module_level=True)

TELLS = """
import json, os, signal, sys, tempfile
from pathlib import Path
if "read" in sys.argv:
    sys.stdin.read()
shown = sorted(filter(None, Path("/proc/self/environ").read_text().split("\\0")))
streams = (sys.stdin, sys.stdout, sys.stderr)
signals = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1)
print(json.dumps({
    "words": (sys.argv, sys.orig_argv[3:], sys.path[0], __name__),
    "folder": os.getcwd(),
    "temporary": tempfile.gettempdir(),
    "environment": [os.environ.get(name) for name in ("RANK", "TMPDIR")],
    "shown": shown == sorted(f"{name}={value}" for name, value in os.environ.items()),
    "streams": [(s.encoding, s.errors, s.line_buffering, s.name, s.mode, s.isatty()) for s in streams],
    "parent": os.getppid(),
    "leads": os.getsid(0) == os.getpid(),
    "signals": [str(signal.getsignal(number)) for number in signals],
    "open": sorted(map(int, os.listdir("/proc/self/fd"))),
    "mask": os.umask(0),
}))
if "fail" in sys.argv:
    sys.exit(7)
if "die" in sys.argv:
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
FORKED = TELLS + "assert 'warm' in sys.modules"
STARTED = TELLS + "assert 'warm' not in sys.modules"


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    monkeypatch.setattr(warm, "PROGRAMS", warm.PROGRAMS | {FORKED})


def tell(program, tmp_path, *given, **how):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "RANK": "3"}
    words = [sys.executable, "-c", program, *given]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, **how)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("how", [
    {}, {"start_new_session": True}, {"input": "words"}, {"stdin": subprocess.DEVNULL},
], ids=["plain", "session", "input", "null"])  # fmt: skip
@pytest.mark.parametrize("given", [("a", "b c"), ("fail",), ("die",)], ids=["ends", "fails", "dies"])
def test_a_forked_process_is_what_a_started_one_is(given, how, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if "fail" in given else "1")
    if "input" in how:
        given = (*given, "read")
    assert tell(FORKED, tmp_path, *given, **how) == tell(STARTED, tmp_path, *given, **how)


def test_runs_of_this_process_are_no_reason_to_start_one(train, tiny, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    train(tiny, "run", "--steps", 1, "--deterministic")
    code, said, _ = tell(FORKED, tmp_path)
    assert code == 0, said


def test_a_forked_process_can_be_killed_and_leaves_nothing(tmp_path):
    waits = "import time\nprint('here', flush=True)\ntime.sleep(100)"
    warm.PROGRAMS.add(waits)
    with subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    assert not Path(f"/proc/{process.pid}").exists()


def test_what_a_launcher_starts_is_forked_as_well_and_is_its_child(tmp_path):
    starts = (
        "import os, subprocess, sys\n"
        f"words = [sys.executable, '-c', {FORKED!r}, 'sweep', str(os.getpid())]\n"
        "import warm\n"
        f"warm.PROGRAMS.add({FORKED!r})\n"
        "done = subprocess.run(words, capture_output=True, text=True)\n"
        "import json\n"
        "assert json.loads(done.stdout)['parent'] == os.getpid(), done\n"
        "assert done.returncode == 0, done\n"
    )
    warm.PROGRAMS.add(starts)
    done = subprocess.run([sys.executable, "-c", starts, "sweep"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_environment_is_that_of_a_process_which_is_started(tmp_path):
    program = STARTED + "\n"
    warm.PROGRAMS.add(program)
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **warm.COLD}, capture_output=True)
    assert done.returncode == 0, done.stderr
