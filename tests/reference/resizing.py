"""Images of another size, or in another order: padding, shuffles, slices, interpolation, blurs."""

from __future__ import annotations

import numpy as np

from reference.rules import rule


def gathered(x, index, shape):
    """Numbers of each sample by their place in it; -1 stands for zero."""
    flat = np.concatenate([x.reshape(len(x), -1), np.zeros((len(x), 1))], 1)

    def vjp(dy):
        dx = np.zeros_like(flat)
        np.add.at(dx, (slice(None), index.reshape(-1)), dy.reshape(len(dy), -1))
        return [dx[:, :-1].reshape(x.shape)], {}

    return flat[:, index.reshape(-1)].reshape(len(x), *shape), vjp


def places_of(x):
    return np.arange(x[0].size).reshape(x.shape[1:])


@rule("pad")
def pad(op, inputs, params):
    (x,) = inputs
    sides = ((0, 0), (op.top, op.bottom), (op.left, op.right))
    known = {"constant_values": -1} if op.mode == "constant" else {}
    index = np.pad(places_of(x), sides, mode=op.mode, **known)
    y, vjp = gathered(x, index, index.shape)
    return np.where(index == -1, op.value, y), vjp


@rule("channel_shuffle")
def channel_shuffle(op, inputs, params):
    (x,) = inputs
    index = places_of(x).reshape(op.groups, -1, *x.shape[2:]).swapaxes(0, 1).reshape(x.shape[1:])
    return gathered(x, index, index.shape)


@rule("slice")
def sliced(op, inputs, params):
    (x,) = inputs
    if op.over == "places":
        index = places_of(x)[:, op.start : op.stop or None]
        return gathered(x, index, index.shape)
    index = places_of(x)
    index = index.reshape(op.groups, -1, *index.shape[1:])[:, op.start : op.stop or None].reshape(
        -1, *index.shape[1:]
    )
    return gathered(x, index, index.shape)


def _resized(x, maps):
    """An image with a matrix applied to its rows and one to its columns."""
    rows, columns = maps
    y = np.einsum("ih,jw,nchw->ncij", rows, columns, x, optimize=True)
    return y, lambda dy: np.einsum("ih,jw,ncij->nchw", rows, columns, dy, optimize=True)


def _blend(op, n, out):
    """The part that each of n pixels has in each of `out`."""
    if op.mode == "nearest":
        return np.eye(n)[np.arange(out) * n // out]
    if op.align_corners:
        at = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        at = np.maximum((np.arange(out) + 0.5) * n / out - 0.5, 0)
    low = np.minimum(at.astype(int), n - 1)
    part = (at - low)[:, None]
    return np.eye(n)[low] * (1 - part) + np.eye(n)[np.minimum(low + 1, n - 1)] * part


@rule("upsample")
def upsample(op, inputs, params):
    x = inputs[0]
    size = op.output_shape(*(i.shape[1:] for i in inputs))[1:]
    y, back = _resized(x, [_blend(op, n, out) for n, out in zip(x.shape[2:], size, strict=True)])
    return y, lambda dy: ([back(dy), *[np.zeros_like(i) for i in inputs[1:]]], {})


@rule("center_crop")
def center_crop(op, inputs, params):
    x, like = inputs
    top, left = ((n - m) // 2 for n, m in zip(x.shape[2:], like.shape[2:], strict=True))
    middle = (..., slice(top, top + like.shape[2]), slice(left, left + like.shape[3]))

    def vjp(dy):
        dx = np.zeros_like(x)
        dx[middle] = dy
        return [dx, np.zeros_like(like)], {}

    return x[middle], vjp


@rule("blur_pool")
def blur_pool(op, inputs, params):
    (x,) = inputs
    maps = []
    for n in x.shape[2:]:
        mirrored = np.pad(np.arange(n), op.sides[0], mode="reflect")
        starts = range(0, len(mirrored) - op.kernel + 1, op.stride)
        taps = np.array(op.taps) / sum(op.taps)
        maps.append(np.stack([taps @ np.eye(n)[mirrored[i : i + op.kernel]] for i in starts]))
    y, back = _resized(x, maps)
    return y, lambda dy: ([back(dy)], {})


@rule("flatten")
def flatten(op, inputs, params):
    (x,) = inputs
    return x.reshape(len(x), -1), lambda dy: ([dy.reshape(x.shape)], {})


@rule("pad_channels")
def pad_channels(op, inputs, params):
    (x,) = inputs
    y = np.pad(x, ((0, 0), (op.before, op.after), (0, 0), (0, 0)))
    return y, lambda dy: ([dy[:, op.before : op.before + x.shape[1]]], {})


@rule("subsample")
def subsample(op, inputs, params):
    (x,), (sh, sw) = inputs, op.stride

    def vjp(dy):
        dx = np.zeros_like(x)
        dx[:, :, ::sh, ::sw] = dy
        return [dx], {}

    return x[:, :, ::sh, ::sw], vjp
