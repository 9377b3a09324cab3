"""Whole networks, evaluated block by block."""

from __future__ import annotations

from functools import partial

import numpy as np

from archspec.ir import Block, Chain, tapped
from archspec.ops.base import tensor_name
from reference.rules import apply


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
