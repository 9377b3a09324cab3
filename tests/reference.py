"""The oracle: every primitive operation in NumPy, forward and gradient, and networks evaluated by them.

`apply(op, inputs, params)` gives the result and a function from the gradient of the result to those of the inputs and
parameters. Images are (N, C, H, W), in double precision; normalization is that of training.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from archspec.ir import Block, Chain
from archspec.ops import Op

RULES = {}


def rule(*kinds):
    def register(function):
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


def apply(op: Op, inputs, params):
    return RULES[op.kind](op, inputs, params)


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


@rule("linear")
def linear(op, inputs, params):
    (x,), w = inputs, params["weight"]
    y = x @ w.T + (params["bias"] if op.bias else 0)
    return y, lambda dy: ([dy @ w], {"weight": dy.T @ x} | ({"bias": dy.sum(0)} if op.bias else {}))


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
    others = tuple(i for i in range(x.ndim) if i != 1)
    return x * w, lambda dy: ([dy * w], {"weight": (dy * x).sum(others)})


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
        grads = []
        for i, x in enumerate(inputs):
            d = dy * math.prod((o for j, o in enumerate(inputs) if j != i), start=np.ones(()))
            grads.append(d if d.shape == x.shape else d.sum((2, 3), keepdims=True))
        return grads, {}

    return y, vjp


def _unstretched(d, x):
    return d if d.shape == x.shape else d.sum((2, 3), keepdims=True)


@rule("sub")
def sub(op, inputs, params):
    a, b = inputs
    return a - b, lambda dy: ([_unstretched(dy, a), _unstretched(-dy, b)], {})


@rule("div")
def div(op, inputs, params):
    a, b = inputs
    return a / b, lambda dy: ([_unstretched(dy / b, a), _unstretched(-dy * a / b**2, b)], {})


@rule("concat")
def concat(op, inputs, params):
    edges = np.cumsum([x.shape[1] for x in inputs])[:-1]
    return np.concatenate(inputs, 1), lambda dy: (np.split(dy, edges, 1), {})


# --- whole networks -------------------------------------------------------------------------------------------------


def run(block: Block, inputs, params, prefix=""):
    """Evaluate a block; gives the result and a function to the gradients of the inputs and of `params` by dotted name."""
    values = {name: x for (name, _), x in zip(block.inputs, inputs, strict=True)}
    tape = []
    for call in block.calls:
        name, xs = f"{prefix}{call.name}", [values[i] for i in call.inputs]
        if not call.present:
            values[call.name], back = xs[0], partial(_passed_on, others=len(xs) - 1)
        elif isinstance(call.target, Block):
            values[call.name], back = run(call.target, xs, params, f"{name}.")
        elif isinstance(call.target, Chain):
            values[call.name], back = _chain(call.target, xs[0], params, name)
        else:
            own = {k: params[f"{name}.{k}"] for k in call.target.parameters(*call.input_shapes)}
            values[call.name], inner = apply(call.target, xs, own)
            back = _named(inner, name)
        tape.append((call, back))

    def vjp(dy):
        grads, found = {block.output: dy}, {}
        for call, back in reversed(tape):
            if call.name not in grads:
                continue
            dxs, dparams = back(grads.pop(call.name))
            found |= dparams
            for source, dx in zip(call.inputs, dxs, strict=True):
                grads[source] = grads[source] + dx if source in grads else dx
        return [grads.get(name, 0.0) for name, _ in block.inputs], found

    return values[block.output], vjp


def _passed_on(dy, others):
    """Back through a call that is absent: the first of its inputs was passed on."""
    return [dy, *[0.0] * others], {}


def _named(inner, name):
    def back(dy):
        dxs, dparams = inner(dy)
        return dxs, {f"{name}.{k}": v for k, v in dparams.items()}

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
