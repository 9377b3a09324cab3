"""Built folders train by themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import archspec
import archspec_runtime
from archspec.emission.folder import job_fields
from archspec_runtime.job.job import Job
from runs import CPU, same, weights
from trainers import training

pytest.importorskip("torch")

ALONE = """
import atexit, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("archspec", "archspec_cli"):
            raise ImportError(f"{name} is blocked")

def check():
    for name, module in list(sys.modules.items()):
        if name.startswith("archspec"):
            places = [module.__file__] if module.__file__ else [*module.__path__]  # of a room without an __init__.py
            assert places and all(place.startswith(sys.path[0]) for place in places), places
    print("imported:", *sorted(n for n in sys.modules if n.startswith("archspec") and "." not in n))

sys.meta_path.insert(0, Blocked())
atexit.register(check)
"""

EACH = """
import contextlib, io, json, os, runpy, sys
sys.path[0] = os.getcwd()
ended = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["train.py", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            runpy.run_path("train.py", run_name="__main__")
            code = 0
        except SystemExit as raised:
            code = raised.code
    ended.append((code, out.getvalue(), error.getvalue()))
print(json.dumps(ended))
"""


def test_a_built_folder_trains_without_archspec(cli, tmp_path):
    built = cli("build", "digits_resnet:resnet8", "--out", "built")
    assert built.exit_code == 0
    assert "archspec_runtime/, archspec_torch/, " in built.stdout
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(ALONE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "block")}

    def run(*args):
        return subprocess.run([sys.executable, *args], cwd=tmp_path / "built", env=environment,
                              capture_output=True, text=True, timeout=280, check=False)  # fmt: skip

    done = run("train.py", "--steps", "20", "--device", "cpu", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported: archspec_runtime archspec_torch"
    assert "step 20/20" in done.stderr
    assert "the run is in run; measure it with: python train.py eval --out run" in done.stderr
    measured = cli("eval", "built/run", "--device", "cpu")
    assert measured.exit_code == 0
    Image.new("L", (20, 30), 200).save(tmp_path / "built" / "grey.png")
    cpu = ("--device", "cpu", "--threads", "1")
    words = [
        ("eval", *cpu),
        ("eval", "--out", "nothing"),
        ("eval", "--steps", "3"),
        ("predict", "grey.png", "--format", "csv", *cpu),
    ]
    done = run("-c", EACH, json.dumps(words))
    assert done.returncode == 0, done.stderr
    ended, imported = done.stdout.splitlines()
    assert imported == "imported: archspec_runtime archspec_torch"
    alone, nothing, misused, named = json.loads(ended)
    assert alone[0] in (0, None), alone
    assert alone[1].splitlines()[0] == measured.stdout.strip()
    assert (nothing[0], "Traceback" in nothing[2]) == (1, False)
    assert "unrecognized arguments: --steps" in misused[2]
    ours = cli("predict", "built/run", "built/grey.png", "--format", "csv", "--device", "cpu")
    assert named[0] in (0, None), named
    assert named[1].replace("grey.png", "built/grey.png").startswith(ours.stdout)
    assert cli("responses", "built/run", "--device", "cpu", "--images", 10).exit_code == 0, "it keeps its spec"
    cli("train", "digits_resnet:resnet8", "--out", tmp_path / "ours", "--steps", 20, *CPU)
    assert same(weights(Path("built/run")), weights(Path("ours")))


@pytest.mark.parametrize(
    "option", ["--steps=0", "--seed=-1", "--threads=0", "--eval-every=0", "--checkpoint-every=0", "--device=nosuch"]
)
def test_an_option_that_makes_no_sense_is_refused_by_a_built_folder(option, capsys, tmp_path):
    from archspec_torch.trainer import main

    net = archspec.load("digits_resnet:resnet8")
    arguments = ["--out", str(tmp_path / "run"), "--steps", "2", "--device", "cpu", option]
    try:
        job = Job.from_dict(job_fields(net))
        code = main(lambda: archspec.build(net, backend="torch"), job, training("torch", net, job), arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "error: " in capsys.readouterr().err


def python_of(spec, backend):
    """The files of Python that a built folder of a spec carries, without the model and its training; and all their lines."""
    written = archspec.emit(archspec.load(spec), backend=backend)
    carried = {name: text for name, text in written.items() if name.endswith(".py") and "/" in name}
    return carried, sum(text.count("\n") for text in carried.values())


MOST = {"torch": (46, 7_050), "flax": (56, 7_900)}
"""Files and lines, of CIFAR; to be lowered as more is asked for by name."""
UNUSED = ("data/parquet.py", "data/shards.py", "data/packed.py", "data/remote.py", "data/folder.py", "data/verify.py",
          "data/digits.py", "data/notices.py", "data/class_names.py", "data/suffixes.py", "data/encoded.py", "data/membership.py",
          "augment/pillow_ops.py", "augment/erasing.py", "augment/mixing.py", "augment/single.py", "batches/workers.py",
          "batches/slots.py", "images/decoding.py", "measure/crops.py", "measure/responses.py", "measure/mistakes.py",
          "measure/picture_folders.py", "run/dry_run.py", "run/curves.py", "run/override.py", "run/bad_loss_policies.py",
          "job/memory.py", "record/differences.py", "record/measured.py", "frameworks/protocol.py", "files/conforming.py",
          "processes/distributed.py", "schedule/scaling.py", "trainer/parallel.py", "trainer/lamb.py", "trainer/compiling.py",
          "trainer/earlier.py")  # fmt: skip


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_built_folder_carries_what_its_training_imports_alone(backend):
    pytest.importorskip(backend)
    installed = Path(archspec_runtime.__file__).parents[1]
    gone = [name for name in UNUSED if not [*installed.glob(f"*/{name}")]]
    assert not gone, "which no folder could carry"
    carried, lines = python_of("cifar_resnet:resnet20", backend)
    assert not [name for name in carried if name.endswith(UNUSED)]
    assert "archspec_runtime/data/cifar.py" in carried
    assert len(carried) <= MOST[backend][0]
    assert lines <= MOST[backend][1]
    singly = archspec.load("cifar_resnet:resnet20", set={"train.data.augment": ["trivial_augment", "hflip"]})
    assert "archspec_runtime/batches/workers.py" in archspec.emit(singly, backend=backend)
    photos, _ = python_of("resnet50:a1", backend)
    assert "archspec_runtime/batches/workers.py" in photos
    assert {"archspec_runtime/data/folder.py", "archspec_runtime/augment/pillow_ops.py"} <= set(photos)
    assert "archspec_runtime/data/cifar.py" not in photos


def test_a_built_folder_says_what_it_does_not_carry(cli, tmp_path):
    cli("build", "digits_resnet:resnet8", "--out", "built")
    train = tmp_path / "built" / "train.py"
    text = train.read_text(encoding="utf-8")
    edited = text.replace("dataset=digits", 'dataset="synthetic"').replace(
        "from archspec_runtime.data.digits import digits\n", ""
    )
    assert edited != text
    train.write_text(edited, encoding="utf-8")
    done = subprocess.run([sys.executable, "train.py", "--steps", "1", "--device", "cpu"], cwd=tmp_path / "built",
                          capture_output=True, text=True, timeout=280, check=False)  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "the data set synthetic is not carried along by this folder" in done.stderr
    assert "archspec train --from FOLDER" in done.stderr


def test_a_data_set_of_ones_own_is_a_reader_in_train_py(cli, tmp_path, capfd):
    cli("build", "digits_resnet:resnet8", "--out", "built")
    train = tmp_path / "built" / "train.py"
    text = train.read_text(encoding="utf-8")
    own = """from archspec_runtime.data.digits import read_digits
from archspec_runtime.recipe.data_sets import DataSet


def read_mine(folder, shape, classes, data):
    print("my own images")
    return read_digits(folder, shape, classes, data)


mine = DataSet("mine", read_mine)
"""
    edited = text.replace("from archspec_runtime.data.digits import digits\n", own).replace(
        "dataset=digits", "dataset=mine"
    )
    train.write_text(edited, encoding="utf-8")
    done = cli("train", "--from", "built", "--out", "mine", "--steps", 2, *CPU)
    assert done.exit_code == 0, done.output
    assert "my own images" in capfd.readouterr().out
