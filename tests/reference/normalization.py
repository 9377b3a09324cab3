"""Normalization by the statistics of a batch, of groups and of single samples, as in training."""

from __future__ import annotations

import numpy as np

from reference.rules import rule


def normalized(x, axes, eps):
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scale = 1 / np.sqrt(var + eps)
    z = (x - mean) * scale

    def vjp(dz):
        return scale * (dz - dz.mean(axes, keepdims=True) - z * (dz * z).mean(axes, keepdims=True))

    return z, vjp


def scaled_and_shifted(op, z, back, params, reshape=lambda a: a):
    if not op.affine:
        return reshape(z), lambda dy: ([back(dy)], {})
    z = reshape(z)
    shape = (1, -1) + (1,) * (z.ndim - 2)
    others = tuple(i for i in range(z.ndim) if i != 1)
    gamma = params["weight"].reshape(shape)

    def vjp(dy):
        return [back(dy * gamma)], {"weight": (dy * z).sum(others), "bias": dy.sum(others)}

    return z * gamma + params["bias"].reshape(shape), vjp


@rule("batch_norm")
def batch_norm(op, inputs, params):
    return scaled_and_shifted(op, *normalized(inputs[0], (0, 2, 3)[: inputs[0].ndim - 1], op.eps), params)


@rule("layer_norm")
def layer_norm(op, inputs, params):
    return scaled_and_shifted(op, *normalized(inputs[0], (1,), op.eps), params)


@rule("group_norm")
def group_norm(op, inputs, params):
    x = inputs[0]
    grouped = x.reshape(x.shape[0], op.groups, -1)
    z, back = normalized(grouped, (2,), op.eps)
    return scaled_and_shifted(
        op, z, lambda dz: back(dz.reshape(grouped.shape)).reshape(x.shape), params, lambda a: a.reshape(x.shape)
    )


@rule("instance_norm")
def instance_norm(op, inputs, params):
    return scaled_and_shifted(op, *normalized(inputs[0], (2, 3), op.eps), params)


@rule("global_response_norm")
def global_response_norm(op, inputs, params):
    (x,) = inputs
    pixels, ones = tuple(range(2, x.ndim)), (1,) * (x.ndim - 2)
    w, b = (params[name].reshape((1, -1, *ones)) for name in ("weight", "bias"))
    length = np.sqrt((x * x).sum(pixels, keepdims=True))
    below = length.mean(1, keepdims=True) + op.eps
    share = length / below

    def vjp(dy):
        dshare = (dy * x * w).sum(pixels, keepdims=True)
        dlength = dshare / below - (dshare * length / below**2).mean(1, keepdims=True)
        others = (0, *pixels)
        dparams = {"weight": (dy * x * share).sum(others), "bias": dy.sum(others)}
        return [dy * (1 + share * w) + dlength * x / length], dparams

    return x + x * share * w + b, vjp


@rule("rms_norm")
def rms_norm(op, inputs, params):
    (x,) = inputs
    scale = 1 / np.sqrt((x * x).mean(1, keepdims=True) + op.eps)
    z = x * scale
    w = params["weight"].reshape((1, -1) + (1,) * (x.ndim - 2)) if op.affine else 1.0
    others = tuple(i for i in range(x.ndim) if i != 1)

    def vjp(dy):
        dz = dy * w
        dx = scale * (dz - z * (dz * z).mean(1, keepdims=True))
        return [dx], {"weight": (dy * z).sum(others)} if op.affine else {}

    return z * w, vjp
