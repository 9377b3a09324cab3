"""A step that is left out changes nothing, the first of a run too, and the host does not wait to know."""

import math
import subprocess
import sys

import pytest

import archspec
from archspec_runtime.recipe.vocabulary import EMA, LAMB, AdamW, Skip
from runs import forked

torch = pytest.importorskip("torch")
from archspec_torch.trainer.stepper import TorchStepper  # noqa: E402
from settings_of_runs import setting  # noqa: E402
from trainers import training  # noqa: E402

CPU = torch.device("cpu")
SLOW = {"optimizer": AdamW(weight_decay=0.1)}
RECIPES = {
    "momentum": {},
    "EMA": {"ema": EMA(decay=0.9)},
    "adamw and clip": {**SLOW, "clip_norm": 1.0},
    "lamb": {"optimizer": LAMB(weight_decay=0.1), "ema": EMA(decay=0.9)},
    "fp16": {"precision": "fp16"},
    "adamw in fp16 and clip": {**SLOW, "precision": "fp16", "clip_norm": 1.0},
}


def stepper_of(**recipe):
    net, job, dataset, normalization, batches = setting(batch_size=4, bad_loss=Skip(), **recipe)
    return TorchStepper(
        lambda: archspec.build(net, "torch", seed=0),
        training("torch", net, job),
        job,
        dataset,
        normalization,
        CPU,
        False,
    ), batches


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_goes_on_from_a_step_that_was_left_out_as_if_there_had_been_none(name):
    (one, batches), (other, _) = (stepper_of(**RECIPES[name]) for _ in range(2))
    skips = iter([True, False, True, False, False])
    for number in range(3):
        while next(skips):
            one.step(batches.at(7), 0.1, 7, 0.0)
        for stepper in (one, other):
            stepper.step(batches.at(number), 0.1, number, math.inf)
    assert [outcome.updated for outcome in one.drain()] == [False, True, False, True, True]
    assert one.snapshot().files() == other.snapshot().files()


def test_momentum_is_zero_after_a_first_step_in_fp16_that_overflows():
    """PyTorch's fused SGD would leave it as the memory was: `torch.empty_like`, written by no kernel."""
    net, job, dataset, normalization, batches = setting(batch_size=4, precision="fp16")
    given = training("torch", net, job), job, dataset, normalization, CPU, False
    stepper = TorchStepper(lambda: archspec.build(net, "torch"), *given)
    with torch.no_grad():
        stepper.model.fc.weight.fill_(1e5)  # a loss that the scale makes infinite
    before = {name: p.clone() for name, p in stepper.model.named_parameters()}
    stepper.step(batches.at(0), 0.1, 0)
    assert all(torch.equal(p, before[name]) for name, p in stepper.model.named_parameters())
    assert stepper.scaler.get_scale() < 2.0**16
    assert all(not state["momentum_buffer"].any() for state in stepper.optimizer.state.values())


SPLIT = forked(
    """
import dataclasses, math, sys, torch, torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
sys.path[:0] = sys.argv[1:]
from settings_of_runs import setting
from trainers import training
import archspec
from archspec_runtime.recipe.vocabulary import LAMB, AdamW
from archspec_runtime.recipe.vocabulary import Skip
from archspec_runtime.processes.world import World
from archspec_torch.trainer.parallel import ParallelStepper

class Waits(TorchDispatchMode):
    count = 0
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))

dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=8)
for given in ({}, {"bad_loss": Skip()}, {"precision": "fp16"}, {"precision": "fp16", "bad_loss": Skip(), "clip_norm": 1.0}):
    for optimizer in ({}, {"optimizer": AdamW()}, {"optimizer": LAMB()}):
        net, job, dataset, normalization, batches = setting(batch_size=16, **given, **optimizer)
        world = World(1, 8)
        stated = training("torch", net, job), job, dataset, normalization, torch.device("cpu"), False, world
        stepper = ParallelStepper(lambda: archspec.build(net, "torch"), *stated, sharded=True)
        batches.world = world
        limit = math.inf if "bad_loss" in given else None
        for number in range(2):
            batch = next(iter(batches.run(number, number + 1)))
            with Waits() as seen:
                stepper.step(batch, 0.1, number, limit)
        print(type(stepper.optimizer).__name__, *given, seen.count)
""",
    "shard",
)


@pytest.mark.skipif(not hasattr(torch.cpu.Stream, "record_event"), reason="this PyTorch splits on GPUs alone")
def test_steps_of_split_parameters_wait_for_nothing():
    command = [sys.executable, "-W", "error", "-c", SPLIT, *sys.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"SplitSGD", "SplitAdamW", "Lamb"}
    assert [line.split()[-1] for line in lines] == ["0"] * 12, done.stdout
