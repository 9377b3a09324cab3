"""The oracle: every primitive operation in NumPy, forward and gradient, and networks evaluated by them.

`apply(op, inputs, params)` gives the result and a function from the gradient of the result to those of the inputs and
parameters. Images are (N, C, H, W), in double precision; normalization is that of training.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from archspec.ir import Block, Chain, tapped
from archspec.ops import Op, Tokens
from archspec.ops.base import tensor_name

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


def _windows(x, kernel, stride, dilation, size):
    """Views (N, C, OH, OW, KH, KW) of a padded image."""
    n, c, _, _ = x.shape
    sn, sc, sh, sw = x.strides
    shape = (n, c, *size, *kernel)
    strides = (sn, sc, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1])
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def _padded(x, op, size, dilation, value=0.0):
    """The image with its padding, and with what a rounding up reaches beyond it."""
    (kh, kw), (sh, sw), (ph, pw) = op.kernel, op.stride, op.padding
    need_h = (size[0] - 1) * sh + dilation[0] * (kh - 1) + 1
    need_w = (size[1] - 1) * sw + dilation[1] * (kw - 1) + 1
    after_h = max(ph, need_h - x.shape[2] - ph)
    after_w = max(pw, need_w - x.shape[3] - pw)
    return np.pad(x, ((0, 0), (0, 0), (ph, after_h), (pw, after_w)), constant_values=value)


def _scatter(dwindows, shape, stride, dilation):
    """The gradient of an image from that of its windows."""
    dx = np.zeros(shape)
    _, _, oh, ow, kh, kw = dwindows.shape
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilation[0], j * dilation[1]
            dx[:, :, top : top + oh * stride[0] : stride[0], left : left + ow * stride[1] : stride[1]] += dwindows[
                ..., i, j
            ]
    return dx


def _crop(dx, op, shape):
    ph, pw = op.padding
    return dx[:, :, ph : ph + shape[2], pw : pw + shape[3]]


@rule("conv")
def conv(op, inputs, params):
    (x,), w, g = inputs, params["weight"], op.groups
    n = x.shape[0]
    _, oh, ow = op.output_shape(x.shape[1:])
    padded = _padded(x, op, (oh, ow), op.dilation)
    windows = _windows(padded, op.kernel, op.stride, op.dilation, (oh, ow))
    grouped = windows.reshape(n, g, -1, oh, ow, *op.kernel)
    weights = w.reshape(g, -1, *w.shape[1:])
    y = np.einsum("ngcxykl,gockl->ngoxy", grouped, weights, optimize=True).reshape(n, -1, oh, ow)
    if op.bias:
        y = y + params["bias"][:, None, None]

    def vjp(dy):
        split = dy.reshape(n, g, -1, oh, ow)
        dw = np.einsum("ngcxykl,ngoxy->gockl", grouped, split, optimize=True).reshape(w.shape)
        dwin = np.einsum("ngoxy,gockl->ngcxykl", split, weights, optimize=True).reshape(windows.shape)
        dx = _crop(_scatter(dwin, padded.shape, op.stride, op.dilation), op, x.shape)
        return [dx], {"weight": dw} | ({"bias": dy.sum((0, 2, 3))} if op.bias else {})

    return y, vjp


def _product(x, w):
    """x W^T of vectors or tokens, and the gradients of both."""
    flat = x.reshape(-1, x.shape[-1])
    return x @ w.T, lambda dy: (dy @ w, dy.reshape(-1, dy.shape[-1]).T @ flat)


def _over_all_but_last(dy):
    return dy.sum(tuple(range(dy.ndim - 1)))


@rule("linear")
def linear(op, inputs, params):
    y, slopes = _product(inputs[0], params["weight"])
    there = np.ones(op.out)
    there[slice(*op.unbiased)] = 0

    def vjp(dy):
        dx, dw = slopes(dy)
        return [dx], {"weight": dw} | ({"bias": there * _over_all_but_last(dy)} if op.bias else {})

    return y + (there * params["bias"] if op.bias else 0), vjp


@rule("apply_linear")
def apply_linear(op, inputs, params):
    x, (w,), *bias = inputs
    y, slopes = _product(x, w)

    def vjp(dy):
        dx, dw = slopes(dy)
        return [dx, dw[None], *([_over_all_but_last(dy)[None]] if bias else [])], {}

    return y + sum(b.reshape(-1) for b in bias), vjp


@rule("std_conv")
def std_conv(op, inputs, params):
    w = params["weight"]
    z, back = _normalized(w, (1, 2, 3), op.eps)
    factor = op.gamma * (w[0].size ** -0.5 if op.gain else 1.0)
    gain = factor * (params["gain"] if op.gain else 1.0)
    y, vjp = conv(op, inputs, params | {"weight": z * gain})

    def through(dy):
        dxs, dparams = vjp(dy)
        dz = dparams["weight"]
        more = {"gain": (dz * z).sum((1, 2, 3), keepdims=True) * factor} if op.gain else {}
        return dxs, dparams | {"weight": back(dz * gain)} | more

    return y, through


@rule("conv_transpose")
def conv_transpose(op, inputs, params):
    """By its definition: the gradient of a convolution is put through, the convolution is its gradient."""
    (x,), w = inputs, params["weight"]
    n, _, h, width = x.shape
    out = op.output_shape(x.shape[1:])
    g, (ph, pw) = op.groups, op.padding
    grouped = x.reshape(n, g, -1, h, width)
    weights = w.reshape(g, -1, *w.shape[1:])
    whole = (n, out[0], out[1] + 2 * ph + max(op.stride), out[2] + 2 * pw + max(op.stride))
    dwin = np.einsum("ngcxy,gcokl->ngoxykl", grouped, weights).reshape(n, out[0], h, width, *op.kernel)
    y = _scatter(dwin, whole, op.stride, op.dilation)[:, :, ph : ph + out[1], pw : pw + out[2]]
    if op.bias:
        y = y + params["bias"][:, None, None]

    def vjp(dy):
        padded = np.zeros(whole)
        padded[:, :, ph : ph + out[1], pw : pw + out[2]] = dy
        windows = _windows(padded, op.kernel, op.stride, op.dilation, (h, width)).reshape(
            n, g, -1, h, width, *op.kernel
        )
        dx = np.einsum("ngoxykl,gcokl->ngcxy", windows, weights).reshape(x.shape)
        dw = np.einsum("ngoxykl,ngcxy->gcokl", windows, grouped).reshape(w.shape)
        return [dx], {"weight": dw} | ({"bias": dy.sum((0, 2, 3))} if op.bias else {})

    return y, vjp


@rule("channel_conv")
def channel_conv(op, inputs, params):
    (x,), w = inputs, params["weight"][0, 0]
    flat, pad = x.reshape(len(x), -1), op.kernel // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(flat, ((0, 0), (pad, pad))), op.kernel, 1)

    def vjp(dy):
        d = dy.reshape(flat.shape)
        back = np.lib.stride_tricks.sliding_window_view(np.pad(d, ((0, 0), (pad, pad))), op.kernel, 1)
        return [(back @ w[::-1]).reshape(x.shape)], {"weight": np.einsum("nck,nc->k", windows, d)[None, None]}

    return (windows @ w).reshape(x.shape), vjp


def _normalized(x, axes, eps):
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scale = 1 / np.sqrt(var + eps)
    z = (x - mean) * scale

    def vjp(dz):
        return scale * (dz - dz.mean(axes, keepdims=True) - z * (dz * z).mean(axes, keepdims=True))

    return z, vjp


def _affine(op, z, back, params, reshape=lambda a: a):
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
    return _affine(op, *_normalized(inputs[0], (0, 2, 3), op.eps), params)


@rule("layer_norm")
def layer_norm(op, inputs, params):
    return _affine(op, *_normalized(inputs[0], (1,), op.eps), params)


@rule("group_norm")
def group_norm(op, inputs, params):
    x = inputs[0]
    grouped = x.reshape(x.shape[0], op.groups, -1)
    z, back = _normalized(grouped, (2,), op.eps)
    return _affine(
        op, z, lambda dz: back(dz.reshape(grouped.shape)).reshape(x.shape), params, lambda a: a.reshape(x.shape)
    )


@rule("instance_norm")
def instance_norm(op, inputs, params):
    return _affine(op, *_normalized(inputs[0], (2, 3), op.eps), params)


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


@rule("max_pool")
def max_pool(op, inputs, params):
    (x,) = inputs
    size = op.output_shape(x.shape[1:])[1:]
    padded = _padded(x, op, size, (1, 1), -np.inf)
    windows = _windows(padded, op.kernel, op.stride, (1, 1), size)
    flat = windows.reshape(*windows.shape[:4], -1)
    first = flat.argmax(-1)

    def vjp(dy):
        dwin = np.zeros(flat.shape)
        np.put_along_axis(dwin, first[..., None], dy[..., None], -1)
        return [_crop(_scatter(dwin.reshape(windows.shape), padded.shape, op.stride, (1, 1)), op, x.shape)], {}

    return flat.max(-1), vjp


@rule("avg_pool")
def avg_pool(op, inputs, params):
    (x,) = inputs
    size = op.output_shape(x.shape[1:])[1:]
    padded = _padded(x, op, size, (1, 1))
    windows = _windows(padded, op.kernel, op.stride, (1, 1), size)
    ones = np.ones((1, 1, *x.shape[2:]))
    if op.count_padding:
        (ph, pw) = op.padding
        ones = np.pad(ones, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=1)
        ones = np.pad(
            ones, ((0, 0), (0, 0), (0, padded.shape[2] - ones.shape[2]), (0, padded.shape[3] - ones.shape[3]))
        )
    else:
        ones = _padded(ones, op, size, (1, 1))
    count = _windows(ones, op.kernel, op.stride, (1, 1), size).sum((-1, -2))

    def vjp(dy):
        dwin = np.broadcast_to((dy / count)[..., None, None], windows.shape)
        return [_crop(_scatter(dwin, padded.shape, op.stride, (1, 1)), op, x.shape)], {}

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


def _gathered(x, index, shape):
    """Numbers of each sample by their place in it; -1 stands for zero."""
    flat = np.concatenate([x.reshape(len(x), -1), np.zeros((len(x), 1))], 1)

    def vjp(dy):
        dx = np.zeros_like(flat)
        np.add.at(dx, (slice(None), index.reshape(-1)), dy.reshape(len(dy), -1))
        return [dx[:, :-1].reshape(x.shape)], {}

    return flat[:, index.reshape(-1)].reshape(len(x), *shape), vjp


def _places(x):
    return np.arange(x[0].size).reshape(x.shape[1:])


@rule("pad")
def pad(op, inputs, params):
    (x,) = inputs
    sides = ((0, 0), (op.top, op.bottom), (op.left, op.right))
    known = {"constant_values": -1} if op.mode == "constant" else {}
    index = np.pad(_places(x), sides, mode=op.mode, **known)
    y, vjp = _gathered(x, index, index.shape)
    return np.where(index == -1, op.value, y), vjp


@rule("channel_shuffle")
def channel_shuffle(op, inputs, params):
    (x,) = inputs
    index = _places(x).reshape(op.groups, -1, *x.shape[2:]).swapaxes(0, 1).reshape(x.shape[1:])
    return _gathered(x, index, index.shape)


@rule("slice")
def sliced(op, inputs, params):
    (x,) = inputs
    index = _places(x)[op.start : op.stop or None]
    return _gathered(x, index, index.shape)


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


@rule("global_avg_pool")
def global_avg_pool(op, inputs, params):
    (x,) = inputs
    pixels = x.shape[2] * x.shape[3]
    y = x.mean((2, 3), keepdims=op.keep)
    return y, lambda dy: ([np.broadcast_to(dy.reshape(*x.shape[:2], 1, 1) / pixels, x.shape)], {})


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


# --- tokens -----------------------------------------------------------------------------------------------------------


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
        "relative_coordinates",
        "shift_mask",
    }
)


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
    "windows": lambda x, op: _cut(x, op.size),
    "merge_patches": lambda x, op: np.concatenate([x[i::2, j::2] for j in (0, 1) for i in (0, 1)], -1),
}


def _turns(length, groups):
    """The first of each group, then the second of each, and so on."""
    return [g * (length // groups) + i for i in range(length // groups) for g in range(groups)]


def _cut(x, size):
    (h, w), (high, wide) = x.shape[:2], size
    return x.reshape(h // high, high, w // wide, wide, -1).swapaxes(1, 2).reshape(-1, high * wide, x.shape[-1])


@rule(*MOVES)
def moved(op, inputs, params):
    (x,) = inputs
    index = MOVES[op.kind](_places(x), op)
    return _gathered(x, index, index.shape)


@rule("unwindow")
def unwindow(op, inputs, params):
    x, like = inputs
    grid = np.arange(x[0].size).reshape(*like.shape[1:3], -1)
    back = _cut(grid, op.size).reshape(-1)
    index = np.empty_like(back)
    index[back] = np.arange(back.size)
    y, vjp = _gathered(x, index, grid.shape)
    return y, lambda dy: ([*vjp(dy)[0], np.zeros_like(like)], {})


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


@rule("shift_mask")
def shift_mask(op, inputs, params):
    (x,) = inputs
    regions = []
    for n, size, shift in zip(x.shape[1:3], op.size, op.shift, strict=True):
        places = np.arange(n)
        regions.append((places >= n - size).astype(int) + ((places >= n - shift) & (shift > 0)))
    cut = _cut(3 * regions[0][:, None, None] + regions[1][None, :, None], op.size)[..., 0]
    mask = np.where(cut[:, :, None] == cut[:, None, :], 0.0, -100.0)[None]
    return mask, lambda dy: ([np.zeros_like(x)], {})


# --- whole networks -------------------------------------------------------------------------------------------------


def run(block: Block, inputs, params, prefix=""):
    """Evaluate a block; gives the result and a function to the gradients of the inputs and of `params` by dotted name."""
    results, back = run_results(block, inputs, params, prefix)
    return results[0], lambda dy: back((dy, *[None] * (len(results) - 1)))


def run_results(block: Block, inputs, params, prefix=""):
    """Evaluate a block; gives all its results, and a function of their gradients, None for one that nothing uses."""
    values = {name: x for (name, _), x in zip(block.inputs, inputs, strict=True)}
    tape = []
    for call in block.calls:
        name, xs = f"{prefix}{call.owner or call.name}", [values[i] for i in call.inputs]
        if not call.present:
            values[call.name], back = xs[0], partial(_passed_on, others=len(xs) - 1)
        elif isinstance(call.target, Block):
            made, back = run_results(call.target, xs, params, f"{name}.")
            values |= zip((call.name, *tapped(call)), made, strict=True)
        elif isinstance(call.target, Chain):
            values[call.name], back = _chain(call.target, xs[0], params, name)
        else:
            own = {k: params[tensor_name(name, k)] for k in call.target.parameters(*call.input_shapes)}
            values[call.name], inner = apply(call.target, xs, own, call.input_shapes)
            back = _named(inner, name)
        tape.append((call, back))

    def vjp(dys):
        grads, found = {}, {}
        for name, dy in zip(block.results, dys, strict=True):
            if dy is not None:
                grads[name] = grads[name] + dy if name in grads else dy
        for call, back in reversed(tape):
            names = (call.name, *tapped(call))
            if grads.keys().isdisjoint(names):
                continue
            given = [grads.pop(name, None) for name in names]
            dxs, dparams = back(tuple(given) if call.present and isinstance(call.target, Block) else given[0])
            found |= {
                key: found[key] + d if key in found else d for key, d in dparams.items()
            }  # of shared parameters
            for source, dx in zip(call.inputs, dxs, strict=True):
                if np.ndim(dx) and np.ndim(values[source]):
                    dx = _summed(dx, values[source].shape)
                grads[source] = grads[source] + dx if source in grads else dx
        return [grads.get(name, 0.0) for name, _ in block.inputs], found

    return tuple(values[name] for name in block.results), vjp


def _summed(dx, shape):
    """The gradient of what was stretched over axes that it has not, or has with size 1."""
    dx = dx.sum(tuple(range(dx.ndim - len(shape))))
    ones = tuple(i for i, n in enumerate(shape) if n == 1 and dx.shape[i] != 1)
    return dx.sum(ones, keepdims=True)


def _passed_on(dy, others):
    """Back through a call that is absent: the first of its inputs was passed on."""
    return [dy, *[0.0] * others], {}


def _named(inner, name):
    def back(dy):
        dxs, dparams = inner(dy)
        return dxs, {tensor_name(name, k): v for k, v in dparams.items()}

    return back


def _chain(chain, x, params, name):
    backs, index = [], 0
    for r in chain.runs:
        for _ in range(r.count):
            x, back = run(r.block, [x], params, f"{name}.{index}.")
            backs.append(back)
            index += 1

    def vjp(dy):
        found = {}
        for back in reversed(backs):
            (dy,), more = back(dy)
            found |= more
        return [dy], found

    return x, vjp
