"""How fast a worker reads training images from a folder and from each packed form, and how large they are: on one core, in turns.

python bench/packed.py --photos PHOTOS     (a folder or a tar of JPEGs)
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pairs import in_turn
from photos import as_folder

from archspec_runtime.batches.reading import Reader
from archspec_runtime.data.packing import pack
from archspec_runtime.data.splits import open_dataset
from archspec_runtime.recipe.augmentations import RandomResizedCrop
from archspec_runtime.recipe.images import Data, HFlip

SHAPE = (3, 224, 224)
DATA = Data(dataset="image_folder", augment=(RandomResizedCrop(), HFlip()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as temporary:
        folder = as_folder(options.photos, Path(temporary) / "folder")
        places = {"folder": folder}
        for name, form, size in (("same", "same", None), (f"jpeg {options.size}", "jpeg", options.size),
                                 (f"raw {options.size}", "raw", options.size), ("raw", "raw", None)):  # fmt: skip
            places[name] = Path(temporary) / name
            pack(folder, places[name], DATA, form, size, skip=False)  # type: ignore[arg-type]
        times = in_turn({name: reading(place) for name, place in places.items()}, options.rounds)
        sizes = {name: sum(p.stat().st_size for p in place.rglob("train*/**/*.jpg")) or (place / "train.bin").stat().st_size
                 for name, place in places.items()}  # fmt: skip
    print(f"{'':<14}{'of the time':>14}{'of the size':>14}")
    for name, seconds in times.items():
        share = statistics.median(a / b for a, b in zip(seconds, times["folder"], strict=True))
        print(f"{name:<14}{share:>14.2f}{sizes[name] / sizes['folder']:>14.2f}")


def reading(folder: Path) -> Callable[[], object]:
    split = open_dataset(DATA, folder, input_shape=SHAPE, classes=10, seed=0).train
    reader = Reader(split, DATA, SHAPE, 0)  # type: ignore[arg-type]
    pixels, shift = np.empty((224, 224, 3), np.uint8), np.empty(3, np.float32)
    return lambda: [reader.read(index, 0, index, pixels, shift) for index in range(len(split))]


if __name__ == "__main__":
    main()
