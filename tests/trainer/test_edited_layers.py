"""The `layers.py` of a net in Flax is of one source with its `model.py`: what is edited there is noticed, shown and kept."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec_cli.main import app
from runs import CPU, said

pytest.importorskip("flax")

DIGITS = """archspec: 1
name: digits
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3, stride: 2}}}, {bn1: norm}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits, normalize: per_channel}, batch_size: 512, steps: 2, lr: 0.05}
"""
MINE = "# mine\n"
FLAX = ("--backend", "flax")


def command(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A run of archspec, and one of the folder that it built and in which `layers.py` was edited."""
    room = tmp_path_factory.mktemp("layers")
    (room / "digits.yaml").write_text(DIGITS)
    command("train", room / "digits.yaml", *FLAX, "--out", room / "run", *CPU[:4])
    command("build", room / "digits.yaml", *FLAX, "--out", room / "built")
    layers = room / "built" / "layers.py"
    layers.write_text(layers.read_text() + MINE)
    words = [sys.executable, "train.py", "--out", room / "edited", *CPU[:4]]
    done = subprocess.run(words, cwd=room / "built", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return room


def source(run):
    return json.loads((run / "run.json").read_text())["identity"]["source"]


def test_a_run_knows_both_files(room):
    ours, edited = room / "run", room / "edited"
    assert "from layers import BatchNorm" in (ours / "code/model.py").read_text()
    assert source(ours)["edited"] is False
    assert source(edited)["edited"] is True
    assert source(ours)["sha256"] != source(edited)["sha256"]
    assert (edited / "code/layers.py").read_text() == (room / "built/layers.py").read_text()
    assert (edited / "code/model.py").read_text() == (ours / "code/model.py").read_text()
    assert "was edited before it was trained" in command("eval", edited, "--device", "cpu").stderr


def test_a_run_goes_on_by_its_own_source(room, tmp_path):
    shutil.copytree(room / "run", tmp_path / "run")
    command("train", room / "digits.yaml", *FLAX, "--out", tmp_path / "run", "--resume", *CPU[:4])
    assert source(tmp_path / "run") == source(room / "run")


def test_layers_that_were_edited_in_a_runs_folder_are_not_gone_on_with(room, tmp_path):
    shutil.copytree(room / "run", tmp_path / "run")
    layers = tmp_path / "run" / "code" / "layers.py"
    layers.write_text(layers.read_text() + MINE)
    words = ("train", room / "digits.yaml", *FLAX, "--out", tmp_path / "run", "--resume", *CPU[:4])
    error = said(command(*words, code=1), 1)
    assert "was edited since the run trained (- trained, + there):\n    +# mine\n" in error
    measured = command("eval", tmp_path / "run", "--device", "cpu")
    assert f"{layers} was changed after it was written, and may not be what was trained" in measured.stderr
    assert "model.py was changed" not in measured.stderr
    command(*words, "--override")
    assert MINE not in layers.read_text()
    assert layers.with_name("layers.before.py").read_text().endswith(MINE)
    assert "was changed" not in command("eval", tmp_path / "run", "--device", "cpu").stderr


def test_an_error_in_layers_is_told_with_its_file_and_line(room, tmp_path):
    shutil.copytree(room / "run", tmp_path / "run")
    layers = tmp_path / "run" / "code" / "layers.py"
    layers.write_text(layers.read_text().replace("        x = x.astype", "        x = x.as_type"))
    line = next(n for n, text in enumerate(layers.read_text().splitlines(), 1) if "as_type" in text)
    error = said(command("eval", tmp_path / "run", "--device", "cpu", code=1), 1)
    assert f"{layers}, line {line}: AttributeError" in error
    layers.unlink()
    assert f"{layers} is missing" in said(command("eval", tmp_path / "run", "--device", "cpu", code=1), 1)


def test_folders_of_two_nets_have_layers_of_their_own(room):
    import archspec
    from archspec_flax.names import state_dict

    plain = archspec.build(archspec.load("vgg11", set={"input.size": 32}), "flax")
    net = archspec.load(room / "digits.yaml")
    assert state_dict(archspec.build(net, "flax")).keys() == {**net.tensor_shapes()}.keys()
    assert type(plain.features).__module__ != type(archspec.build(net, "flax").bn1).__module__
    assert "layers" not in sys.modules
    assert Path(sys.modules[type(plain.features).__module__].__file__).name.endswith("_layers.py")
