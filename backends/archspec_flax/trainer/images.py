"""Images on the device (N, H, W, C): normalized, and moved as the runtime's plan says, bit for bit as the runtime would."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from archspec_runtime.batches import Batch
from archspec_runtime.datasets.splits import ArraySplit, Split
from archspec_runtime.normalize import Normalization


class Store(NamedTuple):
    """A split on a device; `bytes` are None where images are read from files.

    Normalized values are looked up and not computed: a compiler rounds a product and a difference once where the runtime
    does so twice, and multiplies by a reciprocal where the runtime divides.
    """

    bytes: Array | None
    labels: Array
    levels: Array  # (256, C): what each byte is, as far as it is the same for all pixels of a channel
    mean: Array | None  # (H, W, C), to be taken off where it is not


class Picked(NamedTuple):
    """One batch: which images and how they are moved, and their bytes and shifts of colour where they were read from files."""

    indices: Array
    top: Array
    left: Array
    flip: Array
    erase: Array | None  # (N, 4): top, left, height and width
    pixels: Array | None
    shift: Array | None


def store(split: Split, normalization: Normalization, device: jax.Device) -> Store:
    """Put a split on a device."""

    def put(array: np.ndarray[Any, Any]) -> Array:
        placed: Array = jax.device_put(array, device)
        return placed

    channels, height, width = normalization.mean.shape
    everywhere = height == width == 1
    scale = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    plain = Normalization(np.zeros((channels, 1, 1), np.float32))
    levels = (normalization if everywhere else plain).apply(np.broadcast_to(scale, (256, channels, 1, 1)))
    return Store(
        put(split.images.transpose(0, 2, 3, 1)) if isinstance(split, ArraySplit) else None,
        put(split.labels.astype(np.int32)),
        put(levels[:, :, 0, 0]),
        None if everywhere else put(normalization.mean.transpose(1, 2, 0)),
    )


def pick(batch: Batch) -> Picked:
    """A batch as arrays of the host."""
    plan = batch.plan
    pixels = None if batch.pixels is None else batch.pixels.transpose(0, 2, 3, 1)
    arrays = (batch.indices.astype(np.int32), plan.top.astype(np.int32), plan.left.astype(np.int32), plan.flip)
    shift = None if batch.shift is None else batch.shift.transpose(0, 2, 3, 1)
    erased = None if plan.erase is None else plan.erase.astype(np.int32)
    return Picked(*arrays, erased, pixels, shift)  # type: ignore[arg-type]


def batch_of(data: Store, picked: Picked, padding: int, dtype: Any) -> tuple[Array, Array]:
    """Pixels (N, H, W, C) and labels (N,) of a training batch."""
    labels = data.labels[picked.indices]
    if picked.pixels is not None:
        images = normalized(data, picked.pixels)
        images = images if picked.shift is None else images + picked.shift
    else:
        assert data.bytes is not None
        images = normalized(data, data.bytes[picked.indices])
    return erase(move(images, padding, picked), picked.erase).astype(dtype), labels


def normalized(data: Store, images: Array) -> Array:
    """Bytes as normalized floats."""
    pixels: Array = data.levels[images, jnp.arange(images.shape[-1])]
    return pixels if data.mean is None else pixels - data.mean


def move(images: Array, padding: int, picked: Picked) -> Array:
    """Pad, crop and mirror."""
    _, height, width, channels = images.shape
    if padding:
        padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

        def crop(image: Array, top: Array, left: Array) -> Array:
            cut: Array = jax.lax.dynamic_slice(image, (top, left, jnp.zeros_like(top)), (height, width, channels))
            return cut

        images = jax.vmap(crop)(padded, picked.top, picked.left)
    return jnp.where(picked.flip[:, None, None, None], images[:, :, ::-1], images)


def erase(images: Array, boxes: Array | None) -> Array:
    """Set the rectangles that are erased to zero."""
    if boxes is None:
        return images
    top, left, height, width = (boxes[:, i, None] for i in range(4))
    rows, columns = jnp.arange(images.shape[1])[None], jnp.arange(images.shape[2])[None]
    down, across = (rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width)
    return jnp.where((down[:, :, None] & across[:, None, :])[..., None], 0, images)
