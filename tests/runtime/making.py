"""What the tests of the runtime make: images, splits and batches."""

import numpy as np
from PIL import Image

from archspec_runtime.batches.normalization import measure
from archspec_runtime.batches.order import Batches
from archspec_runtime.data.splits import ArraySplit
from archspec_runtime.recipe.images import Data, HFlip, PadCrop

MOVED = (PadCrop(2), HFlip())


def noise(count=70, shape=(3, 8, 8), classes=10):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *shape), np.uint8)
    return ArraySplit(images, random.integers(0, classes, count))


def batches(split=None, size=8, seed=0, augment=MOVED):
    split = split or noise()
    shape = split.shape or (3, 8, 8)
    return Batches(split, Data(augment=augment), size, seed, shape, measure("none", noise(1), shape))


RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(left=RED, right=BLUE, mode="RGB", size=(16, 8)):
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image
