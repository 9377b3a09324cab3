"""Operations that do not suit their input or their arguments: the code, the place, and what to do about it."""

import pytest

from archspec.ops import Image, Tokens, Vector, typed
from mistaken import marked

SPEC = """\
archspec: 1
name: net
input: {{channels: 6, size: [8, 4]}}
classes: 4
stem:
  - x: tanh
  - v: {{global_avg_pool: {{}}, from: x}}
  - k: {{global_avg_pool: {{keep: true}}, from: x}}
  - {step}
head: [{{global_avg_pool: {{}}, from: x}}, {{fc: {{linear: {{out: classes}}}}}}]
"""

MISTAKES = {
    "{channel_shuffle: {groups: 4}, from: x}": ("AS403", "4", "6 channels do not split into 4 groups"),
    "{channel_shuffle: {}, from: x}": ("AS304", "channel_shuffle", "needs `groups`"),
    "{slice: {stop: 7}, from: x}": ("AS403", "7", "its input 6x8x4 has 6"),
    "{slice: {start: 3, stop: 3}, from: x}": ("AS403", "3", "takes no channel"),
    "{slice: {start: 6}, from: v}": ("AS403", "6", "takes no channel"),
    "{slice: {start: -1}, from: x}": ("AS104", "-1", "must be from 0"),
    "{adaptive_avg_pool: {size: 0}, from: x}": ("AS104", "0", "must be from 1"),
    "{adaptive_max_pool: {size: 2}, from: v}": ("AS404", "adaptive_max_pool", "needs an image"),
    "{pad: {left: 4, mode: reflect}, from: x}": ("AS402", "4", "mirrors 4 pixels"),
    "{pad: {left: 1, mode: mirror}, from: x}": ("AS103", "mirror", "`reflect`"),
    "{pad: {left: 1}, from: v}": ("AS404", "pad", "needs an image"),
    "{sub: {}, from: [x, v]}": ("AS401", "sub", "needs equal shapes"),
    "{sub: {}, from: x}": ("AS307", "sub", "at least 2"),
    "{div: {}, from: [x, k, x]}": ("AS307", "div", "at most 2"),
    "{leaky_relu: {slope: .inf}, from: x}": ("AS104", ".inf", "finite"),
    "{prelu: {shared: yes}, from: x}": ("AS202", "yes", "true"),
}


@pytest.mark.parametrize("step", MISTAKES)
def test_what_does_not_suit_is_marked_with_a_remedy(mistakes, step):
    code, place, told = MISTAKES[step]
    (found,) = mistakes(SPEC.format(step=step))
    assert (found.code, marked(found)) == (code, place), found
    assert told in f"{found.message} {found.help}", found
    assert found.help


def test_values_of_two_kinds_are_never_of_one_type():
    assert Image((4, 4, 4)) != Tokens((4, 4, 4))
    assert Image((4, 4, 4)) == (4, 4, 4) == Tokens((4, 4, 4))
    assert [typed(shape).channels for shape in ((3, 8, 9), Tokens((7, 7, 96)), (16, 64), (10,))] == [3, 96, 64, 10]
    assert [type(typed(shape)) for shape in ((3, 8, 9), (16, 64), (10,))] == [Image, Tokens, Vector]
