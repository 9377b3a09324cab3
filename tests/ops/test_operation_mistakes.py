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
  - t: {{tokens: {{}}, from: x}}
  - g: {{channels_last: {{}}, from: x}}
  - w: {{windows: {{size: 4}}, from: g}}
  - p: {{parameter: {{shape: [2, 5]}}}}
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
    "{slice: {stop: 4, groups: 2}, from: x}": ("AS403", "4", "a group of its input 6x8x4 has 3"),
    "{slice: {stop: 1, groups: 4}, from: x}": ("AS403", "4", "6 channels"),
    "{slice: {start: 1, over: places}, from: x}": ("AS404", "places", "needs tokens"),
    "{slice: {stop: 33, over: places}, from: t}": ("AS403", "slice", "its input 32x6 has 32"),
    "{slice: {stop: 1, groups: 2, over: places}, from: t}": ("AS104", "2", "groups are of channels"),
    "{adaptive_avg_pool: {size: 0}, from: x}": ("AS104", "0", "must be from 1"),
    "{adaptive_max_pool: {size: 2}, from: v}": ("AS404", "adaptive_max_pool", "needs an image"),
    "{pad: {left: 4, mode: reflect}, from: x}": ("AS402", "4", "mirrors 4 pixels"),
    "{pad: {left: 1, mode: edge, value: 2}, from: x}": ("AS104", "2", "takes pixels of the image"),
    "{scale: {shared: true}, from: x}": ("AS104", "true", "a learned number"),
    "{conv: {out: 4, kernel: 1, bias_init: 1}, from: x}": ("AS104", "1", "no bias to start"),
    "{std_conv: {out: 4, kernel: 1, gain_init: 0}, from: x}": ("AS104", "0", "no gain to start"),
    "{q: {parameter: {shape: [6], start: normal, value: 1}}}": ("AS104", "1", "from random numbers"),
    "{q: {parameter: {shape: [6], std: 1}}}": ("AS104", "1", "no standard deviation"),
    "{add: {}, from: [t, p]}": ("AS401", "add", "give `p` the shape of `t`"),
    "{pad: {left: 1, mode: mirror}, from: x}": ("AS103", "mirror", "`reflect`"),
    "{pad: {left: 1}, from: v}": ("AS404", "pad", "needs an image"),
    "{sub: {}, from: [x, v]}": ("AS401", "sub", "needs equal shapes"),
    "{sub: {}, from: x}": ("AS307", "sub", "at least 2"),
    "{div: {}, from: [x, k, x]}": ("AS307", "div", "at most 2"),
    "{leaky_relu: {slope: .inf}, from: x}": ("AS104", ".inf", "finite"),
    "{upsample: {scale: 2}, from: [x, x]}": ("AS307", "2", "take one of the two out"),
    "{upsample: {align_corners: true}, from: x}": ("AS104", "true", "mode: bilinear"),
    "{upsample: {scale: 0}, from: x}": ("AS104", "0", "must be from 1"),
    "{conv_transpose: {out: 4, kernel: 1, padding: 4}, from: x}": ("AS402", "4", "less padding"),
    "{conv_transpose: {out: 4, kernel: 2, output_padding: 1}, from: x}": ("AS104", "1", "not less than the stride"),
    "{std_conv: {out: 4, kernel: 2}, from: x}": ("AS304", "2", "explicit `padding`"),
    "{channel_conv: {kernel: 2}, from: v}": ("AS104", "2", "odd"),
    "{channel_conv: {kernel: 3}, from: x}": ("AS404", "channel_conv", "one pixel"),
    "{blur_pool: {kernel: 9}, from: x}": ("AS104", "9", "must be from 2 to 7"),
    "{mean: {over: rows}, from: x}": ("AS103", "rows", "`pixels`"),
    "{amax: {}, from: v}": ("AS404", "amax", "needs an image or tokens"),
    "{tokens: {}, from: v}": ("AS404", "tokens", "needs an image"),
    "{image: {size: 4}, from: t}": ("AS403", "4", "32 tokens are no image of 4x4"),
    "{image: {size: 4}, from: x}": ("AS404", "image", "put `tokens` before it"),
    "{transpose: {}, from: g}": ("AS404", "transpose", "tokens in a row"),
    "{select: {index: 32}, from: t}": ("AS403", "32", "the last is 31"),
    "{roll: {shift: 1}, from: x}": ("AS404", "roll", "put `channels_last` before it"),
    "{interleave: {groups: 3}, from: g}": ("AS403", "3", "does not split into groups of rows and columns"),
    "{interleave: {groups: 2}, from: x}": ("AS404", "interleave", "put `channels_last` before it"),
    "{interleave: {groups: 0}, from: g}": ("AS104", "0", "at least 1"),
    "{interleave: {}, from: g}": ("AS304", "interleave", "needs `groups`"),
    "{windows: {size: 3}, from: g}": ("AS403", "3", "do not tile a grid of 8x4"),
    "{merge_patches: {}, from: x}": ("AS404", "merge_patches", "put `channels_last` before it"),
    "{unwindow: {size: 2}, from: [w, g]}": ("AS403", "2", "in windows of 2x2"),
    "{linear: {out: 4}, from: x}": ("AS404", "linear", "a vector or tokens"),
    "{conv: {out: 4, kernel: 1}, from: t}": ("AS404", "conv", "needs an image"),
    "{attention: {heads: 4}, from: [t, t, t]}": ("AS403", "4", "6 channels do not split into 4 heads"),
    "{attention: {heads: 2}, from: [t, t]}": ("AS307", "attention", "at least 3"),
    "{attention: {heads: 2}, from: [x, x, x]}": ("AS404", "attention", "put `tokens` before"),
    "{attention: {heads: 2}, from: [t, t, t, p]}": ("AS401", "attention", "2x32x32"),
    "{parameter: {shape: []}}": ("AS103", "[]", "[1, 1, width]"),
    "{parameter: {shape: [2, 6], batch: true}}": ("AS403", "[2, 6]", "a 1 before them"),
    "{parameter: {shape: [6]}, from: x}": ("AS307", "parameter", "take its `from` out"),
    "{layer_norm: {}, from: p}": ("AS404", "layer_norm", "the same for every sample"),
    "{prelu: {shared: true}, from: p}": ("AS404", "prelu", "the same for every sample"),
    "{add: {}, from: [p, p]}": ("AS404", "add", "the same for every sample"),
    "{apply_linear: {}, from: [v, p]}": ("AS401", "apply_linear", "[out, 6]"),
    "{linear: {out: 4, unbiased: [2, 5]}, from: t}": ("AS104", "[2, 5]", "no range of the 4 outputs"),
    "{clip: {min: 1, max: 0}, from: x}": ("AS104", "0", "`min` is 1 and `max` 0"),
    "{center_crop: {}, from: [k, x]}": ("AS401", "center_crop", "the larger image first"),
    "{cosine_attention: {heads: 2}, from: [t, t, t, p]}": ("AS401", "cosine_attention", "[2, 1, 1]"),
    "{global_response_norm: {}, from: v}": ("AS404", "global_response_norm", "an image or tokens"),
    "{attention_bias: {size: 2}, from: p}": ("AS401", "attention_bias", "a table of 4 columns"),
    "{relative_position_bias: {size: 2}, from: p}": ("AS401", "relative_position_bias", "a table of 9 rows"),
    "{concat: {over: places}, from: [x, x]}": ("AS404", "concat", "put `tokens` before it"),
    "{prelu: {}, from: t}": ("AS404", "prelu", "`shared: true`"),
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
