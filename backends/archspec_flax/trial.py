"""An emitted model that is made and applied as shapes alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from archspec.emission.trial import check_output, check_tensors
from archspec.ir.network import Network
from archspec_flax.names import spec_shapes


def try_model(net: Network, make_model: Any) -> None:
    """Compare a model's tensors and output with those of its net. Raises ValueError, and whatever the source raises."""

    def make() -> nnx.Module:
        model: nnx.Module = make_model(rngs=nnx.Rngs(0))
        model.eval()  # type: ignore[no-untyped-call]
        return model

    model = nnx.eval_shape(make)
    check_tensors(net, spec_shapes(model))
    channels, height, width = net.input_shape
    images = jax.ShapeDtypeStruct((2, height, width, channels), jnp.float32)  # type: ignore[no-untyped-call]
    check_output(net, nnx.eval_shape(lambda model, images: model(images), model, images).shape)
