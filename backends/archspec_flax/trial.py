"""An emitted model that is made and applied as shapes alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from archspec.emission.trial import check_output, check_tensors
from archspec.ir.network import Network
from archspec.ops import Features, Image, Shape
from archspec_flax.names import spec_shapes


def try_model(net: Network, make_model: Any) -> None:
    """Compare a model's tensors and output with those of its net. Raises ValueError, and whatever the source raises."""

    def make() -> nnx.Module:
        model: nnx.Module = make_model(rngs=nnx.Rngs(0))
        model.eval()  # type: ignore[no-untyped-call, unused-ignore]
        return model

    model = nnx.eval_shape(make)
    check_tensors(net, spec_shapes(model))
    channels, height, width = net.input_shape
    images = jax.ShapeDtypeStruct((2, height, width, channels), jnp.float32)  # type: ignore[no-untyped-call]
    check_output(net, nnx.eval_shape(_apply, model, images), layout=_channels_last)
    if any(output.train_only for output in net.outputs):
        model = nnx.eval_shape(lambda: make_model(rngs=nnx.Rngs(0)))
        check_output(net, nnx.eval_shape(_apply, model, images), training=True, layout=_channels_last)


def _apply(model: Any, images: Any) -> Any:
    return model(images)


def _channels_last(shape: Features) -> Shape:
    """A shape in Flax's layout, where channels come last."""
    return (*shape[1:], shape[0]) if isinstance(shape, Image) else tuple(shape)
