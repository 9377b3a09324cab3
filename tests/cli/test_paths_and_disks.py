"""Disks that are full, folders that are closed and paths that are none: one line says so, and nothing is lost."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import archspec
from archspec.files import FolderError, folders, write_folder
from archspec.files.folders import alone
from runs import fill, forked

pytest.importorskip("torch")

NET = "digits_resnet:resnet8"
LONG = "a" * 300
SPEC = "archspec: 1\nname: net\ninput: {size: 8}\nclasses: 10\nhead: [global_avg_pool, {linear: {out: classes}}]\n"
AS_NOBODY = """
import os, sys
from pathlib import Path
from archspec.files import FolderError, write_folder
if os.geteuid() == 0:
    os.setuid(65534)
try:
    write_folder(Path("place/built"), {"model.py": "new", "more/spec.yaml": "new"})
except FolderError as error:
    sys.exit(f"error: {error}; {error.help}")
"""


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- builds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 20, 200])
def test_a_build_onto_a_full_disk_leaves_nothing_and_the_build_before_as_it_was(cli, small_disk, room):
    disk = small_disk(2000)
    assert cli("build", NET, "--out", disk / "old").exit_code == 0
    before = tree(disk / "old")
    fill(disk, room)
    for out in ("new", "old"):
        done = cli("build", "resnet18", "--out", disk / out, "--force")
        message = f"error: cannot write to {disk / out}: No space left on device\n"
        assert (done.exit_code, done.stderr) == (2, f"{message}  help: free some space, or give another --out\n")
    assert tree(disk / "old") == before
    assert sorted(p.name for p in disk.iterdir()) == ["old", "other"]


BOUND = forked(
    """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from archspec_cli.main import main
main()
""",
    "torch",
)


def test_a_build_of_files_that_are_larger_than_may_be_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", BOUND, "build", NET, "--out", "new"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: cannot write to new: File too large\n  help: free some space, or give another --out\n",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rights", "built"), [(0o500, False), (0o500, True), (0o000, True)])
def test_a_build_into_a_folder_without_rights_is_refused_and_changes_nothing(tmp_path, rights, built):
    place = tmp_path / "place"
    place.mkdir()
    if built:
        write_folder(place / "built", {"model.py": "old"})
    before = tree(place)
    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, 65534, 65534)
        tmp_path.chmod(0o755)
    place.chmod(rights)
    try:
        command = [sys.executable, "-c", AS_NOBODY]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        place.chmod(0o700)
    assert done.stderr == "error: cannot write to place/built: Permission denied; give another --out\n"
    assert tree(place) == before


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (LONG, "File name too long"),
        ("a/" * 3000, "File name too long"),
        ("file/new", "file is a file"),
        ("file/new/er", "file is a file"),
        ("/dev/full", "/dev/full is a file"),
        ("/proc/new", "/proc/new"),
    ],
)
def test_a_build_to_what_cannot_be_a_folder_is_refused(out, says, cli, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = cli("build", NET, "--out", out)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.endswith("  help: give another --out\n")
    assert tree(tmp_path) == {(tmp_path / "file").relative_to(tmp_path): b"mine"}


def test_pictures_go_where_links_lead_and_take_the_place_of_no_pipe(cli, tmp_path):
    os.mkfifo(tmp_path / "pipe.svg")
    (tmp_path / "link.svg").symlink_to("there.svg")
    (tmp_path / "circle.svg").symlink_to("circle.svg")
    (tmp_path / "file").write_text("mine")
    for out, says in (
        ("pipe.svg", "is a device or a pipe"),
        ("circle.svg", "Too many levels"),
        ("file/new.svg", "file is a file"),
    ):
        result = cli("draw", NET, "--out", out, "--force")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 2
        assert says in result.stderr
    assert cli("draw", NET, "--out", "link.svg").exit_code == 0
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "there.svg").read_text().startswith("<svg")
    assert not (tmp_path / "pipe.svg").is_file()


def test_of_two_builds_into_one_folder_at_once_the_second_waits_and_says_what_the_first_is(tmp_path, monkeypatch):
    first, second = (
        archspec.emit(archspec.load(f"digits_resnet:{name}"), "torch") for name in ("resnet8", "plain8")
    )
    with ThreadPoolExecutor(1) as other:
        with alone(tmp_path / "built"):
            building = other.submit(second.write, tmp_path / "built")
            with pytest.raises(TimeoutError):
                building.result(0.2)
            assert not (tmp_path / "built").exists()
            monkeypatch.setattr(folders, "_locked", lambda _: None)  # this one has it
            first.write(tmp_path / "built")
        with pytest.raises(FolderError, match="holds the net digits-resnet-8, and"):
            building.result(60)
    assert (tmp_path / "built" / "model.py").read_text() == first["model.py"]


def test_writing_a_folder_says_so_by_one_exception(tmp_path):
    with pytest.raises(FolderError, match="File name too long"):
        write_folder(tmp_path / LONG, {"a": "b"})


# --- what is printed -----------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["check resnet18", "summary resnet18", "schema", "explain AS101", "--help"])
def test_output_that_cannot_be_written_is_said(command):
    main = [sys.executable, "-c", "from archspec_cli.main import main; main()", *command.split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(main, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: cannot write the output: No space left on device\n  help: free some space, or send it elsewhere\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "command", ["summary resnet18", "schema", "diff resnet18 resnet34", "--help", "check nothing.yaml"]
)
def test_a_reader_that_leaves_ends_a_command_without_a_word(command):
    main = [sys.executable, "-c", "from archspec_cli.main import main; main()", *command.split()]
    read, write = os.pipe()
    os.close(read)  # as `head` has, when a command still prints
    errors = write if command.startswith("check") else subprocess.PIPE
    try:
        done = subprocess.run(main, stdout=write, stderr=errors, text=True, timeout=60, check=False)
    finally:
        os.close(write)
    assert done.returncode == 141
    assert not done.stderr


# --- what is read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LONG, "a/" * 3000, f"{LONG}.yaml", f"resnet18:{LONG}"])
def test_a_spec_of_a_name_that_no_file_has_is_a_diagnostic(name, cli):
    for command in (("check",), ("show",), ("summary",), ("build",), ("diff", "resnet18")):
        result = cli(*command, name)
        assert result.exit_code == 1
        assert "error[AS" in result.output


def test_a_base_of_a_name_that_no_file_has_is_a_diagnostic(spec):
    (found,) = archspec.check(spec(f"archspec: 1\nextends: {LONG}.yaml\n"))
    assert (found.code, "File name too long" in found.message) == ("AS001", True)


@pytest.mark.parametrize("command", ["eval", "report", "data verify"])
def test_a_path_that_is_none_is_said_in_one_line(command, process):
    done = process(*command.split(), LONG)
    assert done.returncode == 2
    line, help_ = done.stderr.splitlines()
    assert line.startswith(f"error: cannot use {LONG}")
    assert line.endswith(": File name too long")
    assert help_.startswith("  help: check the path")


def test_a_link_that_leads_to_itself_is_said_in_one_line(process, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    done = process("build", NET, "--out", "loop")
    assert (done.returncode, done.stderr.count("\n")) == (2, 2), done.stderr
    assert "loop: Too many levels of symbolic links" in done.stderr


def test_a_spec_that_extends_into_a_folder_without_rights_is_told_so(tmp_path):
    program = """
import os
import archspec
from archspec.diagnostics.text import to_text
to_text(archspec.check("net.yaml"))  # what is imported on the way may lie where nobody may look
if os.geteuid() == 0:
    os.setuid(65534)
print(to_text(archspec.check("net.yaml")))
"""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "base.yaml").write_text(SPEC)
    (tmp_path / "net.yaml").write_text("archspec: 1\nextends: closed/base.yaml\n")
    if os.geteuid() == 0:
        os.chown(tmp_path / "closed", 65534, 65534)
        tmp_path.chmod(0o755)
    (tmp_path / "closed").chmod(0)
    try:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert "AS001" in done.stdout, done.stderr
    assert "cannot read `closed/base.yaml`: Permission denied" in done.stdout
    assert "net.yaml:2:10" in done.stdout
