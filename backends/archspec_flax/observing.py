"""Observation of a model: what each of its modules gives, and the gradients of a step, as arrays in PyTorch's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from archspec.backends.protocol import Draw, Observed, Weights
from archspec_flax.names import spec_names, to_spec
from archspec_flax.trainer.drawing import QUICK
from archspec_flax.trainer.unrolled import unroll

Values = Mapping[str, Array]


@dataclass
class Notes:
    """What the layers of a model give while it is traced; each is given a nudge, in which the gradient can be asked for."""

    nudges: Values = field(default_factory=dict)
    layers: dict[str, Array] = field(default_factory=dict)

    def take(self, name: str, output: Any) -> Any:
        """The output of a layer, noted and nudged."""
        if not isinstance(output, Array) or not jnp.issubdtype(output.dtype, jnp.floating):
            return output
        key, call = name, 1
        while key in self.layers:
            call += 1
            key = f"{name} ({call})"
        if key in self.nudges:
            output = output + self.nudges[key]
        self.layers[key] = output
        return output


def observed(build: Callable[[], nnx.Module], images: Any, draw: Draw | None) -> Observed:
    """A model of double precision on images: in evaluation, or with `draw` a step of training."""
    notes = Notes()
    with jax.enable_x64(True):
        model = build()
        unroll(model)
        (model.train if draw is not None else model.eval)()  # type: ignore[no-untyped-call, unused-ignore]
        _wrap(model, notes)
        parts: Any = nnx.split(model, nnx.Param, ...)
        graph, params, others = parts
        pixels = jnp.asarray(np.asarray(images, np.float64).transpose(0, 2, 3, 1))

        def run(params: Any, nudges: Values) -> tuple[Array, tuple[Values, Values, Any]]:
            notes.layers, notes.nudges = {}, nudges
            merged: Any = nnx.merge(graph, params, others, copy=True)
            given = merged(pixels)
            results: dict[str, Array] = dict(given) if isinstance(given, Mapping) else {"": given}
            loss = jnp.zeros(())
            for name, one in results.items():
                if draw is not None:
                    shape = _first(tuple(one.shape))
                    loss += jnp.sum(one * _last(draw(name, shape)))
            return loss, (results, dict(notes.layers), nnx.state(merged, nnx.BatchStat))

        options: Any = QUICK.get(jax.default_backend())
        if draw is None:
            _, (results, layers, _) = jax.jit(run, compiler_options=options)(params, {})
            order = list(notes.layers)  # what is traced keeps the order in which layers are called
            return Observed({name: _spec(layers[name]) for name in order}, _each(results), {}, {}, {})
        shapes = jax.eval_shape(run, params, {})[1][1]
        nudges = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}
        gradient = jax.jit(jax.grad(run, argnums=(0, 1), has_aux=True), compiler_options=options)
        (slopes, layer_slopes), (results, layers, statistics) = gradient(params, nudges)
        order = list(notes.layers)
        return Observed(
            {name: _spec(layers[name]) for name in order},
            _each(results),
            {name: _spec(layer_slopes[name]) for name in order},
            _by_spec_names(slopes),
            {name: array for name, array in _by_spec_names(statistics).items() if array.dtype.kind == "f"},
        )


def _wrap(model: nnx.Module, notes: Notes) -> None:
    """Have each module of a model tell of itself, and drop nothing."""
    nodes: list[tuple[Any, Any]] = list(nnx.iter_graph(model))
    for path, node in nodes:
        if not isinstance(node, nnx.Module):
            continue
        if hasattr(node, "deterministic"):
            node.deterministic = True
        kind = type(node)
        if path and callable(getattr(kind, "__call__", None)):  # noqa: B004 - of the class, which is to be called
            name = ".".join(map(str, path))
            node.__class__ = type(kind.__name__, (kind,), {"__call__": _noted(kind, name, notes)})


def _noted(kind: Any, name: str, notes: Notes) -> Any:
    def call(self: Any, *given: Any, **more: Any) -> Any:
        return notes.take(name, kind.__call__(self, *given, **more))

    return call


def _by_spec_names(state: Any) -> dict[str, np.ndarray[Any, Any]]:
    flat: Any = nnx.to_flat_state(state)
    return {spec_names(path, {})[0]: to_spec(variable.get_value()) for path, variable in flat}


def _each(values: Values) -> Weights:
    return {name: _spec(value) for name, value in values.items()}


def _spec(value: Array) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


def _last(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
