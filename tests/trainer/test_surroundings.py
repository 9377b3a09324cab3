"""Runs with any paths and surroundings."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_runtime.record.folder import read_metrics, read_run
from runs import CPU, TINY, measurements

pytest.importorskip("torch")

SURROUNDINGS = {
    "no home, no UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "home that cannot be written, a terminal of few letters": {
        "LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "ascii",
        "HOME": "/proc/nowhere",
        "TERM": "dumb",
    },
}
EACH = """
import sys
from itertools import groupby
from archspec_cli.main import main
for words in [list(words) for then, words in groupby(sys.argv[1:], "then".__eq__) if not then]:
    sys.argv = ["archspec", *words]
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    print("ended:", code, file=sys.stderr)
"""


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_spaces_and_unicode_in_paths_work_anywhere(surroundings, tmp_path):
    """Commands in one process, since nothing that is imported under other surroundings can be forked."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "HOME", "MPL", "XDG"))}
    folder = tmp_path / "größe 漢字"
    folder.mkdir()
    (folder / "my spec.yaml").write_text(f"# größe 漢字\n{TINY}", encoding="utf-8")
    (folder / "bad é.yaml").write_text("archspec: 1\nname: größe 漢字\n", encoding="utf-8")
    commands = {
        ("train", folder / "my spec.yaml", "--out", folder / "run 1", "--steps", 2, *CPU): 0,
        ("check", folder / "my spec.yaml"): 0,
        ("check", folder / "bad é.yaml"): 1,
        ("show", folder / "my spec.yaml"): 0,
        ("report", folder / "run 1", "--title", "größe 漢"): 0,
    }
    words = [str(word) for given in commands for word in (*given, "then")]
    done = subprocess.run([sys.executable, "-c", EACH, *words], env=environment | SURROUNDINGS[surroundings],
                          cwd=tmp_path, capture_output=True, text=True, timeout=240)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^ended: (\d+)$", done.stderr, re.M) == [str(code) for code in commands.values()], (
        done.stderr
    )
    assert "Traceback" not in done.stderr
    assert (folder / "run 1" / "curves.png").exists()
    assert "größe 漢" in (folder / "run 1" / "report.html").read_text("utf-8")


def test_compare_takes_folders_with_any_name(finished, cli):
    for name in ("_cost $1_{", "cost $2"):
        shutil.copytree(finished[0], name)
    result = cli("compare", "_cost $1_{", "cost $2", "--out", "both $_{ $.png", "--title", "5 $ {")
    assert result.exit_code == 0, result.output
    assert Path("both $_{ $.png").exists()


def test_runs_of_one_process_in_two_folders_are_of_their_own_nets(cli, tmp_path, monkeypatch):
    for name in ("one", "phase"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("spec.yaml").write_text(TINY.replace("name: tiny", f"name: {name}"))
        result = CliRunner().invoke(app, ["train", "spec.yaml", "--out", "run", "--steps", "1", *CPU])
        assert result.exit_code == 0, result.exception
        assert read_run(Path("run"))["job"]["name"] == name


BACKWARDS = """#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static long looks;
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec -= looks++ * 1000;
    return failed;
}
"""
PROGRAM = """
from archspec_cli.main import main
from archspec_runtime.checkpoints import saver
from archspec_runtime.run import progress
saver.MINUTE, progress.EVERY = 0.05, 0.0
main()
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="the clock is set by a library for Linux"
)
def test_a_clock_that_is_set_back_at_each_look_changes_nothing(cli, tmp_path):
    """Speeds, the time that is left, checkpoints by the clock, and the numbers."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "clock.c").write_text(BACKWARDS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "clock.so", "clock.c"], cwd=tmp_path, check=True)
    given = ("train", "tiny.yaml", "--steps", "60", "--set", "train.keep.last=99", *CPU)
    command = [sys.executable, "-c", PROGRAM, *given, "--out", "back"]
    environment = os.environ | {"LD_PRELOAD": str(tmp_path / "clock.so")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    left = re.findall(r"(\S+) left", done.stderr)
    assert len(left) >= 4
    assert all(re.fullmatch(r"\d:\d\d", time) for time in left), left
    rows = read_metrics(tmp_path / "back")
    assert all(1 < row["images_per_second"] < 1e7 for row in rows if "images_per_second" in row)
    assert len(list((tmp_path / "back" / "checkpoints").iterdir())) > 1
    assert cli(*given, "--out", "steady").exit_code == 0
    assert measurements(tmp_path / "back") == measurements(tmp_path / "steady")


ELSEWHERE = """
import importlib, os, pkgutil, sys
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "sched_setaffinity", "fork", "getuid", "geteuid", "mkfifo", "statvfs", "sysconf"):
    if hasattr(os, name):
        delattr(os, name)
import archspec, archspec_cli, archspec_experiments, archspec_runtime
for package in (archspec, archspec_cli, archspec_experiments, archspec_runtime):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from archspec_cli.main import app
app(sys.argv[1:])
"""


@pytest.mark.long  # a process that imports all there is
def test_what_posix_alone_has_is_not_needed_to_train(tmp_path):
    """Windows has neither these modules nor these functions; that is not all that is different there."""
    words = ["train", "digits_resnet:resnet8", "--out", "run", "--steps", "2", *CPU]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints").is_dir()
