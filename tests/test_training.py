"""Training from the command line: what a run leaves, resumes, and what its numbers are."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import archspec
from archspec.emission.folder import job_fields
from archspec_cli.common import overrides
from archspec_cli.main import app
from archspec_runtime import checkpoints
from archspec_runtime.batches import Batches
from archspec_runtime.datasets import open_dataset
from archspec_runtime.job import Job, Options, effective
from archspec_runtime.normalize import measure
from archspec_runtime.run_folder import read_metrics, read_run

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402

REPO = Path(__file__).parent.parent
CPU = ("--device", "cpu", "--threads", "1", "--compile", "off")
MAIN = [sys.executable, "-c", "from archspec_cli.main import main; main()"]

# Everything whose state a resumed run must go on with: dropout, moves, momentum, the average, every kind of phase.
TINY = """archspec: 1
name: tiny
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3, stride: 2}}}, {bn1: batch_norm}, {r: relu}, {d: {dropout: {rate: 0.2}}}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, holdout: 200, augment: [{pad_crop: 1}, hflip], normalize: per_channel}
  batch_size: 64
  steps: 200
  optimizer: {sgd: {momentum: 0.9, weight_decay: 1e-3, nesterov: true}}
  lr:
    - {value: 0.02, until: train_error < 80% or step 90}
    - {linear: {from: 0.1, to: 0.05}, until: step 130}
    - {value: 0.05, until: plateau 2 or step 170}
    - {cosine: {from: 0.05, to: 0}}
  label_smoothing: 0.1
  clip_norm: 1.0
  ema: 0.98
  seed: 3
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def train(cli, tmp_path):
    """Train in this process; gives the result of the command."""

    def run(spec, out, *args, code=0):
        result = cli("train", spec, "--out", tmp_path / out, *CPU, *args)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short run that came to its end: its folder and what it said."""
    out = tmp_path_factory.mktemp("finished") / "run"
    command = ["train", "digits_resnet:resnet8", "--out", out, "--steps", 60, "--checkpoint-every", 20, *CPU]
    done = CliRunner().invoke(app, [str(word) for word in command])
    assert done.exit_code == 0, done.output
    return out, done.stderr


def newest(out):
    return checkpoints.newest(out, None)[0]


def weights(out, name="weights"):
    return load_file(newest(out) / f"{name}.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def measurements(out):
    """The rows of a run without how fast it was."""
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in read_metrics(out)]


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- what a run leaves ---------------------------------------------------------------------------------


def test_a_run_leaves_its_source_its_recipe_the_versions_metrics_checkpoints_and_curves(finished):
    out, _ = finished
    assert {p.name for p in out.iterdir()} == {
        "code", "run.json", "metrics.jsonl", "checkpoints", "curves.png", "curves.svg"}  # fmt: skip
    resolved = archspec.load(out / "code" / "spec.yaml")
    assert resolved.fingerprint == archspec.load("digits_resnet:resnet8").fingerprint
    run = read_run(out)
    assert run["job"]["recipe"]["steps"] == 60
    assert run["versions"]["torch"] == torch.__version__
    assert {"python", "numpy", "archspec-nn"} <= set(run["versions"])
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (out / "curves.svg").read_bytes()
    assert [p.name for p in sorted((out / "checkpoints").iterdir())] == ["step-00000040", "step-00000060"]
    assert weights(out).keys() == archspec.build(resolved, backend="torch").state_dict().keys()


def test_the_metrics_are_json_lines_of_training_and_of_an_evaluation_each_epoch(finished):
    rows = [json.loads(line) for line in (finished[0] / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [11, 20, 22, 33, 40, 44, 55, 60]
    assert [row["step"] for row in rows if row["kind"] == "eval"] == [11, 22, 33, 44, 55, 60]
    assert {row["lr"] for row in rows if row["kind"] == "train"} == {0.05}
    assert rows[-2]["train_error"] < 5 < rows[0]["train_error"]


@pytest.mark.parametrize("checkpoint", [False, True], ids=["run", "checkpoint"])
def test_eval_gives_the_error_that_the_runs_last_line_says(finished, cli, checkpoint):
    out, lines = finished
    said = re.search(r"test error ([\d.]+%)", lines.splitlines()[-1])[1]
    result = cli("eval", newest(out) if checkpoint else out, "--device", "cpu")
    assert result.exit_code == 0
    assert f"top-1 error {said}" in result.output
    assert "images 360" in result.output


@pytest.mark.parametrize(
    "change",
    [["train.precision=bf16"], ["train.precision=fp64"], ["train.ema=0.9"], ["train.data.holdout=100"]],
    ids=str,
)
def test_eval_gives_the_error_that_the_run_measured_with_every_recipe(train, cli, change):
    sets = [word for pair in change for word in ("--set", pair)]
    train("digits_resnet:resnet8", "run", "--steps", 12, *sets)
    row = read_metrics(Path("run"))[-1]
    result = cli("eval", "run", "--device", "cpu")
    assert f"loss {row['loss']:.4f}  top-1 error {row['top1_error']:.2f}%" in result.output


def test_eval_measures_every_split(tiny, train, cli):
    train(tiny, "run", "--steps", 1)
    for split, images in (("train", "1,237"), ("val", "200"), ("test", "360")):
        assert f"images {images}" in cli("eval", "run", "--split", split, "--device", "cpu").output


def test_eval_finds_the_images_of_a_run_from_another_folder(cli, train, tmp_path, monkeypatch):
    from PIL import Image

    for split in ("train", "test"):
        for colour in ("black", "white"):
            (tmp_path / "images" / split / colour).mkdir(parents=True)
            for index in range(2):
                Image.new("L", (8, 8), colour).save(tmp_path / "images" / split / colour / f"{index}.png")
    spec = Path("two.yaml")
    spec.write_text(TINY.replace("classes: 10", "classes: 2").replace("dataset: digits, holdout: 200",
                    "dataset: image_folder").replace("batch_size: 64", "batch_size: 4"))  # fmt: skip
    train(spec, "run", "--steps", 1, "--data", "images")
    monkeypatch.chdir("/")
    result = cli("eval", tmp_path / "run", "--device", "cpu")
    assert result.exit_code == 0, result.output


def test_compare_draws_a_picture_and_prints_the_table(finished, train, cli):
    out, _ = finished
    train("digits_resnet:plain8", "plain", "--steps", 30)
    shutil.copytree(out, "twin")
    result = cli("compare", "plain", out, "twin", "--out", "both.png", "--title", "Plain and residual")
    assert result.exit_code == 0
    assert Path("both.png").read_bytes().startswith(b"\x89PNG")
    plain, first, twin = result.output.splitlines()[1:4]
    assert re.fullmatch(r"digits-plain-8 +30 +[\d.]+% +[\d.]+% +[\d.]+%", plain)
    assert str(out) in first  # two runs of one name are told apart
    assert "twin" in twin
    assert cli("compare", "plain", "--out", "one.svg").exit_code == 0
    assert b"<svg" in Path("one.svg").read_bytes()


# --- the same numbers again ----------------------------------------------------------------------------


def test_one_seed_gives_the_same_weights_twice_and_another_seed_others(tiny, train):
    for out, seed in (("one", 5), ("again", 5), ("other", 6)):
        train(tiny, out, "--steps", 25, "--seed", seed)
    assert same(weights(Path("one")), weights(Path("again")))
    assert measurements(Path("one")) == measurements(Path("again"))
    assert not same(weights(Path("one")), weights(Path("other")))


@pytest.mark.parametrize("seed", [2**44, 2**63, 10**30])
def test_a_seed_of_any_size_works_or_is_refused(tiny, cli, seed, tmp_path):
    result = cli("train", tiny, "--out", tmp_path / "run", "--steps", 1, "--seed", seed, *CPU)
    assert result.exit_code == 0 or "seed" in result.stderr


def start(tmp_path, *args):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([*MAIN, "train", *map(str, args), *CPU], cwd=tmp_path, env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip


def wait_for(path, process):
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    raise AssertionError(f"{path} never came")


def test_a_killed_run_ends_with_the_same_weights_and_metrics_as_one_that_was_not(tiny, train, tmp_path):
    every = ("--checkpoint-every", 20)
    train(tiny, "straight", *every)
    phases = [row["lr"] for row in measurements(Path("straight")) if row["kind"] == "train"]
    assert phases[0] == 0.02
    assert 0.05 < max(phases) <= 0.1
    assert phases[-1] < 0.01
    with start(tmp_path, tiny, "--out", "killed", *every) as process:
        wait_for(tmp_path / "killed" / "checkpoints" / "step-00000100", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "curves.png").exists(), "the run ended before it was killed"
    train(tiny, "killed", "--resume", *every)
    for name in ("weights", "average", "normalization"):
        assert same(weights(Path("killed"), name), weights(Path("straight"), name))
    assert measurements(Path("killed")) == measurements(Path("straight"))
    assert not (tmp_path / "killed" / "lock").exists()


@pytest.mark.parametrize("damage", [b"\x00", b""], ids=["one byte", "emptied"])
def test_a_damaged_checkpoint_is_said_and_the_run_goes_on_from_the_one_before(tiny, train, damage):
    train(tiny, "run", "--checkpoint-every", 20)
    before = weights(Path("run"))
    file = newest(Path("run")) / "state.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + damage + whole[5001:] if damage else b"")
    result = train(tiny, "run", "--checkpoint-every", 20, "--resume")
    assert "state.pt is damaged: its checksum differs; trying the one before" in result.stderr
    assert same(weights(Path("run")), before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"])
def test_a_signal_saves_a_checkpoint_and_the_run_goes_on_as_it_would_have(number, code, train, tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(
        TINY.replace("{value: 0.02, until: train_error < 80% or step 90}", "{value: 0.02, until: step 90}")
    )
    long = ("--steps", 400, "--eval-every", 3)
    with start(tmp_path, spec, "--out", "run", *long) as process:
        wait_for(tmp_path / "run" / "metrics.jsonl", process)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == code, said
    stopped = int(re.search(r"stopped after step ([\d,]+); go on with --resume", said)[1].replace(",", ""))
    assert newest(tmp_path / "run").name == f"step-{stopped:08d}"
    assert "Traceback" not in said
    train(spec, "run", *long, "--resume")
    train(spec, "straight", *long)
    assert same(weights(Path("run")), weights(Path("straight")))


@pytest.mark.parametrize("every", [3, 20])
def test_how_often_checkpoints_are_written_does_not_change_the_weights(train, every):
    given = (
        "digits_resnet:resnet8",
        "--steps",
        40,
        "--set",
        "train.lr=[{value: 0.1, until: train_loss < 0.5}, {value: 0}]",
    )
    train(given[0], "never", *given[1:])
    rates = [row["lr"] for row in measurements(Path("never")) if row["kind"] == "train"]
    assert set(rates) == {0.1, 0.0}
    train(given[0], "often", *given[1:], "--checkpoint-every", every)
    assert same(weights(Path("often")), weights(Path("never")))


@pytest.mark.parametrize("every", [1, 2])
def test_a_plateau_is_counted_in_epochs_however_often_is_evaluated(tiny, train, every):
    tiny.write_text(TINY.replace("{bn1: batch_norm}, ", ""))  # so that nothing changes at a rate of zero
    lr = "train.lr=[{value: 0, until: plateau 4}, {value: 0.1}]"
    result = train(tiny, "run", "--steps", 200, "--set", lr, "--set", "train.ema=null", "--eval-every", every)
    ends = (every + 4) * (1237 // 64)
    assert re.search(rf"^step {ends:,}: .*no lower error for 4 epochs.*lr is now 0\.1$", result.stderr, re.M)


def test_resuming_a_run_that_had_ended_says_so_and_changes_nothing(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run" / "checkpoints")
    result = cli("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, "--resume", *CPU)
    assert result.exit_code == 0
    assert "this run ended at step 60; nothing is left to do" in result.output
    assert tree(tmp_path / "run" / "checkpoints") == before
    assert measurements(Path("run")) == measurements(finished[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--set", "train.lr=0.02"), "lr: [{'value': 0.05, "),
        (("--steps", 80), "steps: 60 before, 80 now"),
        (("--seed", 4), "seed: 0 before, 4 now"),
        (("--set", "train.batch_size=64"), "batch_size: 128 before, 64 now"),
    ],
    ids=["lr", "steps", "seed", "batch size"],
)
def test_a_changed_recipe_is_refused_with_the_difference(finished, cli, tmp_path, change, says):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    given = ("train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 60, *CPU, *change)
    result = cli(*given, "--resume")
    assert result.exit_code == 1
    assert says in result.output
    assert "--override" in result.output
    assert tree(tmp_path / "run") == before


def test_a_changed_recipe_is_trained_on_with_override(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    given = (
        "train",
        "digits_resnet:resnet8",
        "--out",
        tmp_path / "run",
        "--steps",
        80,
        "--set",
        "train.lr=0.01",
        *CPU,
    )
    result = cli(*given, "--resume", "--override")
    assert result.exit_code == 0, result.output
    rows = [row for row in measurements(Path("run")) if row["kind"] == "train"]
    assert (rows[-1]["step"], rows[-1]["lr"]) == (80, 0.01)
    assert rows[0]["lr"] == 0.05


def test_another_net_is_not_resumed(finished, cli, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    before = tree(tmp_path / "run")
    given = (
        "train",
        "digits_resnet:plain8",
        "--out",
        tmp_path / "run",
        "--steps",
        60,
        "--resume",
        "--override",
        *CPU,
    )
    result = cli(*given)
    assert result.exit_code == 1
    assert "is of another net" in result.output
    assert tree(tmp_path / "run") == before


# --- before and after a run ----------------------------------------------------------------------------


def test_a_dry_run_prints_recipe_and_timeline_and_writes_nothing(cli, tmp_path):
    result = cli("train", "cifar_resnet:resnet110", "--dry-run", "--seed", 9)
    assert result.exit_code == 0
    for line in [
        "cifar-resnet-110: 64,000 steps of 128 images",
        "seed: 9",
        "1      0.01   train_error < 80% or step 4,000",
        "2      0.1    step 32,000",
        "4      0.001  the end, step 64,000",
        "- pad_crop {padding: 4}",
        "optimizer: sgd {momentum: 0.9, weight_decay: 0.0001, nesterov: false, decay_norm_and_bias: true}",
        "activations are 2,100,288 numbers kept for each image",
        "time: about 38 hours for 64,000 steps at 4.5e+10 multiply-adds a second",
    ]:
        assert line in result.output
    assert not list(tmp_path.iterdir())


def test_a_dry_run_of_some_epochs_does_not_speak_of_steps(cli):
    result = cli("train", "vgg19", "--dry-run")
    assert "74 epochs" in result.output
    assert "step 0" not in result.output


EXPLODES = "train.lr=[{value: 0.1, until: step 45}, {value: 1e30}]"


def test_a_loss_that_is_not_finite_stops_the_run_and_the_last_good_checkpoint_stays(train):
    given = ("--set", EXPLODES, "--steps", 100, "--checkpoint-every", 20)
    result = train("digits_resnet:resnet8", "run", *given, code=1)
    message = (
        r"the loss is (nan|inf) by step \d+, in phase 2 of the schedule at lr 1e\+30; the checkpoint of step 40"
    )
    assert re.search(message, result.stderr)
    assert "help: lower the learning rate" in result.stderr
    assert newest(Path("run")).name == "step-00000040"
    assert all(t.isfinite().all() for t in weights(Path("run")).values())
    assert not Path("run/lock").exists()
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize("steps", [100, 40], ids=["on the way", "at the end"])
def test_weights_that_are_not_finite_are_never_saved(train, steps):
    lr = "train.lr=[{value: 0.1, until: step 39}, {value: 1e39}]"
    train("digits_resnet:resnet8", "run", "--set", lr, "--steps", steps, "--checkpoint-every", 20, code=1)
    assert newest(Path("run")).name == "step-00000020"
    assert all(t.isfinite().all() for t in weights(Path("run")).values())
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# --- what a step computes ------------------------------------------------------------------------------


PLAIN = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3}}}, {bn1: batch_norm}, {relu: relu}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, augment: [{pad_crop: 1}, hflip], normalize: per_pixel_mean}
  batch_size: 32
  steps: 5
  seed: 2
"""

RECIPES = {
    "sgd": {"train.optimizer": "{sgd: {}}"},
    "momentum": {"train.optimizer": "{sgd: {momentum: 0.9, weight_decay: 0.01}}"},
    "nesterov": {"train.optimizer": "{sgd: {momentum: 0.9, weight_decay: 0.01, nesterov: true}}"},
    "no decay of norms": {"train.optimizer": "{sgd: {weight_decay: 0.5, decay_norm_and_bias: false}}"},
    "adamw": {"train.optimizer": "{adamw: {beta1: 0.8, weight_decay: 0.1}}"},
    "adamw no decay": {"train.optimizer": "{adamw: {weight_decay: 0.5, decay_norm_and_bias: false}}"},
    "clip_norm": {"train.clip_norm": "0.05"},
    "label_smoothing": {"train.label_smoothing": "0.2"},
    "ema": {"train.ema": "0.7"},
    "lamb": {"train.optimizer": "{lamb: {weight_decay: 0.1}}", "train.accumulate": "2", "train.loss": "bce"},
    "mixed": {
        "train.data": "{dataset: digits, augment: [trivial_augment, hflip, random_erasing], repeats: 2,"
        " mix: {mixup: 1, cutmix: 1}}",
        "train.ema": "{decay: 0.9, every: 3, after: step 9}",
        "train.clip_norm": "1.0",
    },
    "bf16": {"train.precision": "bf16"},
    "fp64": {"train.precision": "fp64"},
    "rates": {"train.lr": "[{linear: {from: 0, to: 0.2}, until: step 3}, {cosine: {from: 0.2, to: 0.1}}]"},
}


def hand_written(model, recipe, inputs, rates):
    """The loop that a person would write; gives the model and the average of its weights."""
    optimizer, lr = recipe.optimizer, rates[0]
    if recipe.precision == "fp64":
        model, inputs = model.double(), [(images.double(), labels) for images, labels in inputs]
    decayed = [p for n, p in model.named_parameters() if n in ("conv1.weight", "fc.weight")]
    others = [p for n, p in model.named_parameters() if n not in ("conv1.weight", "fc.weight")]
    decay = optimizer.weight_decay
    groups = [{"params": decayed}, {"params": others, "weight_decay": decay * optimizer.decay_norm_and_bias}]
    if optimizer.kind == "sgd":
        made = torch.optim.SGD(groups, lr, optimizer.momentum, weight_decay=decay, nesterov=optimizer.nesterov)
    else:
        made = torch.optim.AdamW(groups, lr, (optimizer.beta1, optimizer.beta2), optimizer.eps, decay)
    average = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.train().to(memory_format=torch.channels_last)
    for (images, labels), rate in zip(inputs, rates, strict=True):
        for group in made.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = model(images)
            target = torch.nn.functional.one_hot(labels, 10) * (1 - recipe.label_smoothing)
            target = target + recipe.label_smoothing / 10
            logits = logits.float() if recipe.precision == "bf16" else logits
            loss = -(target * logits.log_softmax(1)).sum(1).mean()
        made.zero_grad()
        loss.backward()
        if recipe.clip_norm:
            norm = sum(p.grad.square().sum() for p in model.parameters()).sqrt()
            assert norm > recipe.clip_norm
            for p in model.parameters():
                p.grad.mul_(recipe.clip_norm / (norm + 1e-6))
        made.step()
        for name, p in model.named_parameters():
            kept = recipe.ema.decay if recipe.ema else 0
            average[name] = kept * average[name] + (1 - kept) * p.detach()
    return model, average


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("lamb", "mixed")])
def test_five_steps_equal_a_loop_written_by_hand(name, tmp_path):
    from archspec_runtime.schedule import Schedule
    from archspec_torch.trainer.stepper import TorchStepper

    (tmp_path / "small.yaml").write_text(PLAIN)
    chosen = overrides([f"{key}={value}" for key, value in RECIPES[name].items()])
    net = archspec.load(tmp_path / "small.yaml", set=chosen)
    job = effective(Job.from_dict(job_fields(net)), Options())
    recipe, shape = job.recipe, job.input_shape
    dataset = open_dataset(recipe.data, None, input_shape=shape, classes=10, seed=recipe.seed)
    normalization = measure(recipe.data.normalize, dataset.train, shape)
    batches = Batches(dataset.train, recipe.data, recipe.batch_size, recipe.seed, shape, normalization)
    schedule = Schedule(recipe.lr, 5, batches.per_epoch)
    stepper = TorchStepper(
        lambda: archspec.build(net, backend="torch", seed=recipe.seed),
        job,
        dataset,
        normalization,
        torch.device("cpu"),
        False,
    )
    inputs, rates = [], []
    for step, batch in enumerate(batches.run(0, 5)):
        pixels = batch.plan.apply(normalization.apply(dataset.train.images[batch.indices]))
        inputs.append(
            (
                torch.from_numpy(np.ascontiguousarray(pixels)).contiguous(memory_format=torch.channels_last),
                torch.from_numpy(batch.labels),
            )
        )
        rates.append(schedule.lr(step))
        stepper.step(batch, rates[-1], step)
        schedule.after_step(step + 1, {})
    model, average = hand_written(archspec.build(net, backend="torch", seed=recipe.seed), recipe, inputs, rates)
    tolerance = {"bf16": 2e-2, "adamw": 1e-5, "adamw no decay": 1e-5}.get(name, 1e-6)
    tolerance = 1e-12 if name == "fp64" else tolerance
    for key, expected in model.state_dict().items():
        found = stepper.model.state_dict()[key]
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    if recipe.ema:
        found = dict(stepper.average.model.named_parameters())
        for key, expected in average.items():
            torch.testing.assert_close(found[key].data, expected, rtol=1e-6, atol=1e-6)
            assert not torch.equal(expected, model.state_dict()[key])
    totals = stepper.drain()
    assert (totals.steps, totals.samples) == (5, 160)
    assert math.isfinite(totals.loss)


@pytest.mark.parametrize("name", ["bf16", "fp64", "adamw", "ema", "lamb", "mixed"])
def test_every_recipe_trains_and_resumes(name, train, tmp_path):
    (tmp_path / "small.yaml").write_text(PLAIN)
    sets = [word for pair in RECIPES[name].items() for word in ("--set", "=".join(pair))]
    train("small.yaml", "straight", *sets, "--steps", 30, "--checkpoint-every", 15)
    shutil.copytree("straight", "cut")
    shutil.rmtree(newest(Path("cut")))
    train("small.yaml", "cut", *sets, "--steps", 30, "--checkpoint-every", 15, "--resume")
    assert same(weights(Path("cut")), weights(Path("straight")))
    assert measurements(Path("cut")) == measurements(Path("straight"))


# --- elsewhere -----------------------------------------------------------------------------------------


ALONE = """
import atexit, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("archspec", "archspec_cli"):
            raise ImportError(f"{name} is blocked")

def check():
    for name, module in list(sys.modules.items()):
        if name.startswith("archspec"):
            assert module.__file__.startswith(sys.path[0]), module.__file__
    print("imported:", *sorted(n for n in sys.modules if n.startswith("archspec") and "." not in n))

sys.meta_path.insert(0, Blocked())
atexit.register(check)
"""


def test_a_built_folder_trains_without_archspec(cli, tmp_path):
    assert cli("build", "digits_resnet:resnet8", "--out", "built").exit_code == 0
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(ALONE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "block")}

    def run(*args):
        return subprocess.run([sys.executable, "train.py", *args], cwd=tmp_path / "built", env=environment,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip

    done = run("--steps", "20", "--device", "cpu", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported: archspec_runtime archspec_torch"
    assert "step 20/20" in done.stderr
    assert cli("eval", "built/run", "--device", "cpu").exit_code == 0
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
        code = main(lambda: archspec.build(net, backend="torch"), Job.from_dict(job_fields(net)), arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "error: " in capsys.readouterr().err


SURROUNDINGS = {
    "no home, no locale": {"LC_ALL": "C"},
    "home that cannot be written": {"HOME": "/proc/nowhere", "TERM": "dumb"},
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_spaces_and_unicode_in_paths_work_anywhere(surroundings, process, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "HOME", "MPL", "XDG"))}
    folder = tmp_path / "größe 漢字"
    folder.mkdir()
    (folder / "my spec.yaml").write_text(TINY)
    given = ("train", folder / "my spec.yaml", "--out", folder / "run 1", "--steps", 2, *CPU)
    result = process(*given, env=environment | SURROUNDINGS[surroundings])
    assert result.returncode == 0, result.stderr
    assert (folder / "run 1" / "curves.png").exists()


def test_compare_takes_folders_with_any_name(finished, cli):
    for name in ("_cost $1_{", "cost $2"):
        shutil.copytree(finished[0], name)
    result = cli("compare", "_cost $1_{", "cost $2", "--out", "both $_{ $.png", "--title", "5 $ {")
    assert result.exit_code == 0, result.output
    assert Path("both $_{ $.png").exists()


def test_runs_of_one_process_in_two_folders_are_of_their_own_nets(cli, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("spec.yaml").write_text(TINY.replace("name: tiny", f"name: {name}"))
        result = CliRunner().invoke(app, ["train", "spec.yaml", "--out", "run", "--steps", "1", *CPU])
        assert result.exit_code == 0, result.exception
        assert read_run(Path("run"))["job"]["name"] == name


# --- compiling ---------------------------------------------------------------------------------------------------


def test_the_compiler_sees_each_kind_of_block_of_deep_nets_once():
    from archspec_torch.trainer.compiling import compiled_layers

    def seen(name):
        with torch.device("meta"):
            return compiled_layers(archspec.build(archspec.load(name), "torch"))

    assert seen("cifar_resnet:resnet20") == 19, "all of a shallow net"
    assert seen("cifar_resnet:resnet110") == seen("cifar_resnet:resnet1202") == 10, "two in each of five kinds"
