"""Runs on many devices, by really starting many processes: the numbers of one, one word where one fails, nothing lost."""

import json
import os
import re
import shutil
import socket
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from archspec_cli.main import app
from archspec_runtime.checkpoints import store
from archspec_runtime.record.folder import read_metrics, read_run
from runs import CPU, MAIN, SMALL, several

TRAIN = ["train", "--checkpoint-every", "10", *CPU]
HEADS = (
    SMALL.replace(
        "{fc: {linear: {out: classes}}}]",
        "{fc: {linear: {out: classes}}}, {side: {auxiliary: {}}, from: relu},"
        " {second: {linear: {out: classes}}, from: global_avg_pool}]",
    )
    + """outputs:
  aux: {value: side, loss_weight: 0.3, train_only: true}
  out: fc
  second: {value: second, loss_weight: 0.5}
blocks: {auxiliary: {chain: [{conv: {out: 4, kernel: 3}}, batch_norm, relu, global_avg_pool, {linear: {out: 10}}]}}
"""
)
SKIPS = (
    "--set",
    "train.bad_loss={skip: {spike: 1.001, most: 20}}",
    "--set",
    "train.lr=0.001",
    "--set",
    "train.optimizer={adamw: {weight_decay: 1e-2}}",
)  # losses go up and down
LAMB = (
    "--set",
    "train.optimizer={lamb: {weight_decay: 1e-2, decay_norm_and_bias: false, always_adapt: false}}",
    "--set",
    "train.lr=0.01",
)
HALF = ("--steps", "10", "--set", "train.accumulate=4", "--set", "train.precision=bf16")
NUMBERS = {"train_error", "top1_error", "top5_error", "lr"}
QUIET = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def small(out, *given):
    """What the command is told of a run of the net with one output."""
    return "small.yaml", "--out", out, *given


def heads(out, *given):
    """The same with three, each with a loss, of which one is there in training alone."""
    return "heads.yaml", "--steps", "10", "--out", out, *given


def train(folder, size, *runs):
    """Train in so many processes, which are told of each other as launchers do; gives what each says of all runs."""
    command = several(({"MASTER_PORT": str(free_port())}, [*TRAIN, *given]) for given in runs)
    world = {**QUIET, "WORLD_SIZE": str(size), "MASTER_ADDR": "localhost"}
    started = [
        subprocess.Popen(command, cwd=folder, text=True, env={**world, "RANK": str(rank)},
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for rank in range(size)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=280)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * size, said
    return said


def train_alone(folder, monkeypatch, *given):
    """Train in this process."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, [*TRAIN, *given])
    assert done.exit_code == 0, done.output


def cut(folder, source, out):
    """A run that was killed after its checkpoint of step 10."""
    shutil.copytree(folder / source, folder / out)
    shutil.rmtree(store.place(folder / out, 20))


def same_curve(one, other):
    """Whether two runs measured the same, to rounding."""
    rows = read_metrics(one)
    others = [row for row in read_metrics(other) if row["step"] in {row["step"] for row in rows}]
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, twin in zip(rows, others, strict=True):
        assert row.keys() == twin.keys()
        for key in (key for key in row if key.startswith("loss") or key in NUMBERS):
            assert twin[key] == pytest.approx(row[key], abs=1e-9), (key, row, twin)


def tensors(run, name="weights"):
    return load_file(store.newest(run, None)[0] / f"{name}.safetensors")


def same_weights(one, other, tolerance):
    for name in ("weights", "average"):
        first, second = tensors(one, name), tensors(other, name)
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_allclose(second[key], value, rtol=0, atol=tolerance, err_msg=key)


def check_losses(run):
    """What is trained is the sum of the losses, and what is measured is of the first output of inference."""
    for row in read_metrics(run):
        if row["kind"] == "train":
            assert row["loss"] == pytest.approx(row["loss.out"] + 0.3 * row["loss.aux"] + 0.5 * row["loss.second"])
    measured = [row for row in read_metrics(run) if row.get("split") == "test"][-1]
    said = CliRunner().invoke(app, ["eval", str(run), "--device", "cpu", "--threads", "1"])
    assert f"top-1 error {measured['top1_error']:.2f}%" in said.output


@pytest.fixture(scope="module")
def torch_runs(tmp_path_factory):
    """The same run on one process, on two, on four, split over two, and begun on one number and ended on another."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("torch")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "heads.yaml").write_text(HEADS)
    with pytest.MonkeyPatch.context() as patch:
        for alone in (small("one"), small("one-skips", *SKIPS), small("one-lamb", *LAMB), heads("one-heads")):
            train_alone(folder, patch, *alone)
        cut(folder, "one", "grown")
        said = train(
            folder,
            2,
            small("two"),
            small("split", "--shard"),
            small("grown", "--resume", "--shard"),
            small("split-skips", "--shard", *SKIPS),
            small("split-lamb", "--shard", *LAMB),
            small("two-half", *HALF),
            small("split-half", "--shard", *HALF),
            heads("two-heads"),
            heads("split-heads", "--shard"),
        )
        train(folder, 4, small("four"))
        cut(folder, "split", "shrunk")
        train_alone(folder, patch, *small("shrunk", "--resume"))
    return folder, said


def test_a_net_with_layers_that_reach_no_output_trains_on_two_processes(process, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "aside.yaml"
    path.write_text(
        SMALL.replace("{relu: relu}]", "{relu: relu}, {aside: {conv: {out: 2, kernel: 1}}}, {r: relu, from: relu}]")
    )
    result = process("train", path, "--nproc", 2, "--steps", 2, "--device", "cpu", "--threads", 1)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("warning[AS310]: `aside` reaches no output") == 1


@pytest.mark.parametrize("other", ["two", "four", "split", "grown", "shrunk"])
def test_torch_processes_train_as_one_does(torch_runs, other):
    folder, _ = torch_runs
    same_curve(folder / "one", folder / other)
    same_weights(folder / "one", folder / other, 1e-9)
    files = {p.name for p in store.place(folder / other, 20).iterdir()}
    assert files == {p.name for p in store.place(folder / "one", 20).iterdir()}


@pytest.mark.parametrize("other", ["two-heads", "split-heads"])
def test_torch_processes_train_a_net_of_several_outputs_as_one_does(torch_runs, other):
    folder, _ = torch_runs
    same_curve(folder / "one-heads", folder / other)
    same_weights(folder / "one-heads", folder / other, 1e-9)
    check_losses(folder / other)


def test_processes_agree_on_the_updates_that_are_left_out(torch_runs):
    folder, _ = torch_runs
    one, other = (
        [row["step"] for row in read_metrics(folder / run) if row["kind"] == "skipped"]
        for run in ("one-skips", "split-skips")
    )
    assert one == other != []
    same_curve(folder / "one-skips", folder / "split-skips")
    same_weights(folder / "one-skips", folder / "split-skips", 1e-9)


def test_lamb_takes_the_same_steps_where_parameters_are_split(torch_runs):
    """Its steps are as long as whole tensors are, of which a process has a part."""
    folder, _ = torch_runs
    same_curve(folder / "one-lamb", folder / "split-lamb")
    same_weights(folder / "one-lamb", folder / "split-lamb", 1e-9)


def test_splitting_parameters_changes_no_number_in_half_precision(torch_runs):
    """What is gathered in it is what would be cast to it, and gradients, of micro-batches too, are added up in single."""
    folder, _ = torch_runs
    same_weights(folder / "two-half", folder / "split-half", 1e-7)


def test_one_process_speaks_and_the_folder_says_how_many_there_were(torch_runs):
    folder, (first, second) = torch_runs
    assert "small on 2 processes" in first
    assert second == ""
    assert [read_run(folder / run)["processes"] for run in ("one", "two", "four")] == [1, 2, 4]
    state = json.loads((store.place(folder / "grown", 20) / "loop.json").read_text())
    assert state["processes"] == 2


@pytest.fixture(scope="module")
def flax_runs(tmp_path_factory):
    """The same run of a net of several outputs on one device, on eight of one process, and on one of each of two processes."""
    pytest.importorskip("flax")
    folder = tmp_path_factory.mktemp("flax")
    # dropout as well: what it draws does not depend on the number of devices; no blocks, as compiling takes the time
    dropping = HEADS.replace("{relu: relu}]", "{relu: relu}, {drop: {dropout: {rate: 0.2}}}]")
    (folder / "heads.yaml").write_text(re.sub("^(shortcut|stages): .*\n", "", dropping, flags=re.MULTILINE))
    run = ["train", "heads.yaml", "--backend", "flax", "--device", "cpu", "--out"]
    alone = several([({}, [*run, "one"]), ({}, [*run, "mesh", "--devices", "8"])])
    eight = {**QUIET, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"}
    for command, environment in (
        (alone, eight),
        ([*MAIN, *run, "two", "--nproc", "2"], QUIET),
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("other", ["mesh", "two"])
def test_flax_devices_train_as_one_does(flax_runs, other):
    same_curve(flax_runs / "one", flax_runs / other)
    same_weights(flax_runs / "one", flax_runs / other, 1e-9)
    check_losses(flax_runs / other)


REFUSED = {
    "too many devices": (("--backend", "flax", "--devices", 64), "64 devices are asked for, and this process has"),
    "sharding": (("--backend", "flax", "--shard"), "--shard is PyTorch's"),
    "devices of PyTorch": (("--devices", 2), "PyTorch drives one device to a process\n  help: --nproc 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_framework_does_not_do_is_refused(name, cli, tmp_path):
    given, says = REFUSED[name]
    pytest.importorskip("flax" if "flax" in given else "torch")
    result = cli(
        "train", "digits_resnet:resnet8", "--out", tmp_path / "run", "--steps", 1, "--device", "cpu", *given
    )
    assert result.exit_code == 2
    assert says in result.stderr
