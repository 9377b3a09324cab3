"""Photographs with edges, shades and noise, a folder of them, and the batches that a run makes of it."""

import io

import numpy as np
from PIL import Image

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.recipe.augmentations import RandomCrop, ResizeShorter
from archspec_runtime.recipe.images import Data, HFlip

AUGMENT = (ResizeShorter(20, 40), RandomCrop(), HFlip())
SHAPE = (3, 16, 16)


def photograph(seed, size=(60, 45), quality=90, **options):
    """A JPEG of something with edges, shades and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 4 % 256, y * 5 % 256, (x + y) * (seed + 1) % 256], axis=-1)
    pixels = np.clip(pixels + random.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def as_folder(root):
    """A folder of two classes with 8 JPEGs each for training."""
    for split, count in (("train", 8), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index}.jpg").write_bytes(photograph(100 * label + index))
    return root


def batches(folder, workers=0, size=4, **data):
    recipe = Data(dataset="image_folder", **({"augment": AUGMENT} | data))
    found = open_dataset(recipe, folder, input_shape=SHAPE, classes=2, seed=0)
    skip = recipe.corrupt == "skip"
    return Batches(
        found.train, recipe, size, 0, SHAPE, measure("none", found.train, SHAPE, skip=skip), workers=workers
    )


def same(some, others):
    for one, other in zip(some, others, strict=True):
        for name in ("indices", "labels", "pixels"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
