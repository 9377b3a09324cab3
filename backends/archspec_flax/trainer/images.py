"""Images on the device (N, H, W, C): normalized, and moved as the runtime's plan says, bit for bit as the runtime would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from archspec_runtime.batches.normalization import SCALE, Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.recipe.images import Padding


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["bytes", "labels", "levels", "mean", "std"],
    meta_fields=["shape"],
)
@dataclass(frozen=True)
class Store:
    """A split on a device; `bytes` are None where images are read from files.

    On CPUs normalized values are looked up and not computed: a compiler rounds a product and a difference once where the runtime
    does so twice, and multiplies by a reciprocal where the runtime divides. GPUs and TPUs compute them, to the last bit or so,
    since there a look-up for every pixel takes longer than a step.
    """

    bytes: Array | None  # (N, H W C): in rows, which lie on a device as they are picked
    labels: Array
    levels: Array | None  # (256, C): what each byte is, as far as it is the same for all pixels of a channel
    mean: Array | None  # broadcasts against (H, W, C); to be taken off where `levels` do not say it
    std: Array | None
    shape: tuple[int, int, int]  # (H, W, C)

    def images(self, indices: Array) -> Array:
        """Bytes (N, H, W, C) of some samples of a split in memory."""
        assert self.bytes is not None
        return self.bytes[indices].reshape(-1, *self.shape)


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

    images = split.images.transpose(0, 2, 3, 1) if isinstance(split, ArraySplit) else None
    found = constants(normalization, device.platform)
    return Store(
        bytes=None if images is None else put(images.reshape(len(images), -1)),
        labels=put(split.labels.astype(np.int32)),
        shape=(0, 0, 0) if images is None else images.shape[1:],
        **{name: None if array is None else put(array) for name, array in found.items()},
    )


def constants(normalization: Normalization, platform: str) -> dict[str, np.ndarray[Any, Any] | None]:
    """The `levels`, `mean` and `std` of a store on a device of this platform."""
    mean, std = normalization.mean, normalization.std
    if platform != "cpu":
        return {
            "levels": None,
            "mean": mean.transpose(1, 2, 0),
            "std": None if std is None else std.transpose(1, 2, 0),
        }
    channels = len(mean)
    everywhere = mean.shape[1:] == (1, 1)
    scale = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1), (256, channels, 1, 1))
    plain = Normalization(np.zeros((channels, 1, 1), np.float32))
    levels = (normalization if everywhere else plain).apply(scale)[:, :, 0, 0]
    return {"levels": levels, "mean": None if everywhere else mean.transpose(1, 2, 0), "std": None}


def pick(batch: Batch) -> Picked:
    """A batch as arrays of the host."""
    plan = batch.plan
    pixels = None if batch.pixels is None else batch.pixels.transpose(0, 2, 3, 1)
    arrays = (batch.indices.astype(np.int32), plan.top.astype(np.int32), plan.left.astype(np.int32), plan.flip)
    shift = None if batch.shift is None else batch.shift.transpose(0, 2, 3, 1)
    erased = None if plan.erase is None else plan.erase.astype(np.int32)
    return Picked(*arrays, erased, pixels, shift)  # type: ignore[arg-type]


def batch_of(data: Store, picked: Picked, padding: int, dtype: Any, mode: Padding = "zeros") -> tuple[Array, Array]:
    """Pixels (N, H, W, C) and labels (N,) of a training batch."""
    labels = data.labels[picked.indices]
    if picked.pixels is not None:
        images = normalized(data, picked.pixels)
        images = images if picked.shift is None else images + picked.shift
    else:
        images = normalized(data, data.images(picked.indices))
    return erase(move(images, padding, picked, mode), picked.erase).astype(dtype), labels


def normalized(data: Store, images: Array) -> Array:
    """Bytes as normalized floats."""
    if data.levels is not None:
        looked_up: Array = data.levels[images, jnp.arange(images.shape[-1])]
        return looked_up if data.mean is None else looked_up - data.mean
    pixels = images.astype(jnp.float32) * SCALE
    pixels = pixels if data.mean is None else pixels - data.mean
    return pixels if data.std is None else pixels / data.std


def move(images: Array, padding: int, picked: Picked, mode: Padding = "zeros") -> Array:
    """Pad, crop and mirror."""
    _, height, width, channels = images.shape
    if padding:
        sides = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        padded = jnp.pad(images, sides, "reflect" if mode == "reflect" else "constant")

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
