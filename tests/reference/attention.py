"""Attention, and the biases and masks that windows of it take."""

from __future__ import annotations

import numpy as np

from reference.rules import rule
from reference.tokens import cut_apart


@rule("attention")
def attention(op, inputs, params):
    q, k, v, *more = inputs

    def split(x):
        return x.reshape(*x.shape[:-1], op.heads, -1).swapaxes(-3, -2)

    def joined(x):
        x = x.swapaxes(-3, -2)
        return x.reshape(*x.shape[:-2], -1)

    qs, ks, vs = map(split, (q, k, v))
    scale = qs.shape[-1] ** -0.5
    scores = qs @ ks.swapaxes(-1, -2) * scale
    if more:
        scores = scores + more[0]
    if len(more) > 1:
        scores = scores + more[1][:, :, None]
    e = np.exp(scores - scores.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)

    def vjp(dy):
        dys = split(dy)
        dp = dys @ vs.swapaxes(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        grads = [
            joined(ds @ ks * scale),
            joined(ds.swapaxes(-1, -2) @ qs * scale),
            joined(p.swapaxes(-1, -2) @ dys),
        ]
        if more:
            grads.append(ds.reshape(-1, *more[0].shape[-3:]).sum(0)[None])
        if len(more) > 1:
            grads.append(ds.sum((0, 2))[None])
        return grads, {}

    return joined(p @ vs), vjp


@rule("cosine_attention")
def cosine_attention(op, inputs, params):
    q, k, v, scale, *more = inputs

    def split(x):
        return x.reshape(*x.shape[:-1], op.heads, -1).swapaxes(-3, -2)

    def joined(x):
        x = x.swapaxes(-3, -2)
        return x.reshape(*x.shape[:-2], -1)

    qs, ks, vs = map(split, (q, k, v))
    lengths = [np.sqrt((x * x).sum(-1, keepdims=True)) for x in (qs, ks)]
    qn, kn = (x / length for x, length in zip((qs, ks), lengths, strict=True))
    cosines = qn @ kn.swapaxes(-1, -2)
    scores = cosines * scale
    if more:
        scores = scores + more[0]
    if len(more) > 1:
        scores = scores + more[1][:, :, None]
    e = np.exp(scores - scores.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)

    def turned(d, direction, length):
        """The gradient of a vector from that of its direction."""
        return (d - direction * (d * direction).sum(-1, keepdims=True)) / length

    def vjp(dy):
        dys = split(dy)
        dp = dys @ vs.swapaxes(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dc = ds * scale
        grads = [
            joined(turned(dc @ kn, qn, lengths[0])),
            joined(turned(dc.swapaxes(-1, -2) @ qn, kn, lengths[1])),
            joined(p.swapaxes(-1, -2) @ dys),
            (ds * cosines).reshape(-1, *ds.shape[-3:]).sum((0, -1, -2)).reshape(scale.shape),
        ]
        if more:
            grads.append(ds.reshape(-1, *more[0].shape[-3:]).sum(0)[None])
        if len(more) > 1:
            grads.append(ds.sum((0, 2))[None])
        return grads, {}

    return joined(p @ vs), vjp


def coordinates(op):
    """The distances of places in a window, on a logarithmic scale."""
    high, wide = op.size
    places = np.array([[(8 * i / (high - 1), 8 * j / (wide - 1)) for j in range(1 - wide, wide)]
                       for i in range(1 - high, high)])  # fmt: skip
    return (np.sign(places) * np.log2(np.abs(places) + 1) / 3)[None]


@rule("relative_coordinates")
def relative_coordinates(op, inputs, params):
    return coordinates(op), lambda dy: ([], {})


def position_index(op):
    """The row of the table that each pair of places takes."""
    high, wide = op.size
    places = [(i, j) for i in range(high) for j in range(wide)]
    return np.array(
        [[(a - c + high - 1) * (2 * wide - 1) + b - d + wide - 1 for c, d in places] for a, b in places]
    )


@rule("relative_position_bias")
def relative_position_bias(op, inputs, params):
    (whole,), index = inputs, position_index(op)
    table = whole.reshape(len(whole), -1, whole.shape[-1])

    def vjp(dy):
        dx = np.zeros_like(table)
        np.add.at(dx, (slice(None), index), np.moveaxis(dy.reshape(1, *dy.shape[-3:]), 1, -1))
        return [dx.reshape(whole.shape)], {}

    return np.moveaxis(table[:, index], -1, 1), vjp


@rule("attention_bias")
def attention_bias(op, inputs, params):
    (table,), (_, wide) = inputs, op.size
    places = list(np.ndindex(*op.size))
    queries = [(a, b) for a, b in places if a % op.stride == 0 and b % op.stride == 0]
    index = np.array([[abs(a - c) * wide + abs(b - d) for c, d in places] for a, b in queries])

    def vjp(dy):
        dx = np.zeros_like(table)
        np.add.at(dx, (slice(None), slice(None), index), dy.reshape(1, *dy.shape[-3:]))
        return [dx], {}

    return table[:, :, index], vjp


@rule("shift_mask")
def shift_mask(op, inputs, params):
    (x,) = inputs
    regions = []
    for n, size, shift in zip(x.shape[1:3], op.size, op.shift, strict=True):
        places = np.arange(n)
        regions.append((places >= n - size).astype(int) + ((places >= n - shift) & (shift > 0)))
    cut = cut_apart(3 * regions[0][:, None, None] + regions[1][None, :, None], op.size)[..., 0]
    mask = np.where(cut[:, :, None] == cut[:, None, :], 0.0, -100.0)[None]
    return mask, lambda dy: ([np.zeros_like(x)], {})
