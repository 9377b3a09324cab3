"""Reductions, powers, and what is made of several inputs."""

from __future__ import annotations

import math

import numpy as np

from reference.rules import rule


def _axes(op, x):
    """The axes that a reduction takes: channels are second here."""
    return (1,) if op.over == "channels" else tuple(range(2, x.ndim))


@rule("mean", "amax", "l2_norm")
def reduction(op, inputs, params):
    (x,) = inputs
    axes = _axes(op, x)
    reduce = {
        "mean": np.mean,
        "amax": np.max,
        "l2_norm": lambda x, a, keepdims: np.sqrt((x * x).sum(a, keepdims=True)),
    }
    y = reduce[op.kind](x, axes, keepdims=True)
    slope = {
        "mean": lambda: 1 / (x.size / y.size),
        "amax": lambda: (x == y) * 1.0,
        "l2_norm": lambda: x / y,
    }[op.kind]()
    keep = op.keep or op.over == "channels" or x.ndim == 2
    given = y if keep else y.reshape(y.shape[:2])
    return given, lambda dy: ([dy.reshape(y.shape) * slope * np.ones_like(x)], {})


@rule("sqrt")
def sqrt(op, inputs, params):
    y = np.sqrt(inputs[0])
    return y, lambda dy: ([dy / (2 * y)], {})


@rule("pow")
def power(op, inputs, params):
    (x,) = inputs
    return x**op.exponent, lambda dy: ([dy * op.exponent * x ** (op.exponent - 1)], {})


@rule("exp")
def exponential(op, inputs, params):
    y = np.exp(inputs[0])
    return y, lambda dy: ([dy * y], {})


@rule("clip")
def clip(op, inputs, params):
    (x,) = inputs
    return np.clip(x, op.min, op.max), lambda dy: ([dy * ((op.min < x) & (x < op.max))], {})


@rule("add")
def add(op, inputs, params):
    return sum(inputs), lambda dy: ([dy for _ in inputs], {})


@rule("mul")
def mul(op, inputs, params):
    y = math.prod(inputs[1:], start=inputs[0])

    def vjp(dy):
        others = [
            math.prod((o for j, o in enumerate(inputs) if j != i), start=np.ones(())) for i in range(len(inputs))
        ]
        return [dy * other for other in others], {}

    return y, vjp


@rule("sub")
def sub(op, inputs, params):
    a, b = inputs
    return a - b, lambda dy: ([dy, -dy], {})


@rule("div")
def div(op, inputs, params):
    a, b = inputs
    return a / b, lambda dy: ([dy / b, -dy * a / b**2], {})


@rule("concat")
def concat(op, inputs, params):
    axis = 1 if op.over == "channels" else 2  # of tokens, the channels come first here
    samples = max(map(len, inputs))
    inputs = [np.broadcast_to(x, (samples, *x.shape[1:])) for x in inputs]
    edges = np.cumsum([x.shape[axis] for x in inputs])[:-1]
    return np.concatenate(inputs, axis), lambda dy: (np.split(dy, edges, axis), {})
