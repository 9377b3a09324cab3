"""Fine-tuning: parameters that stay as they are, and rates and weight decays by patterns of names."""

import json
import shutil

import numpy as np
import pytest

import archspec
from archspec.emission.folder import job_fields
from archspec_runtime.job.job import Job
from archspec_runtime.job.memory import memory
from runs import newest, same, weights
from trainers import training

torch = pytest.importorskip("torch")

NET = """archspec: 1
name: small
input: {channels: 1, size: 8}
classes: 10
stem: [{conv1: {conv: {out: 8, kernel: 3}}}, {bn1: batch_norm}, relu, {conv2: {conv: {out: 8, kernel: 3}}}, {bn2: batch_norm}]
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits, normalize: per_pixel_mean}
  batch_size: 32
  steps: 6
  lr: 0.05
  precision: fp64
  ema: 0.9
  optimizer: {sgd: {momentum: 0.9, weight_decay: 0.1}}
  freeze: [conv1, "bn1.*"]
  lr_scale: {"*": 0.5, fc: 10}
  decay_scale: {"*.bias": 0}
"""
BACKENDS = ("torch", "flax")


@pytest.fixture(scope="module")
def net():
    return archspec.load(NET)


@pytest.fixture(scope="module")
def runs(net, tmp_path_factory):
    """A run of each backend that starts from the same weights, and those weights."""
    from safetensors.torch import save_file
    from typer.testing import CliRunner

    from archspec_cli.main import app

    room = tmp_path_factory.mktemp("tuned")
    start = archspec.build(net, backend="torch", seed=1).state_dict()
    start["bn1.running_mean"] += 0.5  # as those of a trained net are not what they are at first
    save_file(start, room / "start.safetensors")
    (room / "net.yaml").write_text(NET)
    for backend in BACKENDS:
        pytest.importorskip(backend)
        words = ["train", room / "net.yaml", "--backend", backend, "--out", room / backend, "--device", "cpu"]
        more = ["--weights", room / "start.safetensors", "--checkpoint-every", 3]
        done = CliRunner().invoke(app, list(map(str, [*words, *more])))
        assert done.exit_code == 0, done.output
        assert "88 of 770 parameters are frozen" in done.output
    return room, {name: tensor.numpy() for name, tensor in start.items()}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("file", ["weights", "average"])
def test_frozen_layers_and_their_statistics_stay_as_they_were(backend, file, runs):
    room, start = runs
    after = weights(room / backend, file)
    still = {name for name in start if np.array_equal(start[name], after[name])}
    assert still == {name for name in start if name.startswith(("conv1.", "bn1."))}


def test_both_backends_train_the_same(runs):
    one, other = (weights(runs[0] / backend) for backend in BACKENDS)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_rates_and_decays_are_those_of_the_last_pattern_that_matches(net):
    model = archspec.build(net, backend="torch", seed=0)
    stated = training("torch", net, Job.from_dict(job_fields(net)))
    stated.freeze(model)
    names = {id(p): name for name, p in model.named_parameters()}
    groups = stated.make_optimizer(model).param_groups
    found = {names[id(p)]: (g["lr_scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert found == {
        "conv2.weight": (0.5, 0.1), "bn2.weight": (0.5, 0.1), "bn2.bias": (0.5, 0.0),
        "fc.weight": (10.0, 0.1), "fc.bias": (10.0, 0.0),
    }  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fine_tuned_run_is_resumed(backend, runs, cli, tmp_path):
    whole, out = runs[0] / backend, tmp_path / "cut"
    shutil.copytree(whole, out)
    shutil.rmtree(newest(out))
    done = cli("train", out, "--resume")
    assert done.exit_code == 0, done.output
    assert same(weights(whole), weights(out))
    shutil.rmtree(newest(out))
    done = cli(
        "train",
        runs[0] / "net.yaml",
        "--backend",
        backend,
        "--out",
        out,
        "--resume",
        "--set",
        "train.freeze=[conv1]",
    )
    assert done.exit_code != 0
    assert "freeze: [conv1, bn1.*] before, [conv1] now" in done.output


def test_what_is_frozen_takes_neither_gradients_nor_state(net):
    frozen = memory(Job.from_dict(job_fields(net)))
    whole = memory(Job.from_dict(job_fields(archspec.load(NET, set={"train.freeze": []}))))
    assert (frozen.weights, frozen.ema) == (whole.weights, whole.ema)
    assert frozen.gradients == frozen.optimizer == whole.gradients * (770 - 88) // 770
    assert frozen.activations < whole.activations


def test_a_dry_run_and_a_summary_say_what_is_frozen(runs, cli):
    said = cli("train", runs[0] / "net.yaml", "--dry-run", "--out", runs[0] / "none").output
    assert "freeze: [conv1, 'bn1.*']" in said
    assert "lr_scale: {'*': 0.5, fc: 10}" in said
    assert "88 of 770 parameters are frozen" in said
    assert "88 of the parameters, in training" in cli("summary", runs[0] / "net.yaml").output
    assert "88 of these parameters are frozen in training" in archspec.load(NET).summary()


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"freeze": ["convv1"]}, "AS609", "did you mean `conv1`?"),
        ({"lr_scale": {"head.*": 2}}, "AS609", "`archspec summary` lists the modules"),
        ({"freeze": ["*"], "lr_scale": {}, "decay_scale": {}}, "AS604", "nothing is trained"),
        ({"lr_scale": {"bn1": 2}}, "AS604", "of which all parameters are frozen"),
        ({"optimizer": {"adamw": {"weight_decay": 0}}}, "AS604", "there is none"),
        ({"lr_scale": {"fc": 0}}, "AS104", "must be at least"),
        ({"lr_scale": {"fc.*": 3}}, "AS604", "later patterns scale all of its parameters otherwise"),
        ({"freeze": "conv1"}, "AS103", "list"),
    ],
)
def test_patterns_that_change_nothing_are_mistakes(changes, code, says):
    found = archspec.check(NET, set={f"train.{key}": value for key, value in changes.items()})
    assert code in [d.code for d in found], found
    assert any(says in f"{d.message} {d.help}" for d in found), found


def test_core_and_trainers_read_patterns_alike():
    from archspec.analysis.fine_tuning import matches
    from archspec_runtime.recipe.patterns import matches as in_trainers

    for name in ("conv1.weight", "layer1.0.bn1.bias", "fc"):
        for pattern in ("conv1", "layer1.*", "*.bias", "*", "layer1", "layer[12]", "conv", "bn1", "fc.*"):
            assert matches(name, [pattern]) == in_trainers(name, [pattern])


def test_some_of_the_blocks_that_flax_has_as_one_layer_cannot_be_frozen(cli, tmp_path):
    pytest.importorskip("flax")
    words = [
        "digits_resnet",
        "--set",
        "n=10",
        "--backend",
        "flax",
        "--steps",
        1,
        "--device",
        "cpu",
        "--out",
        tmp_path / "run",
    ]
    done = cli("train", *words, "--set", "train.freeze=[layer1.1]")
    assert done.exit_code == 1, done.output
    assert "equal blocks in Flax, and some are frozen" in done.output


@pytest.mark.long
@pytest.mark.parametrize("more", [(), ("--shard",)])
def test_several_processes_train_what_one_does(more, runs, process, tmp_path):
    words = [
        "train",
        runs[0] / "net.yaml",
        "--out",
        tmp_path / "two",
        "--device",
        "cpu",
        "--threads",
        1,
        "--nproc",
        2,
    ]
    done = process(*words, "--weights", runs[0] / "start.safetensors", *more)
    assert done.returncode == 0, done.stderr
    one, two = weights(runs[0] / "torch"), weights(tmp_path / "two")
    assert json.loads((tmp_path / "two" / "run.json").read_text())
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-7, atol=1e-9, err_msg=name)
