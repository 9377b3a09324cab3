"""What is done to each number by itself, softmax, and what scales and shifts channels."""

from __future__ import annotations

import math

import numpy as np

from reference.rules import rule

_erf = np.vectorize(math.erf)


def _sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2  # exp(-x) would overflow


POINTWISE = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)) * 1.0),
    "gelu": (
        lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
        lambda x: 0.5 * (1 + _erf(x / math.sqrt(2))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    ),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
    "hard_sigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, lambda x: ((x > -3) & (x < 3)) / 6),
    "hard_swish": (
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.clip(x + 3, 0, 6) / 6 + x * ((x > -3) & (x < 3)) / 6,
    ),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "mish": (
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        lambda x: np.tanh(np.logaddexp(0, x)) + x * _sigmoid(x) / np.cosh(np.logaddexp(0, x)) ** 2,
    ),
    "softplus": (lambda x: np.logaddexp(0, x), _sigmoid),
    "identity": (lambda x: x, np.ones_like),
}


@rule(*POINTWISE)
def pointwise(op, inputs, params):
    forward, slope = POINTWISE[op.kind]
    return forward(inputs[0]), lambda dy: ([dy * slope(inputs[0])], {})


@rule("leaky_relu")
def leaky_relu(op, inputs, params):
    (x,) = inputs
    slope = np.where(x > 0, 1, op.slope)
    return x * slope, lambda dy: ([dy * slope], {})


@rule("prelu")
def prelu(op, inputs, params):
    (x,) = inputs
    w = params["weight"].reshape((1, -1) + (1,) * (x.ndim - 2))
    axes = tuple(i for i in range(x.ndim) if i != 1 or op.shared)

    def vjp(dy):
        return [dy * np.where(x > 0, 1, w)], {"weight": (dy * np.minimum(x, 0)).sum(axes).reshape(-1)}

    return np.where(x > 0, x, x * w), vjp


@rule("elu")
def elu(op, inputs, params):
    (x,) = inputs
    low = op.alpha * np.expm1(np.minimum(x, 0))
    return np.where(x > 0, x, low), lambda dy: ([dy * np.where(x > 0, 1, low + op.alpha)], {})


@rule("softmax")
def softmax(op, inputs, params):
    (x,) = inputs
    e = np.exp(x - x.max(1, keepdims=True))
    y = e / e.sum(1, keepdims=True)
    return y, lambda dy: ([y * (dy - (dy * y).sum(1, keepdims=True))], {})


@rule("dropout", "drop_path")
def dropped(op, inputs, params):
    assert op.rate == 0, "what is dropped at random has no reference; the tests count it instead"
    return inputs[0], lambda dy: ([dy], {})


@rule("scale")
def scale(op, inputs, params):
    (x,) = inputs
    if not op.learned:
        return x * op.value, lambda dy: ([dy * op.value], {})
    w = params["weight"].reshape((1, -1) + (1,) * (x.ndim - 2))
    others = tuple(i for i in range(x.ndim) if i != 1 or op.shared)
    return x * w, lambda dy: ([dy * w], {"weight": (dy * x).sum(others).reshape(-1)})


@rule("shift")
def shift(op, inputs, params):
    (x,) = inputs
    others = tuple(i for i in range(x.ndim) if i != 1 or op.shared)
    b = params["bias"].reshape((1, -1) + (1,) * (x.ndim - 2))
    return x + b, lambda dy: ([dy], {"bias": dy.sum(others).reshape(-1)})
