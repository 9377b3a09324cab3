"""Images as tokens and back, and the ways in which tokens are moved."""

from __future__ import annotations

import numpy as np

from reference.resizing import gathered, places_of
from reference.rules import rule


@rule("parameter")
def parameter(op, inputs, params):
    w = params[""]
    axis = () if op.batch else (1,)
    return w.reshape(*axis, *w.shape), lambda dy: ([], {"": dy.reshape(w.shape)})


MOVES = {
    "tokens": lambda x, op: x.reshape(len(x), -1).T.reshape(-1, len(x)),
    "image": lambda x, op: x.T.reshape(-1, *op.size),
    "channels_last": lambda x, op: np.moveaxis(x, 0, -1),
    "channels_first": lambda x, op: np.moveaxis(x, -1, 0),
    "transpose": lambda x, op: x.T,
    "select": lambda x, op: x[op.index],
    "roll": lambda x, op: np.roll(x, op.shift, (0, 1)),
    "interleave": lambda x, op: np.take(
        np.take(x, _turns(len(x), op.groups[0]), 0), _turns(x.shape[1], op.groups[1]), 1
    ),
    "windows": lambda x, op: cut_apart(x, op.size),
    "merge_patches": lambda x, op: np.concatenate([x[i::2, j::2] for j in (0, 1) for i in (0, 1)], -1),
}


def _turns(length, groups):
    """The first of each group, then the second of each, and so on."""
    return [g * (length // groups) + i for i in range(length // groups) for g in range(groups)]


def cut_apart(x, size):
    (h, w), (high, wide) = x.shape[:2], size
    return x.reshape(h // high, high, w // wide, wide, -1).swapaxes(1, 2).reshape(-1, high * wide, x.shape[-1])


@rule(*MOVES)
def moved(op, inputs, params):
    (x,) = inputs
    index = MOVES[op.kind](places_of(x), op)
    return gathered(x, index, index.shape)


@rule("unwindow")
def unwindow(op, inputs, params):
    x, like = inputs
    grid = np.arange(x[0].size).reshape(*like.shape[1:3], -1)
    back = cut_apart(grid, op.size).reshape(-1)
    index = np.empty_like(back)
    index[back] = np.arange(back.size)
    y, vjp = gathered(x, index, grid.shape)
    return y, lambda dy: ([*vjp(dy)[0], np.zeros_like(like)], {})
