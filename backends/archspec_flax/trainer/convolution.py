"""Convolutions whose gradients are fast on CPUs.

XLA has fast convolutions there for operands in one order of axes, (N, H, W, C) with (H, W, I, O). JAX writes the gradient
of the weights as a convolution in another order, which XLA turns around where it stands alone but not inside a loop, and
a loop over equal blocks then takes twenty times as long. Here both gradients are written in the fast order.

To bring images into it their axes are turned around, which XLA would do and at the same time compute the images anew from
what earlier layers gave, pixel by pixel and far apart in memory. A function that is not inlined is given them as they lie.

Of several devices each computes the gradient of its own images in there, and what they gave is added up outside: XLA keeps
the order of all-reduces within one computation alone, and runs those of a called one beside those around it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
from flax import nnx
from jax import Array, lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.sharding import Mesh, PartitionSpec

Pair = tuple[int, int]
ORDER = ("NHWC", "HWIO", "NHWC")


def use_fast_gradients(model: nnx.Module, mesh: Mesh | None = None) -> None:
    """Have all convolutions of a model that are not grouped compute their gradients in the fast order.

    `mesh` has the devices that batches are split over, along its only axis, where there are several.
    """
    general = _general if mesh is None else partial(_general, mesh=mesh)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.Conv) and module.feature_group_count == 1:
            module.conv_general_dilated = general


def _general(
    x: Array, kernel: Array, strides: Pair, padding: Any, *, rhs_dilation: Pair | None = None,
    mesh: Mesh | None = None, **others: Any,
) -> Array:  # fmt: skip
    """As `lax.conv_general_dilated` for what layers of images ask of it."""
    if isinstance(padding, str) or len(strides) != 2:
        y: Array = lax.conv_general_dilated(x, kernel, strides, padding, rhs_dilation=rhs_dilation, **others)
        return y
    ends = tuple((int(low), int(high)) for low, high in padding)
    z: Array = conv(x, kernel, tuple(strides), ends, tuple(rhs_dilation or (1, 1)), mesh)
    return z


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def conv(
    x: Array, kernel: Array, strides: Pair, padding: tuple[Pair, Pair], dilation: Pair, mesh: Mesh | None = None
) -> Array:
    """Convolve (N, H, W, I) with (h, w, I, O)."""
    return _plain(x, kernel, strides, padding, dilation=dilation)


def _plain(
    x: Array, kernel: Array, strides: Pair, padding: Any, spread: Pair = (1, 1), dilation: Pair = (1, 1)
) -> Array:
    """A convolution in the fast order, the pixels of `x` spread apart."""
    y: Array = lax.conv_general_dilated(x, kernel, strides, padding, spread, dilation, ORDER)
    return y


def _forward(
    x: Array, kernel: Array, strides: Pair, padding: tuple[Pair, Pair], dilation: Pair, mesh: Mesh | None
) -> tuple[Array, tuple[Array, Array]]:
    return conv(x, kernel, strides, padding, dilation, mesh), (x, kernel)


def _backward(
    strides: Pair, padding: tuple[Pair, Pair], dilation: Pair, mesh: Mesh | None, kept: tuple[Array, Array],
    grad: Array,
) -> tuple[Array, Array]:  # fmt: skip
    x, kernel = kept
    before, after = [], []
    for axis in (0, 1):
        low, size, moves = padding[axis][0], x.shape[axis + 1], (grad.shape[axis + 1] - 1) * strides[axis] + 1
        reach = (kernel.shape[axis] - 1) * dilation[axis]
        before.append((reach - low, size - moves + low))  # so that the result has the size of x
        after.append((low, reach + moves - size - low))  # and here that of the kernel
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    to_x = _plain(grad, turned, (1, 1), before, strides, dilation)
    return to_x, _kernel_gradient(x, grad, (strides, (after[0], after[1]), dilation), mesh)


def _kernel_gradient(x: Array, grad: Array, how: Any, mesh: Mesh | None) -> Array:
    if mesh is not None and len(x) % mesh.size:
        among_all: Array = _to_kernel(x, grad, *how)  # there is no part for each device
        return among_all

    def apart(x: Array, grad: Array) -> Array:
        with set_xla_metadata(inlineable="false"):  # type: ignore[no-untyped-call]
            found: Array = _to_kernel(x, grad, *how)
        return found

    if mesh is None:
        return apart(x, grad)
    split = PartitionSpec(*mesh.axis_names)  # type: ignore[no-untyped-call]
    of_each: Any = jax.shard_map(
        lambda x, grad: apart(x, grad)[None], mesh=mesh, in_specs=(split, split), out_specs=split
    )
    total: Array = of_each(x, grad).sum(0)
    return total


@partial(jax.jit, static_argnums=(2, 3, 4))
def _to_kernel(x: Array, grad: Array, strides: Pair, ends: tuple[Pair, Pair], dilation: Pair) -> Array:
    """The gradient (h, w, I, O) of a kernel whose results' is `grad`."""
    # channels take the place of the batch, and the batch that of channels
    swapped, as_kernel = x.transpose(3, 1, 2, 0), grad.transpose(1, 2, 0, 3)
    return _plain(swapped, as_kernel, dilation, ends, dilation=strides).transpose(1, 2, 0, 3)


conv.defvjp(_forward, _backward)
