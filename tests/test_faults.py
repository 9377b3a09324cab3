"""Faults that users meet in training: said with a remedy, and nothing that stood before is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_runtime import checkpoints
from archspec_runtime.datasets.cifar import LAYOUTS
from archspec_runtime.draws import epoch_order
from archspec_runtime.errors import RunError
from archspec_runtime.run_folder import prepare, read_metrics
from runs import fill, said

torch = pytest.importorskip("torch")

NET = "digits_resnet:resnet8"
CPU = ("--device", "cpu", "--threads", "1", "--compile", "off")
MAIN = [sys.executable, "-c", "from archspec_cli.main import main; main()"]
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A finished run of ten steps."""
    out = tmp_path_factory.mktemp("short") / "run"
    given = ["train", NET, "--out", out, "--steps", 10, "--checkpoint-every", 5, *CPU]
    done = CliRunner().invoke(app, [str(word) for word in given])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def old(short, tmp_path):
    """A copy of that run."""
    return shutil.copytree(short, tmp_path / "old")


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- the folder of a run -------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(cli, tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    error = said(cli("train", NET, "--out", "papers", "--steps", 1, *CPU), 2)
    assert "papers holds other files" in error
    assert "--force" in error
    assert tree(tmp_path) == {Path("papers/thesis.tex"): b"years of work"}
    assert cli("train", NET, "--out", tmp_path / "papers", "--steps", 1, "--force", *CPU).exit_code == 0
    assert (tmp_path / "papers" / "thesis.tex").read_text() == "years of work"


def test_a_run_is_not_overwritten_unless_asked(cli, old):
    before = tree(old)
    error = said(cli("train", NET, "--out", old, "--steps", 1, *CPU), 2)
    assert "old holds a run" in error
    assert all(word in error for word in ("--out", "--resume", "--force"))
    assert tree(old) == before
    assert cli("train", NET, "--out", old, "--steps", 1, "--force", *CPU).exit_code == 0
    assert {row["step"] for row in read_metrics(old)} == {1}
    assert checkpoints.newest(old, None)[1]["step"] == 1


def test_what_cannot_be_a_folder_is_refused(cli, tmp_path):
    (tmp_path / "file").write_text("x")
    places = {
        "file": "file is a file",
        "file/run": "Not a directory",
        "/proc/run": "/proc/run",
        "/dev/null": "is a file",
    }
    for place, says in places.items():
        assert says in said(cli("train", NET, "--out", place, "--steps", 1, *CPU), 2)
    assert tree(tmp_path) == {Path("file"): b"x"}


@pytest.mark.parametrize("place", ["x" * 300, "a/" * 2100 + "run"], ids=["name", "path"])
def test_a_name_that_is_too_long_is_refused(cli, place):
    assert "File name too long" in said(cli("train", NET, "--out", place, "--steps", 1, *CPU), 2)


@pytest.mark.parametrize("rights", [0o000, 0o100, 0o500], ids=["closed", "not to be listed", "not to be written"])
def test_a_folder_without_rights_is_refused(tmp_path, rights):
    program = """
import os, sys
from pathlib import Path
from archspec_runtime.errors import RunError
from archspec_runtime.run_folder import lock, prepare
if os.geteuid() == 0:
    os.setuid(65534)
try:
    prepare(Path("run"), resume=False, force=False)
    with lock(Path("run")):
        pass
except RunError as error:
    sys.exit(f"error: {error}")
"""
    (tmp_path / "run").mkdir()
    if ROOT:
        os.chown(tmp_path / "run", 65534, 65534)
        tmp_path.chmod(0o755)
    (tmp_path / "run").chmod(rights)
    try:
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        (tmp_path / "run").chmod(0o700)
    assert "Permission denied" in result.stderr
    assert re.fullmatch(r"error: .*run.*\n  help: give another --out\n", result.stderr)


# --- what was asked for --------------------------------------------------------------------------------


FAULTS = {
    "device": (("--device", "nosuch"), 2, "there is no device 'nosuch'"),
    "cuda index": (("--device", "cuda:99"), 2, "there is no device 'cuda:99'"),
    "missing data": (("--data", "gone", "--set", "train.data.dataset=image_folder"), 1, "folder of images, and gone is none"),
    "data for digits": (("--data", "."), 2, "the data set digits takes no folder, and --data is ."),
    "data for noise": (("--data", ".", "--set", "train.data.dataset=synthetic"), 2, "synthetic takes no folder"),
    "holdout": (("--set", "train.data.holdout=2000"), 1, "a holdout of 2000 leaves nothing"),
    "batch size": (("--set", "train.batch_size=2000"), 1, "1437 training images do not fill a batch of 2000"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_that_cannot_begin_says_why_and_how_to_mend_it(cli, name, tmp_path):
    given, code, says = FAULTS[name]
    out = ("--out", tmp_path / "new", "--steps", 1)
    assert says in said(cli("train", NET, *out, *CPU, *given), code)
    assert cli("train", NET, *out, *CPU).exit_code == 0, "the folder cannot be used again"


@pytest.mark.parametrize("name", ["device", "missing data"])
def test_a_run_that_cannot_begin_does_not_overwrite_the_one_before(cli, name, old):
    given, code, says = FAULTS[name]
    before = tree(old)
    assert says in said(cli("train", NET, "--out", old, "--steps", 1, "--force", *CPU, *given), code)
    assert tree(old) == before


def test_resuming_where_there_is_no_run_is_refused(cli, tmp_path):
    for place in ("gone", "."):
        assert "holds no run to resume" in said(cli("train", NET, "--out", place, "--resume", *CPU), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"job": {}}', '{"job": null}'])
def test_a_run_whose_record_is_damaged_is_named_by_every_command(cli, old, text):
    (old / "run.json").write_text(text)
    for command in (("eval", old), ("compare", old), ("train", NET, "--out", old, "--steps", 12, "--resume", *CPU)):
        assert "old" in said(cli(*command), 1)


def test_eval_of_what_is_no_run_is_refused(cli, old, tmp_path):
    for place in (tmp_path, tmp_path / "gone"):
        assert "is not the folder of a run" in said(cli("eval", place), 1)
    for place in (".", "gone"):
        assert "the data set digits takes no folder" in said(
            cli("eval", old, "--data", place, "--device", "cpu"), 2
        )
    (old / "code" / "model.py").unlink()
    assert "model.py is missing" in said(cli("eval", old), 1)
    shutil.rmtree(old / "checkpoints")
    assert "has no checkpoint" in said(cli("eval", old), 1)


def test_eval_passes_over_a_damaged_checkpoint_and_refuses_it_alone(cli, old):
    newest = checkpoints.newest(old, None)[0]
    file = newest / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    result = cli("eval", old, "--device", "cpu")
    assert result.exit_code == 0
    assert "weights.safetensors is damaged: its checksum differs; trying the one before" in result.stderr
    result = cli("eval", newest, "--device", "cpu")
    assert result.exit_code == 1
    assert "weights.safetensors is damaged" in result.stderr


# --- images --------------------------------------------------------------------------------------------


def half(folder):
    (folder / "cifar-10-batches-bin").mkdir()
    (folder / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(bytes(30_730_000))


def truncated(folder):
    (folder / "cifar-10-batches-py").mkdir()
    (folder / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"\x80\x02}q\x00U\x0bbatch")


def of_hundred_classes(folder):
    (folder / "cifar-10-batches-bin").mkdir()
    (folder / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(bytes([99]) * 30_730_000)


def broken_archive(folder):
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b\x08\x00 and then nothing")


def empty_archive(folder):
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz"):
        pass


CIFAR = {
    "nothing": (lambda folder: None, "holds no files of cifar10", "https://"),
    "half unpacked": (half, "data_batch_2.bin: No such file", "unpack the official archive again"),
    "truncated": (truncated, "data_batch_1 is not an official CIFAR pickle", "unpack the official archive again"),
    "another data set": (of_hundred_classes, "the label of record 0 is 99", "another data set"),
    "broken archive": (broken_archive, "cifar-10-binary.tar.gz is damaged", "download it again"),
    "empty archive": (empty_archive, "has no data_batch_1.bin", "download it again"),
}  # fmt: skip


@pytest.mark.parametrize("name", CIFAR)
def test_images_that_are_not_as_published_are_named_with_a_remedy(cli, name, tmp_path):
    make, says, remedy = CIFAR[name]
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    before = tree(tmp_path / "data")
    given = ("cifar_resnet:resnet20", "--data", "data", "--out", tmp_path / "run", "--steps", 1)
    error = said(cli("train", *given, *CPU), 1)
    assert says in error
    assert remedy in error.splitlines()[-1]
    assert tree(tmp_path / "data") == before
    assert not (tmp_path / "run" / "run.json").exists()


def test_every_file_of_cifar_is_known_by_name_and_size():
    for forms in LAYOUTS.values():
        for layout in forms.values():
            assert sum(count for _, count in layout.train) == 50_000
            assert sum(count for _, count in layout.test) == 10_000


# --- two at once ---------------------------------------------------------------------------------------


def test_a_second_run_in_one_folder_says_who_holds_it_and_touches_nothing(cli, tmp_path):
    given = ("train", NET, "--out", tmp_path / "run", *CPU)
    first = subprocess.Popen([*MAIN, *map(str, given), "--steps", "100000", "--eval-every", "1000"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    with first:
        try:
            while not (tmp_path / "run" / "metrics.jsonl").exists():
                assert first.poll() is None, first.stderr.read()
                time.sleep(0.01)
            for how in ((), ("--resume",), ("--force",), ("--force", "--set", "train.lr=1")):
                before = {
                    name: data for name, data in tree(tmp_path / "run").items() if name.name != "metrics.jsonl"
                }
                error = said(cli(*given, "--steps", 100000, *how), 1 if how else 2)
                if how:
                    assert f"is in use by process {first.pid} on " in error
                after = tree(tmp_path / "run")
                assert after.pop(Path("metrics.jsonl"), None), "the first run's metrics are gone"
                assert after == before
        finally:
            first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 143
    assert not (tmp_path / "run" / "lock").exists()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_second_interrupt_ends_a_run_at_once_and_a_second_request_does_not(second):
    program = f"""
import os, signal, time
from archspec_runtime.signals import Signals
with Signals() as signals:
    os.kill(os.getpid(), signal.SIGINT)
    assert signals.received == 130
    os.kill(os.getpid(), {int(second)})
    print("the step ends, and the checkpoint is written")
raise SystemExit(signals.received)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert bool(done.stdout) == (second == signal.SIGTERM)


PHOTOS = """archspec: 1
name: photos
input: {channels: 3, size: 8}
classes: 2
stem: [{conv1: {conv: {out: 4, kernel: 3}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: image_folder, augment: [{random_crop: {}}]}, batch_size: 4, steps: 6, lr: 0.01}
"""


@pytest.fixture
def photos(tmp_path):
    """A spec, and a folder of images for it."""
    random = np.random.default_rng(0)
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    for split, count in (("train", 12), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 255, (9, 9, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / name / f"{index}.png")
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_is_asked_to_end_while_a_disk_does_not_answer_saves_and_goes_on_later(workers, cli, photos):
    given = ("photos.yaml", "--data", "data", *CPU, "--workers", workers, "--checkpoint-every", 1)
    assert cli("train", *given, "--out", "whole").exit_code == 0
    label, place = divmod(int(epoch_order(0, 0, 24)[-1]), 12)
    last = photos / "data" / "train" / ("cat", "dog")[label] / f"{sorted(map(str, range(12)))[place]}.png"
    content = last.read_bytes()
    last.unlink()
    os.mkfifo(last)  # it can be opened, and never answers

    code = f"from archspec_runtime import patience; patience.HURRY = 0.1; {MAIN[-1]}"
    words = [sys.executable, "-c", code, "train", *map(str, given), "--out", "cut"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as run:
        while not checkpoints.place(photos / "cut", 5).exists():
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.01)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 143
        said = run.stderr.read()
    assert f"asked to end while {last.relative_to(photos)} was waited for" in said
    assert "go on with --resume" in said
    last.unlink()
    last.write_bytes(content)
    assert cli("train", *given, "--out", "cut", "--resume").exit_code == 0
    newest = [checkpoints.newest(Path(out), None)[0] / "weights.safetensors" for out in ("whole", "cut")]
    assert newest[0].read_bytes() == newest[1].read_bytes()


# --- a full disk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 100, 400])
def test_a_disk_that_fills_while_training_is_said_and_the_last_checkpoint_is_whole(cli, small_disk, short, room):
    disk = small_disk(4000)
    run = shutil.copytree(short, disk / "run")
    before = {p.name: tree(p) for p in (run / "checkpoints").iterdir()}
    (run / "curves.png").unlink()
    (run / "curves.svg").unlink()
    fill(disk, room)
    result = cli(
        "train", NET, "--out", run, "--steps", 40, "--resume", "--override", "--checkpoint-every", 10, *CPU
    )
    assert result.exit_code in (0, 1, 2), result.stderr
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    found, manifest = checkpoints.newest(run, None)
    if room == 0:
        assert tree(found) == before[found.name]
    assert manifest["step"] >= 10
    assert all(json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()[:-1])
    (disk / "other").unlink()
    again = cli("train", NET, "--out", run, "--steps", 40, "--resume", "--override", *CPU)
    assert again.exit_code == 0, again.stderr
    assert checkpoints.newest(run, None)[1]["step"] == 40


@pytest.mark.parametrize("room", [0, 40, 130])
def test_a_run_does_not_begin_on_a_full_disk(cli, small_disk, room):
    disk = small_disk(1000)
    fill(disk, room)
    error = said(cli("train", NET, "--out", disk / "run", "--steps", 1, *CPU), 2)
    assert "No space left on device" in error
    assert not (disk / "run" / "code" / "train.py").exists(), "half a folder was written"


def test_a_folder_is_prepared_only_where_it_may_be(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "spec.yaml").touch()
    prepare(tmp_path, resume=False, force=False)  # what `build` wrote is a place for a run
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(RunError, match="holds other files"):
        prepare(tmp_path, resume=False, force=False)


# --- memory --------------------------------------------------------------------------------------------


LARGE = """archspec: 1
name: large
input: {channels: 3, size: 32}
classes: 10
stem: [{conv1: {conv: {out: 512, kernel: 3}}}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: synthetic, normalize: none}, batch_size: 2000, steps: 1, lr: 0.1}
"""


@pytest.fixture
def starve(tmp_path):
    """Train the large net in three gigabytes of address space; gives the one error."""
    (tmp_path / "large.yaml").write_text(LARGE)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)); "

    def run(*more):
        command = [sys.executable, "-c", limit + MAIN[-1], "train", "large.yaml", "--out", "run", *CPU, *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        return said(done, 1)

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_running_out_of_memory_says_what_a_step_needs_and_what_needs_less(backend, starve):
    pytest.importorskip(backend)
    error = starve("--backend", backend)
    assert re.match(
        r"error: out of memory with a batch of 2000: a step needs about 3\.9 GiB \(weights .*, activations 3\.9 GiB\)",
        error,
    )
    assert re.search(
        r"help: split each batch \(`accumulate: 2`, about 2\.0 GiB\), make batch_size or input\.size smaller, or",
        error,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_images_that_are_more_than_the_memory_are_said(starve):
    error = starve("--set", "input.size=1024")
    assert "out of memory" in error
    assert "smaller" in error
