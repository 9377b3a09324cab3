"""A run of another length than its schedule: said before it begins, and scaled where that is asked for."""

import json
import re

import pytest

from archspec_runtime.errors import RunError
from archspec_runtime.recipe.augmentations import Mix
from archspec_runtime.recipe.images import Data, Epoch, Size, Step
from archspec_runtime.recipe.recipe import Phase, Recipe
from archspec_runtime.recipe.vocabulary import EMA, Measured, Plateau
from archspec_runtime.schedule.scaling import mismatches, scaled
from runs import same, weights

NET = """archspec: 1
name: net
input: {channels: 1, size: 8}
classes: 10
head: [global_avg_pool, {fc: {linear: {out: classes}}}]
train:
  data: {dataset: digits}
  batch_size: 64
  steps: 120
  lr:
    - {linear: {from: 0, to: 0.1}, until: step 10}
    - {value: 0.1, until: step 60}
    - {cosine: {from: 0.1, to: 0}}
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.yaml").write_text(NET)
    return "net.yaml"


@pytest.fixture(params=["torch", "flax"])
def backend(request):
    pytest.importorskip(request.param)
    return request.param


def test_phases_that_never_begin_are_said_before_the_run(cli, net, backend):
    words = ("train", net, "--backend", backend, "--steps", 12, "--device", "cpu", "--out", "run")
    says = (
        "warning: the run ends at step 12, before phase 2 of lr does (step 60): phase 3 never begins; "
        "--scale-schedule fits the schedule to the steps\n"
    )
    assert cli(*words, "--dry-run").stderr == says
    run = cli(*words)
    assert run.exit_code == 0, run.output
    assert run.stderr.count("warning: ") == 1
    assert says in run.stderr
    assert run.stderr.index("never begins") < run.stderr.index("12 steps")


def test_a_scaled_run_records_the_schedule_that_it_ran(cli, net, backend, tmp_path):
    averages = ("--set", "train.ema={decay: 0.9, after: step 60}")
    words = ("train", net, "--backend", backend, *averages, "--steps", 12, "--device", "cpu", "--out", "run")
    scaled_ = cli(*words, "--scale-schedule")
    assert scaled_.exit_code == 0, scaled_.output
    assert "warning" not in scaled_.stderr
    assert re.search(r"step 1: a phase of lr ends \(step 1\); lr is now 0.1$", scaled_.stderr, re.MULTILINE)
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())["job"]["recipe"]
    assert [phase["until"] for phase in recipe["lr"]] == [
        [{"kind": "step", "step": 1}], [{"kind": "step", "step": 6}], []
    ]  # fmt: skip
    assert recipe["steps"] == 12
    assert recipe["ema"]["after"] == {"kind": "step", "step": 6}
    assert "if at.done <= 6:" in (tmp_path / "run" / "code" / "train.py").read_text()
    assert not same(weights(tmp_path / "run"), weights(tmp_path / "run", "average"))
    dry = cli("train", net, "--steps", 12, "--scale-schedule", "--dry-run", "--out", "other")
    assert re.search(r"^  2 +0.1 +step 6$", dry.stdout, re.MULTILINE)
    again = cli(*words, "--scale-schedule", "--resume")
    assert (again.exit_code, again.stdout) == (0, "this run ended at step 12; nothing is left to do\n")
    other = cli(*words, "--resume")
    assert other.exit_code == 1
    assert "lr" in other.stderr


def test_a_sweep_scales_the_schedules_of_its_runs(cli, net, tmp_path):
    pytest.importorskip("torch")
    words = ("sweep", net, "--over", "train.batch_size=32,64", "--steps", 4, "--device", "cpu", "--threads", 1)
    assert cli(*words, "--scale-schedule", "--out", "out").exit_code == 0
    for size in (32, 64):
        run = json.loads((tmp_path / "out" / f"train.batch_size={size},seed=0" / "run.json").read_text())
        assert run["job"]["recipe"]["lr"][1]["until"] == [{"kind": "step", "step": 2}]
    assert cli(*words, "--scale-schedule", "--out", "out").stderr.count("is kept") == 2
    assert "made otherwise" in cli(*words, "--out", "out").stderr


def test_everything_that_happens_at_a_step_or_an_epoch_is_scaled():
    recipe = Recipe(
        epochs=100, batch_size=10, ema=EMA(0.9, after=Epoch(10)),
        lr=(Phase(0.0, (Epoch(5), Measured("train_error", "<", 80.0)), 1.0, "linear"), Phase(1.0, (Plateau(3),)),
            Phase(0.1, (Step(800),)), Phase(0.0)),
        data=Data(size=(Size(8, Epoch(50)), Size(16)), mix=Mix(mixup=0.2, until=Epoch(90))),
    )  # fmt: skip
    half = scaled(recipe, 500, per_epoch=10)
    assert (half.steps, half.epochs) == (500, None)
    assert [phase.until for phase in half.lr] == [
        (Step(25), Measured("train_error", "<", 80.0)), (Plateau(3),), (Step(400),), ()
    ]  # fmt: skip
    assert half.data.size == (Size(8, Step(250)), Size(16))
    assert half.data.mix == Mix(mixup=0.2, until=Step(450))
    assert half.ema == EMA(0.9, after=Step(50))
    assert scaled(recipe, 2_000, per_epoch=10).lr[2].until == (Step(1_600),)
    assert all(c.step == 1 for phase in scaled(recipe, 1, 10).lr for c in phase.until if isinstance(c, Step))
    with pytest.raises(RunError, match="how many steps one has is not known"):
        scaled(recipe, 500, per_epoch=None)


@pytest.mark.parametrize(
    ("recipe", "total", "says"),
    [
        ({"lr": (Phase(1, (Step(9),)), Phase(2, (Step(12),)), Phase(3))}, 9,
         ["before phase 1 of lr does (step 9): phases 2 and 3 never begin"]),
        ({"lr": (Phase(1, (Step(9), Plateau(2))), Phase(2))}, 5, []),
        ({"lr": (Phase(1, (Epoch(2),)), Phase(2))}, 5, ["before phase 1 of lr does (epoch 2): phase 2 never begins"]),
        ({"lr": (Phase(1, (Step(8),), 0.5, "cosine"),)}, 5, ["before lr has come to 0.5 (step 8)"]),
        ({"lr": (Phase(1, (Step(3),), 0.0, "cosine"),)}, 5,
         ["the last phase of lr ends at step 3 of 5; its rate stays 0 to the end of the run"]),
        ({"data": Data(size=(Size(8, Epoch(4)), Size(16)))}, 5, ["before images of 16 pixels begin (epoch 4)"]),
        ({"data": Data(mix=Mix(mixup=1.0, until=Step(7)))}, 5, ["before mixing does (step 7)"]),
        ({"ema": EMA(0.9, after=Step(7))}, 5, ["before the EMA begins (step 7)"]),
        ({"lr": (Phase(1, (Step(5),)),)}, 5, []),
    ],
)  # fmt: skip
def test_what_a_run_does_not_come_to_is_named(recipe, total, says):
    found = list(mismatches(Recipe(steps=total, **recipe), total, per_epoch=4))
    assert len(found) == len(says)
    for line, part in zip(found, says, strict=True):
        assert part in line
