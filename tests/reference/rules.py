"""How a rule says which operations it is of, and how one is applied to images or tokens."""

from __future__ import annotations

import numpy as np

from archspec.ops import Op, Tokens

RULES = {}


def rule(*kinds):
    def register(function):
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


def apply(op: Op, inputs, params, shapes=()):
    """Tokens have their channels last: operations on channels take them as if these were second."""
    if op.kind in OF_TOKENS or not any(isinstance(shape, Tokens) for shape in shapes):
        return RULES[op.kind](op, inputs, params)
    y, vjp = RULES[op.kind](op, [np.moveaxis(x, -1, 1) for x in inputs], params)

    def back(dy):
        dxs, dparams = vjp(np.moveaxis(dy, -1, 1) if y.ndim > 2 else dy)
        return [np.moveaxis(dx, 1, -1) for dx in dxs], dparams

    return (np.moveaxis(y, 1, -1) if y.ndim > 2 else y), back


OF_TOKENS = frozenset(
    {"flatten"}
    | {
        "linear",
        "apply_linear",
        "parameter",
        "tokens",
        "image",
        "channels_last",
        "channels_first",
        "transpose",
        "select",
    }
    | {
        "roll",
        "interleave",
        "merge_patches",
        "windows",
        "unwindow",
        "attention",
        "cosine_attention",
        "relative_position_bias",
        "attention_bias",
        "relative_coordinates",
        "shift_mask",
    }
)
