"""What is exported of a run says what it is: class names, normalization, images, and whether its source was edited."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from archspec_cli.main import app
from runs import CPU, said

torch = pytest.importorskip("torch")

DIGITS = """archspec: 1
name: digits
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 4, kernel: 3, stride: 2}}}, {bn1: norm}, {relu: act}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train: {data: {dataset: digits, normalize: per_channel}, batch_size: 512, steps: 2, lr: 0.05}
"""


def command(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A run, and one of the same net that was built, edited and trained."""
    room = tmp_path_factory.mktemp("exports")
    (room / "digits.yaml").write_text(DIGITS)
    command("train", room / "digits.yaml", "--out", room / "run", *CPU)
    command("build", room / "digits.yaml", "--out", room / "built")
    model = room / "built" / "model.py"
    model.write_text(
        model.read_text().replace("nn.ReLU(inplace=True)", "nn.GELU()").replace("nn.ReLU()", "nn.GELU()")
    )
    assert "GELU" in model.read_text()
    words = [sys.executable, "train.py", "--out", room / "edited", *CPU]
    done = subprocess.run(words, cwd=room / "built", capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return room


def identity(run):
    return json.loads((run / "run.json").read_text())["identity"]


def tag(file):
    with safe_open(file, framework="np") as found:
        return json.loads(found.metadata()["archspec"])


def test_convert_carries_the_record_unchanged_from_format_to_format(room, tmp_path):
    command("convert", room / "run", tmp_path / "one.safetensors")
    command("convert", tmp_path / "one.safetensors", tmp_path / "two.safetensors", "--spec", room / "digits.yaml",
            "--dtype", "float16")  # fmt: skip
    assert tag(tmp_path / "one.safetensors") == tag(tmp_path / "two.safetensors") == identity(room / "run")
    result = command("convert", room / "run", tmp_path / "w.pt")
    assert "holds tensors alone: class names and normalization stay behind" in result.stdout


def test_of_a_run_that_is_made_the_schedule_is_not_warned_of(room, tmp_path):
    shutil.copytree(room / "run", tmp_path / "run")
    own = tmp_path / "run" / "code" / "spec.yaml"
    short, found = re.subn(
        r"(?m)^  lr:.*(?:\n    .*|\n  - .*)*", "  lr: [{value: 1, until: step 90}, {value: 0.1}]", own.read_text()
    )
    assert found == 1
    own.write_text(short)
    assert "AS606" not in command("summary", own).stderr
    assert "AS606" not in command("convert", tmp_path / "run", tmp_path / "w.pt").stderr
    assert "AS606" in command("check", own).stdout
    assert "AS606" in command("build", own, "--out", tmp_path / "built").stderr


def test_orbax_carries_it_too(room, tmp_path):
    pytest.importorskip("flax")
    command("convert", room / "run", tmp_path / "orbax", "--to", "flax")
    command("convert", tmp_path / "orbax", tmp_path / "back.safetensors", "--spec", room / "digits.yaml")
    assert tag(tmp_path / "back.safetensors") == identity(room / "run")


@pytest.mark.parametrize("backend", ["torch", "flax"])
def test_a_folder_that_is_built_with_weights_of_a_run_says_what_they_are(room, tmp_path, backend):
    command(
        "build", room / "digits.yaml", "--backend", backend, "--weights", room / "run", "--out", tmp_path / "out"
    )
    told = json.loads((tmp_path / "out" / "identity.json").read_text())
    assert told == tag(tmp_path / "out" / "weights.safetensors") == identity(room / "run")
    assert told["classes"] == list("0123456789")
    assert "identity.json" in (tmp_path / "out" / "README.md").read_text()
    command("build", room / "digits.yaml", "--out", tmp_path / "bare")
    assert not (tmp_path / "bare" / "identity.json").exists()


def test_onnx_has_it_in_its_metadata(room, tmp_path):
    onnx = pytest.importorskip("onnx")
    words = ("--backend", "onnx", "--weights", room / "run", "--out", tmp_path / "out")
    assert "warning" not in command("build", room / "digits.yaml", *words).stderr
    about = {p.key: p.value for p in onnx.load(tmp_path / "out" / "model.onnx").metadata_props}
    assert json.loads(about["archspec"]) == identity(room / "run")
    result = command(
        "build", room / "digits.yaml", *words[:2], "--weights", room / "edited", "--out", tmp_path / "edited"
    )
    assert "they were trained with a model.py that had been edited" in result.stderr


def test_weights_of_another_net_whose_tensors_fit_are_said_to_be(room, tmp_path):
    (tmp_path / "other.yaml").write_text(DIGITS.replace("relu: act", "relu: silu"))
    result = command("convert", room / "run", tmp_path / "w.safetensors", "--spec", tmp_path / "other.yaml")
    assert "they were trained as another net, digits, whose tensors have the same names and shapes" in result.stdout


def test_an_edited_source_is_said_wherever_the_run_is_shown(room, tmp_path):
    run = room / "edited"
    assert identity(run)["source"]["edited"] is True
    assert "its model.py was edited before it was trained" in command("eval", run, "--device", "cpu").stderr
    table = command("compare", room / "run", run, "--out", tmp_path / "a.svg").stdout
    assert "digits, edited model.py" in table
    rows = json.loads(command("compare", room / "run", run, "--out", tmp_path / "a.svg", "--format", "json").stdout)
    assert [row["source"] for row in rows] == [None, "edited model.py"]
    command("report", room / "run", run, "--out", tmp_path / "page.html")
    assert "digits, edited model.py" in (tmp_path / "page.html").read_text()
    assert "model.py that had been edited" in command("convert", run, tmp_path / "w.safetensors").stdout
    shown = command("responses", run, "--device", "cpu").stdout
    assert "digits, edited model.py" in shown


def test_another_backend_does_not_measure_an_edited_net_by_its_spec(room):
    pytest.importorskip("flax")
    error = said(command("eval", room / "edited", "--backend", "flax", "--device", "cpu", code=1), 1)
    assert "was trained with a model.py that had been edited" in error


def test_a_run_of_an_edited_source_does_not_go_on_as_its_spec(room, tmp_path):
    shutil.copytree(room / "edited", tmp_path / "run")
    words = ("train", room / "digits.yaml", "--out", tmp_path / "run", "--resume", *CPU)
    error = said(command(*words, code=1), 1)
    assert "model.py is another than the run's (- before, + now):" in error
    assert any("GELU" in line and line.lstrip().startswith("-") for line in error.splitlines())
    assert any("ReLU" in line and line.lstrip().startswith("+") for line in error.splitlines())
    command(*words, "--override")
    assert "ReLU" in (tmp_path / "run" / "code" / "model.py").read_text()
    assert identity(tmp_path / "run")["source"]["edited"] is False
