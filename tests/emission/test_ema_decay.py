"""`ema_decay` of a `train.py` keeps as much of the averaged weights as the EMA of a job does, to the last bit."""

from itertools import product

import pytest

from archspec.emission.recipe_words import ema_lines
from archspec_runtime.recipe.images import Epoch, Step
from archspec_runtime.recipe.vocabulary import EMA
from archspec_runtime.schedule.averaging import kept
from archspec_runtime.schedule.moment import Moment

AVERAGES = [
    EMA(0.999, every, after, power)
    for every, after, power in product((1, 2, 5), (None, Step(7), Epoch(2)), (None, 0.67, 1.0))
]


def function(average):
    text = "def ema_decay(at):\n" + "".join(f"    {line}\n" for line in ema_lines(average))
    made = {}
    exec(text, made)
    return made["ema_decay"]


@pytest.mark.parametrize("average", AVERAGES, ids=str)
def test_the_function_gives_the_numbers_of_the_job(average):
    found = function(average)
    for done in range(1, 60):
        assert found(Moment(done, 10)) == kept(average, done, 10), done
    assert {kept(average, done, 10) for done in range(1, 60)} - {0.0, 1.0}


def test_a_plain_average_is_one_line():
    assert ema_lines(EMA(0.999)) == ["return 0.999"]
    assert ema_lines(EMA(0.9, after=Step(1000))) == [
        "if at.done <= 1_000:  # until then they are the weights themselves",
        "    return 0.0",
        "return 0.9",
    ]
