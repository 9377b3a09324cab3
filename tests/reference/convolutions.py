"""Convolutions and linear layers: windows of an image, and products of them with weights."""

from __future__ import annotations

import numpy as np

from reference.normalization import normalized
from reference.rules import rule


def windows_of(x, kernel, stride, dilation, size):
    """Views (N, C, OH, OW, KH, KW) of a padded image."""
    n, c, _, _ = x.shape
    sn, sc, sh, sw = x.strides
    shape = (n, c, *size, *kernel)
    strides = (sn, sc, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1])
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def padded_for(x, op, size, dilation, value=0.0):
    """The image with its padding, and with what a rounding up reaches beyond it."""
    (kh, kw), (sh, sw), (ph, pw) = op.kernel, op.stride, op.padding
    need_h = (size[0] - 1) * sh + dilation[0] * (kh - 1) + 1
    need_w = (size[1] - 1) * sw + dilation[1] * (kw - 1) + 1
    after_h = max(ph, need_h - x.shape[2] - ph)
    after_w = max(pw, need_w - x.shape[3] - pw)
    return np.pad(x, ((0, 0), (0, 0), (ph, after_h), (pw, after_w)), constant_values=value)


def scattered(dwindows, shape, stride, dilation):
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


def cropped(dx, op, shape):
    ph, pw = op.padding
    return dx[:, :, ph : ph + shape[2], pw : pw + shape[3]]


@rule("conv")
def conv(op, inputs, params):
    (x,), w, g = inputs, params["weight"], op.groups
    n = x.shape[0]
    _, oh, ow = op.output_shape(x.shape[1:])
    padded = padded_for(x, op, (oh, ow), op.dilation)
    windows = windows_of(padded, op.kernel, op.stride, op.dilation, (oh, ow))
    grouped = windows.reshape(n, g, -1, oh, ow, *op.kernel)
    weights = w.reshape(g, -1, *w.shape[1:])
    y = np.einsum("ngcxykl,gockl->ngoxy", grouped, weights, optimize=True).reshape(n, -1, oh, ow)
    if op.bias:
        y = y + params["bias"][:, None, None]

    def vjp(dy):
        split = dy.reshape(n, g, -1, oh, ow)
        dw = np.einsum("ngcxykl,ngoxy->gockl", grouped, split, optimize=True).reshape(w.shape)
        dwin = np.einsum("ngoxy,gockl->ngcxykl", split, weights, optimize=True).reshape(windows.shape)
        dx = cropped(scattered(dwin, padded.shape, op.stride, op.dilation), op, x.shape)
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
    z, back = normalized(w, (1, 2, 3), op.eps)
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
    y = scattered(dwin, whole, op.stride, op.dilation)[:, :, ph : ph + out[1], pw : pw + out[2]]
    if op.bias:
        y = y + params["bias"][:, None, None]

    def vjp(dy):
        padded = np.zeros(whole)
        padded[:, :, ph : ph + out[1], pw : pw + out[2]] = dy
        windows = windows_of(padded, op.kernel, op.stride, op.dilation, (h, width)).reshape(
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
