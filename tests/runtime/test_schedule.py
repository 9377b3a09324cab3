"""The learning rate of each step, and how a schedule goes on after a resume."""

import json

import numpy as np
import pytest

import archspec
from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.recipe import Phase, Recipe
from archspec_runtime.recipe.vocabulary import Measured, Plateau
from archspec_runtime.schedule.phases import Schedule


def rates(schedule, steps, per_epoch=5, error=lambda epoch: 50.0, measured=lambda step: {}):
    """The rate of each step, as the loop drives a schedule."""
    found = []
    for done in range(1, steps + 1):
        found.append(schedule.lr(done - 1))
        schedule.after_step(done, measured(done))
        if done % per_epoch == 0:
            schedule.after_evaluation(done, error(done // per_epoch))
    return found


@pytest.mark.parametrize(
    ("until", "error", "measured", "ends_after"),
    [
        ((Step(7),), None, None, 7),
        ((Epoch(2),), None, None, 10),
        ((Step(13), Epoch(2)), None, None, 10),
        ((Plateau(2),), lambda epoch: [60, 50, 40, 41, 40][min(epoch, 5) - 1], None, 25),
        ((Plateau(2), Step(12)), lambda epoch: 50.0, None, 12),
        ((Measured("train_error", "<", 80.0),), None, lambda step: {"train_error": 101.0 - 3 * step}, 8),
        ((Measured("train_loss", ">", 2.0),), None, lambda step: {"train_loss": step / 4}, 9),
        ((Measured("val_error", "<", 20.0), Step(6)), None, lambda step: {"train_error": 1.0}, 6),
    ],
    ids=["step", "epoch", "epoch first", "plateau", "step first", "below", "above", "other metric"],
)
def test_a_phase_ends_on_the_first_of_its_conditions(until, error, measured, ends_after):
    schedule = Schedule((Phase(0.1, until), Phase(0.01)), 30, 5)
    found = rates(schedule, 30, error=error or (lambda e: 50.0), measured=measured or (lambda s: {}))
    assert found == [0.1] * ends_after + [0.01] * (30 - ends_after)


def test_resnet110_warms_up_until_its_training_error_is_below_80_percent():
    recipe = Recipe.from_dict(archspec.load("cifar_resnet:resnet110").recipe)
    for error, end in [(lambda step: 80.0 if step < 400 else 79.99, 400), (lambda step: 80.0, 4000)]:
        schedule = Schedule(recipe.lr, 64_000, 351)
        found = rates(schedule, 64_000, 351, measured=lambda step, error=error: {"train_error": error(step)})
        changes = [i for i in range(1, 64_000) if found[i] != found[i - 1]]
        assert changes == [end, 32_000, 48_000]
        assert [found[0], *(found[i] for i in changes)] == [0.01, 0.1, 0.01, 0.001]


def test_moving_rates_begin_and_end_where_they_say():
    warm = Phase(0.0, (Step(10),), end=1.0, shape="linear")
    found = rates(Schedule((warm, Phase(1.0, end=0.0, shape="cosine")), 30, 5), 30)
    np.testing.assert_allclose(found[:11], np.arange(11) / 10)
    np.testing.assert_allclose(found[10:], (1 + np.cos(np.pi * np.arange(20) / 20)) / 2, atol=1e-12)


@pytest.mark.parametrize("cut", [3, 10, 15, 20, 29])
def test_a_schedule_goes_on_after_a_resume_as_if_nothing_had_happened(cut):
    phases = (
        Phase(0.1, (Plateau(2),)),
        Phase(0.05, (Step(21),), end=0.01, shape="linear"),
        Phase(0.001, (Measured("train_error", "<", 30.0),)),
        Phase(0.0001),
    )
    errors = [50, 40, 45, 46, 20, 20, 20, 20]
    measured = [{"train_error": 100.0 - 3 * step} for step in range(41)]
    whole, before, after = (Schedule(phases, 40, 5) for _ in range(3))
    expected = rates(whole, 40, error=lambda e: errors[e - 1], measured=lambda s: measured[s])
    assert len(set(expected)) > 3
    head = rates(before, cut, error=lambda e: errors[e - 1], measured=lambda s: measured[s])
    after.restore(json.loads(json.dumps(before.state())))
    tail = []
    for done in range(cut + 1, 41):
        tail.append(after.lr(done - 1))
        after.after_step(done, measured[done])
        if done % 5 == 0:
            after.after_evaluation(done, errors[done // 5 - 1])
    assert head + tail == expected
    assert after.state() == whole.state()


def test_a_plateau_is_of_the_error_that_it_names():
    phases = [Phase(0.1, (Plateau(2),)), Phase(0.01, (Plateau(2, "test_error"), Step(99))), Phase(0.001)]
    schedule = Schedule(phases, 100, 5)
    assert schedule.plateau_of == "val_error"
    schedule.phase = 1
    assert schedule.plateau_of == "test_error"
    schedule.phase = 2
    assert schedule.plateau_of == "val_error"


def test_a_plateau_is_waited_for_in_epochs_however_often_is_evaluated():
    schedule = Schedule((Phase(1.0, until=(Plateau(1),)), Phase(0.1)), 1000, 30)
    assert schedule.after_evaluation(3, 50.0, 0.1) is None
    assert [step for step in range(6, 60, 3) if schedule.after_evaluation(step, 50.0, 0.1)] == [33]
