"""The precision that a recipe asks for: of parameters, and of what is computed with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

HALF = {"bf16": jnp.bfloat16, "fp16": jnp.float16}


def use_precision(precision: str) -> Any:
    """The type of parameters; JAX computes in double precision where it is allowed, and nowhere else.

    It is allowed for a whole process, in which a run of another precision may come before this one.

    GPUs and TPUs multiply singles as the recipe says: whole, where JAX's own default is TF32 on the one and bfloat16 on the
    other, or by name as TF32.
    """
    multiplied = {"fp32": "highest", "tf32": "tensorfloat32"}.get(precision)
    jax.config.update("jax_default_matmul_precision", multiplied)  # type: ignore[no-untyped-call]
    jax.config.update("jax_enable_x64", precision == "fp64")  # type: ignore[no-untyped-call]
    return jnp.float64 if precision == "fp64" else jnp.float32


def prepared(model: nnx.Module, precision: str) -> nnx.Module:
    """A model whose parameters and statistics are kept in this precision: double, or single for all others."""
    if precision == "fp64":
        for _, variable in nnx.iter_graph(model):
            if isinstance(variable, (nnx.Param, nnx.BatchStat)) and jnp.issubdtype(variable.dtype, jnp.floating):
                variable.set_value(variable.get_value().astype(jnp.float64))
    return model


_asked: ContextVar[set[str] | None] = ContextVar("asked", default=None)


@contextmanager
def types_asked() -> Iterator[set[str]]:
    """The names of the types that models are made to compute in meanwhile."""
    names = set[str]()
    token = _asked.set(names)
    try:
        yield names
    finally:
        _asked.reset(token)


def computing_in(dtype: Any, model: Any) -> Any:
    """The same model with layers that compute in a type; parameters and statistics are kept as they are."""
    if (names := _asked.get()) is not None:
        names.add(jnp.dtype(dtype).name)
    for _, module in nnx.iter_modules(model):
        if hasattr(module, "dtype") and hasattr(module, "param_dtype"):
            module.dtype = dtype
    return model


def evaluated(model: nnx.Module, precision: str) -> nnx.Module:
    """A prepared model that computes in this precision; in training `train.py` says what it computes in."""
    found: nnx.Module = computing_in(HALF[precision], model) if precision in HALF else model
    return found
