"""A `train.py` is the training: what is edited there changes what runs, is kept with the run, and is told."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec.emission.import_source import import_source
from archspec.files import write_folder
from runs import CPU, FLAT, said, same, weights

pytest.importorskip("torch")

LOSS = "loss = F.cross_entropy(logits, labels)"
OPTIMIZER = "return optim.SGD(model.parameters(), momentum=0.9, weight_decay=0.0001, fused=fusable(model))"
EDITS = {
    "another loss": (LOSS, "loss = F.multi_margin_loss(logits, labels)"),
    "an extra term": (LOSS, f"{LOSS} + 0.1 * logits.square().mean()"),
    "a frozen layer": (OPTIMIZER, f"model.conv1.requires_grad_(False)\n    {OPTIMIZER}"),
    "another optimizer": (OPTIMIZER, "return optim.RMSprop(model.parameters())"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainers") / "built"
    write_folder(folder, archspec.emit(archspec.load("digits_resnet:resnet8"), "torch"))
    return folder


@pytest.fixture(scope="module")
def usual(built):
    assert run(built).returncode == 0
    return built / "run"


def edited(built, place, before, after):
    shutil.copytree(built, place, ignore=lambda folder, _: ["run"] if folder == str(built) else [])
    text = (place / "train.py").read_text()
    assert text.count(before) == 1
    (place / "train.py").write_text(text.replace(before, after))
    return place


def run(folder, *given, steps=4):
    command = [sys.executable, "train.py", "--steps", str(steps), *CPU, *map(str, given)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_what_runs_and_is_kept_and_told(name, built, usual, tmp_path, cli):
    folder = edited(built, tmp_path / "mine", *EDITS[name])
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert not same(weights(folder / "run"), weights(usual))
    assert EDITS[name][1] in (folder / "run/code/train.py").read_text()
    if name == "a frozen layer":
        assert not np.array_equal(weights(usual)["conv1.weight"], weights(folder / "run")["conv1.weight"])
        assert run(folder, "--out", "longer", steps=5).returncode == 0
        np.testing.assert_array_equal(*(weights(folder / out)["conv1.weight"] for out in ("run", "longer")))
    if name == "another loss":
        assert "digits-resnet-8, edited train.py" in cli("compare", folder / "run", usual).output
        assert "its train.py was edited before it was trained" in cli("eval", folder / "run").output


def test_a_run_goes_on_with_the_train_py_that_it_was_begun_with(built, tmp_path, cli):
    folder = edited(built, tmp_path / "mine", *EDITS["an extra term"])
    assert run(folder).returncode == 0
    text = (folder / "train.py").read_text()
    (folder / "train.py").write_text(text.replace("0.1 * logits", "0.2 * logits"))
    assert "was begun with another net, recipe, source or other images" in said(run(folder, "--resume"), 1)
    error = said(train_from(tmp_path, folder, "--out", folder / "run", "--resume"), 1)
    assert "train.py is another than the run's (- before, + now):" in error
    assert f"+    {LOSS} + 0.2 * logits" in error
    done = train_from(tmp_path, folder, "--out", folder / "run", "--steps", 4, *CPU, "--resume", "--override")
    assert done.returncode == 0, done.stderr
    assert (folder / "run/code/train.before.py").read_text() == text
    assert "0.2 * logits" in (folder / "run/code/train.py").read_text()
    # comments and the job are no code
    (folder / "train.py").write_text(
        "# mine\n" + (folder / "train.py").read_text().replace('name="digits', 'name= "digits')
    )
    assert run(folder, "--resume").returncode == 0


def train_from(place, folder, *given):
    """What `archspec train --from FOLDER` gives."""
    command = [sys.executable, "-m", "archspec_cli", "train", "--from", *map(str, (folder, *given))]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def test_train_from_runs_an_edited_folder_as_it_stands(built, tmp_path, cli, capfd):
    """The trainer is a process of its own, whatever it was started from."""
    folder = edited(built, tmp_path / "mine", *EDITS["an extra term"])

    def train(*given):
        return cli("train", *given)

    given = "--steps", 4, *CPU, "--out", "run"
    done = train("--from", folder, *given)
    assert done.exit_code == 0, done.stderr
    assert run(folder).returncode == 0
    assert same(weights(tmp_path / "run"), weights(folder / "run"))
    # by the folder alone a run goes on with the train.py that it has
    capfd.readouterr()
    done = train("run", "--resume", "--steps", 4)
    assert done.exit_code == 0, done.stderr
    assert "nothing is left to do" in capfd.readouterr().out
    error = said(train("--from", folder, "--set", "train.lr=0.2", *given), 2)
    assert "train.py, which is trained as it stands" in error
    assert "edit line" in error
    assert "lr=(Phase(0.05" in error
    said(train("resnet18", "--from", folder, *given), 2)
    assert "holds no train.py" in said(train("--from", tmp_path, *given), 2)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "train.py").write_text("from model import Net\n")
    assert "holds no model.py" in said(train("--from", tmp_path / "alone", *given), 2)


def test_an_edit_of_a_flax_trainer_changes_what_runs(tmp_path, cli, spec):
    pytest.importorskip("flax")
    write_folder(tmp_path / "built", archspec.emit(archspec.load(spec(FLAT)), "flax"))
    loss = "loss = optax.softmax_cross_entropy(logits, targets).mean()"
    folder = edited(tmp_path / "built", tmp_path / "mine", loss, f"{loss} + 0.1 * jnp.square(logits).mean()")
    given = "--steps", "4", "--device", "cpu", "--threads", "1"
    for place in (tmp_path / "built", folder):
        command = [sys.executable, "train.py", *given]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert not same(weights(folder / "run"), weights(tmp_path / "built/run"))
    assert "small, edited train.py" in cli("compare", folder / "run", tmp_path / "built/run").output


def test_an_edited_evaluation_measures_the_run_and_is_told(built, usual, tmp_path, cli):
    half = 'logits = model(images)\n    loss = F.cross_entropy(logits, labels, reduction="sum")'
    folder = edited(built, tmp_path / "mine", half, half.replace("model(images)", "0 * model(images)"))
    assert run(folder).returncode == 0
    assert same(weights(folder / "run"), weights(usual)), "it is measured otherwise, and trained as before"
    measured = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    assert measured[-1]["loss"] == pytest.approx(math.log(10)), "of ten classes, none of which is told from another"
    done = cli("eval", folder / "run", "--format", "json")
    assert json.loads(done.stdout)["loss"] == pytest.approx(math.log(10))
    assert "its train.py was edited before it was trained" in done.stderr
    # a train.py measures the runs of others by its own word
    asked = [sys.executable, "train.py", "eval", "--out", str(usual), "--device", "cpu"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    assert f"loss {math.log(10):.4f}" in done.stdout
    assert "this train.py is not the one that trained the run" in done.stderr
    # and what is wrong with it is said with its line
    text = (folder / "run/code/train.py").read_text()
    (folder / "run/code/train.py").write_text(text.replace("0 * model(images)", "0 * modle(images)"))
    done = cli("eval", folder / "run")
    assert done.exit_code == 1
    assert "train.py was changed after it was written" in done.stderr
    assert "NameError: name 'modle' is not defined" in done.stderr


def test_a_run_goes_on_where_another_version_says_the_same_in_other_words(tmp_path, cli):
    given = "digits_resnet:resnet8", "--backend", "torch", *CPU, "--out", tmp_path / "run"
    assert cli("train", *given, "--steps", 2).exit_code == 0
    record = json.loads((tmp_path / "run/run.json").read_text())
    record["identity"]["trainer"]["sha256"] = "0" * 64
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    done = cli("train", *given, "--steps", 2, "--resume")
    assert done.exit_code == 0, done.output


def test_a_dry_run_of_a_train_py_says_its_optimizer_and_which_file_was_edited(built, tmp_path):
    whole = train_from(tmp_path, built, "--dry-run")
    assert f"  optimizer, as train.py makes it:\n    {OPTIMIZER}\n" in whole.stdout
    assert "was edited" not in whole.stderr
    folder = edited(built, tmp_path / "mine", *EDITS["a frozen layer"])
    done = train_from(tmp_path, folder, "--dry-run")
    assert f"    model.conv1.requires_grad_(False)\n    {OPTIMIZER}\n" in done.stdout
    assert (
        "train.py was edited: the estimates are of the net and the optimizer as archspec wrote them" in done.stderr
    )
    (folder / "net.json").unlink()
    assert "net.json is missing: it says what archspec counted of the net" in said(run(folder), 2)


@pytest.fixture(params=["torch", "flax"])
def averaging(request, tmp_path):
    """A framework, and a folder whose run has an EMA."""
    pytest.importorskip(request.param)
    net = archspec.load("digits_resnet:resnet8", set={"train.ema": 0.9})
    write_folder(tmp_path / "averaging", archspec.emit(net, request.param))
    return request.param, tmp_path / "averaging"


def trained(framework, folder, monkeypatch):
    """Four steps in this process; the exit code."""
    monkeypatch.chdir(folder)
    for name in ("layers", "model", "train") if framework == "flax" else ("model", "train"):
        monkeypatch.setitem(sys.modules, name, None)
        made = import_source(Path(f"{name}.py").read_text(), name, Path(f"{name}.py").absolute())
    arguments = ["--steps", "4", "--device", "cpu", *(["--compile", "off"] if framework == "torch" else [])]
    return made.main(made.DigitsResNet, made.JOB, made.TRAINING, arguments)


def test_an_edit_of_the_average_changes_what_is_evaluated_and_is_told(averaging, tmp_path, monkeypatch, cli):
    framework, built = averaging
    folder = edited(built, tmp_path / "mine", "    return 0.9\n", "    return 0.5 if at.done > 3 else 0.0\n")
    assert (trained(framework, built, monkeypatch), trained(framework, folder, monkeypatch)) == (0, 0)
    usual, other = built / "run", folder / "run"
    assert same(weights(usual), weights(other))
    assert not same(weights(usual, "average"), weights(other, "average"))
    assert "return 0.5 if at.done > 3 else 0.0" in (other / "code" / "train.py").read_text()
    assert "digits-resnet-8, edited train.py" in cli("compare", other, usual).output
    assert "its train.py was edited before it was trained" in cli("eval", other).output


def test_an_average_that_only_one_of_two_places_has_is_refused(averaging, tmp_path, monkeypatch, capsys):
    framework, built = averaging
    before, after = {
        "torch": ("    run.average_weights()\n", ""),
        "flax": (", average=average)", ")"),
    }[framework]
    never = edited(built, tmp_path / "never", before, after)
    assert trained(framework, never, monkeypatch) == 1
    assert "train.py states an EMA, and train_step never averages the weights" in capsys.readouterr().err
    unsaid = edited(built, tmp_path / "unsaid", ", ema_decay=ema_decay", "")
    assert trained(framework, unsaid, monkeypatch) == 1
    assert "train_step averages the weights, and TRAINING has no ema_decay" in capsys.readouterr().err


APART = {
    "accumulate=4": ("train_step computes a batch at once", "torch"),
    "ema=EMA(0.9)": ("train_step never averages the weights", "torch"),
    "bad_loss=Skip()": ("train_step leaves no step out", "torch"),
    "data=Data(mix=Mix(mixup=1.0))": ("train_step takes no argument `mixed`", "torch"),
    "precision='bf16'": ("train_step does not compute in bfloat16", "torch"),
    "precision='fp16'": ("train_step does not compute in float16", "flax"),
    "ema=EMA(0.5)": ("train_step never averages the weights", "flax"),
    "bad_loss=Skip(most=2)": ("train_step leaves no step out", "flax"),
    "data=Data(mix=Mix(cutmix=1.0))": ("train_step takes no argument `mixed`", "flax"),
}


@pytest.mark.parametrize("says", APART)
def test_a_job_that_was_edited_without_its_step_is_refused(says, tmp_path, monkeypatch, capsys):
    does, framework = APART[says]
    pytest.importorskip(framework)
    net = archspec.load("digits_resnet:resnet8")
    files = archspec.emit(net, framework)
    data = 'data=Data(dataset=digits, normalize="per_pixel_mean")'
    edit = says.replace("Data(", "Data(dataset=digits, ") if says.startswith("data") else f"{data}, {says}"
    assert data in files["train.py"]
    text = files["train.py"].replace(data, edit)
    text = text.replace("import Data,", "import EMA, Mix, Skip, Data,")
    write_folder(tmp_path / "built", {**files, "train.py": text})
    monkeypatch.chdir(tmp_path / "built")
    for name in ("layers", "model", "train") if "layers.py" in files else ("model", "train"):
        monkeypatch.setitem(sys.modules, name, None)
        made = import_source(Path(f"{name}.py").read_text(), name, Path(f"{name}.py").absolute())
    arguments = ["--steps", "1", "--device", "cpu", *(["--compile", "off"] if framework == "torch" else [])]
    assert made.main(made.DigitsResNet, made.JOB, made.TRAINING, arguments) == 1
    error = capsys.readouterr().err
    assert does in error
    assert "change the one or the other" in error
