"""Pooling over windows and over whole images."""

from __future__ import annotations

import numpy as np

from reference.convolutions import cropped, padded_for, scattered, windows_of
from reference.rules import rule


@rule("max_pool")
def max_pool(op, inputs, params):
    (x,) = inputs
    size = op.output_shape(x.shape[1:])[1:]
    padded = padded_for(x, op, size, (1, 1), -np.inf)
    windows = windows_of(padded, op.kernel, op.stride, (1, 1), size)
    flat = windows.reshape(*windows.shape[:4], -1)
    first = flat.argmax(-1)

    def vjp(dy):
        dwin = np.zeros(flat.shape)
        np.put_along_axis(dwin, first[..., None], dy[..., None], -1)
        return [cropped(scattered(dwin.reshape(windows.shape), padded.shape, op.stride, (1, 1)), op, x.shape)], {}

    return flat.max(-1), vjp


@rule("avg_pool")
def avg_pool(op, inputs, params):
    (x,) = inputs
    size = op.output_shape(x.shape[1:])[1:]
    padded = padded_for(x, op, size, (1, 1))
    windows = windows_of(padded, op.kernel, op.stride, (1, 1), size)
    ones = np.ones((1, 1, *x.shape[2:]))
    if op.count_padding:
        (ph, pw) = op.padding
        ones = np.pad(ones, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=1)
        ones = np.pad(
            ones, ((0, 0), (0, 0), (0, padded.shape[2] - ones.shape[2]), (0, padded.shape[3] - ones.shape[3]))
        )
    else:
        ones = padded_for(ones, op, size, (1, 1))
    count = windows_of(ones, op.kernel, op.stride, (1, 1), size).sum((-1, -2))

    def vjp(dy):
        dwin = np.broadcast_to((dy / count)[..., None, None], windows.shape)
        return [cropped(scattered(dwin, padded.shape, op.stride, (1, 1)), op, x.shape)], {}

    return windows.sum((-1, -2)) / count, vjp


@rule("adaptive_avg_pool", "adaptive_max_pool")
def adaptive_pool(op, inputs, params):
    (x,) = inputs
    cells = [
        [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]
        for n, out in zip(x.shape[2:], op.size, strict=True)
    ]
    y, grads = np.zeros((*x.shape[:2], *op.size)), {}
    for i, (top, bottom) in enumerate(cells[0]):
        for j, (left, right) in enumerate(cells[1]):
            cell = x[:, :, top:bottom, left:right]
            mean = op.kind == "adaptive_avg_pool"
            y[:, :, i, j] = cell.mean((2, 3)) if mean else cell.max((2, 3))
            slope = 1 / cell[0, 0].size if mean else (cell == y[:, :, i, j, None, None]) * 1.0
            grads[i, j] = (slice(None), slice(None), slice(top, bottom), slice(left, right)), slope

    def vjp(dy):
        dx = np.zeros_like(x)
        for (i, j), (where, slope) in grads.items():
            dx[where] += dy[:, :, i, j, None, None] * slope
        return [dx], {}

    return y, vjp


@rule("global_avg_pool")
def global_avg_pool(op, inputs, params):
    (x,) = inputs
    pixels = x.shape[2] * x.shape[3]
    y = x.mean((2, 3), keepdims=op.keep)
    return y, lambda dy: ([np.broadcast_to(dy.reshape(*x.shape[:2], 1, 1) / pixels, x.shape)], {})
