"""What a worker does: read an image, cut and change it as its place in the epoch says, and put its bytes where they belong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.augment.single import transform
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.splits import ArraySplit
from archspec_runtime.draws import generator
from archspec_runtime.images.decoding import Bytes, Photo, Pixels
from archspec_runtime.recipe.images import Data

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the training images of a run, as large as `shape`; it travels to the workers."""

    split: EncodedSplit | ArraySplit
    data: Data
    shape: tuple[int, int, int]  # (C, H, W)
    seed: int

    def read(self, index: int, epoch: int, position: int, pixels: Bytes, shift: Floats) -> tuple[int, list[str]]:
        """Put the image at a position of an epoch into `pixels` (H, W, C), and what is added to its colours into `shift` (C,).

        The choices depend on (seed, epoch, position) alone. Returns which image it was, another where `index` was corrupt and
        the recipe says to skip, and what was said of those that were. Raises DataError.
        """

        def use(photo: Photo | Pixels) -> None:
            random = generator(self.seed, f"image {position}", epoch)
            seen, moved = transform(photo, self.data.augment, self.shape, random, self.data.resizing)
            pixels[...] = seen
            shift[...] = 0 if moved is None or self.shape[0] != 3 else moved

        said: list[str] = []
        if isinstance(self.split, ArraySplit):  # in memory all can be read
            use(Pixels(np.ascontiguousarray(self.split.images[index].transpose(1, 2, 0))))
            return index, []
        used, _ = self.split.readable(index, use, self.data.corrupt == "skip", said.append)
        return used, said
