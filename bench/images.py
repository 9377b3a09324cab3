"""Training images a second: the pipeline against torchvision's transforms in a DataLoader, Pillow by hand, and bare decoding.

pip install 'archspec-nn[images]' && pip install --no-deps torchvision==0.28.0
python bench/images.py --photos PHOTOS     (a folder or a tar of JPEGs)

Two transforms, each then mirrored or not and normalized to float32: `scale`, the shorter side drawn from [256, 480] and a crop of
224 (He et al., 2015), and `resized`, a share of the area at a ratio, resized to 224 (Inception's, torchvision's and timm's). Each
contender is a process of its own, bound to one core or two, with as many workers; they run in turns, and what is printed are
medians, and medians of the ratios of a round, by the clock and by the time that processors spent, which on a busy machine is the
one to look at. Photos are read from files that the system has in memory.

`pipeline` is what `archspec train` does on a CPU, floats included; `bytes` is what it hands to a GPU, which normalizes. Bare
decoding is the most that can be had of the same files: as many threads as cores, each of which reads a file, has simplejpeg
decode all of it, and drops the pixels.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from photos import as_folder
from PIL import Image

BATCH = 32
SIDES = (256, 480)
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def cpu_seconds() -> float:
    """What this process and its children have used, the latter as /proc tells of those that live."""
    used = sum(os.times()[:2])
    ticks = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            used += (int(fields[11]) + int(fields[12])) / ticks
    return used


class Rate(NamedTuple):
    """Images per second, and per second of a processor, which others on the machine change less."""

    wall: float
    cpu: float


def rate(batches: Iterable[object], steps: int, warm: int = 8) -> Rate:
    """Of steady state."""
    start = used = 0.0
    for number, _ in enumerate(batches, 1):
        if number == warm:
            start, used = time.perf_counter(), cpu_seconds()
        if number == warm + steps:
            images = steps * BATCH
            return Rate(images / (time.perf_counter() - start), images / (cpu_seconds() - used))
    raise ValueError("too few batches")


def training(folder: Path, crop: str, **resizing: Any) -> tuple[Any, Any]:
    """The training split and what is done to it."""
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.recipe.augmentations import RandomCrop, RandomResizedCrop, ResizeShorter
    from archspec_runtime.recipe.images import Data, HFlip

    cut = (ResizeShorter(*SIDES), RandomCrop()) if crop == "scale" else (RandomResizedCrop(),)
    data = Data(dataset="image_folder", augment=(*cut, HFlip()), **resizing)
    return open_dataset(data, folder, input_shape=(3, 224, 224), classes=10, seed=0).train, data


def pipeline(folder: Path, workers: int, steps: int, crop: str, *, floats: bool = True, **resizing: Any) -> Rate:
    """The runtime's batches as `archspec train` takes them; floats as its PyTorch trainer makes them."""
    import torch

    from archspec_runtime.batches.normalization import Normalization
    from archspec_runtime.batches.order import Batches
    from archspec_torch.trainer.images import Images

    torch.set_num_threads(workers)
    split, data = training(folder, crop, **resizing)
    normalization = Normalization(MEAN[:, None, None], STD[:, None, None])
    batches = Batches(split, data, BATCH, 0, (3, 224, 224), normalization, workers=workers)
    images = Images(split, normalization, torch.device("cpu"), torch.float32)
    made = batches.run(0, steps + 20)
    return rate((images.batch(batch) for batch in made) if floats else made, steps)


def threads(folder: Path, workers: int, steps: int, crop: str) -> Rate:
    """What `bytes` would be with threads of one process in place of worker processes."""
    from archspec_runtime.batches.reading import Reader

    split, data = training(folder, crop)
    reader = Reader(split, data, (3, 224, 224), 0)

    def read(position: int) -> np.ndarray:
        pixels = np.empty((224, 224, 3), np.uint8)
        reader.read(position % len(split), 0, position, pixels, np.empty(3, np.float32))
        return pixels

    def batches() -> Iterator[np.ndarray]:
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[list[Future[np.ndarray]]] = deque()
            for step in range(steps + 20):
                waiting.append(
                    [pool.submit(read, position) for position in range(step * BATCH, (step + 1) * BATCH)]
                )
                if len(waiting) > 3:
                    yield np.stack([future.result() for future in waiting.popleft()])

    return rate(batches(), steps)


def loader(folder: Path, workers: int, steps: int, transform: Callable[[Image.Image], object]) -> Rate:
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)
    files = sorted((folder / "train").rglob("*.jpg"))

    class Photos(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return (steps + 20) * BATCH

        def __getitem__(self, index: int) -> tuple[object, int]:
            with open(files[index % len(files)], "rb") as file:
                return transform(Image.open(file).convert("RGB")), 0

    return rate(DataLoader(Photos(), BATCH, num_workers=workers), steps)


def with_torchvision(folder: Path, workers: int, steps: int, crop: str) -> Rate:
    from peers import torchvision

    torchvision()
    from torchvision import transforms
    from torchvision.transforms import functional

    scaled = [lambda image: functional.resize(image, random.randint(*SIDES)), transforms.RandomCrop(224)]
    transform = transforms.Compose([
        *(scaled if crop == "scale" else [transforms.RandomResizedCrop(224)]),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN.tolist(), STD.tolist()),
    ])  # fmt: skip
    return loader(folder, workers, steps, transform)


def by_hand(folder: Path, workers: int, steps: int, crop: str) -> Rate:
    """Pillow and NumPy, with only what is seen resized."""

    def box(width: int, height: int) -> tuple[float, float]:
        if crop == "scale":
            side = 224 * min(width, height) / random.randint(*SIDES)
            return side, side
        while True:
            area, ratio = random.uniform(0.08, 1) * width * height, math.exp(random.uniform(-0.2877, 0.2877))
            if (across := math.sqrt(area * ratio)) <= width and (down := math.sqrt(area / ratio)) <= height:
                return across, down

    def transform(image: Image.Image) -> np.ndarray:
        across, down = box(*image.size)
        left, top = random.uniform(0, image.width - across), random.uniform(0, image.height - down)
        image = image.resize((224, 224), Image.Resampling.BILINEAR, box=(left, top, left + across, top + down))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return ((np.asarray(image, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)

    return loader(folder, workers, steps, transform)


def bare(folder: Path, workers: int, steps: int, crop: str) -> Rate:
    """Nothing but reading and decoding files."""
    import simplejpeg

    files = sorted((folder / "train").rglob("*.jpg"))
    each = steps * BATCH // workers

    def decode(count: int) -> None:
        for number in range(count):
            with open(files[number % len(files)], "rb") as file:
                simplejpeg.decode_jpeg(file.read())

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, [len(files)] * workers))
        start, used = time.perf_counter(), cpu_seconds()
        list(pool.map(decode, [each] * workers))
        return Rate(each * workers / (time.perf_counter() - start), each * workers / (cpu_seconds() - used))


CONTENDERS: dict[str, Callable[[Path, int, int, str], Rate]] = {
    "pipeline": pipeline,
    "pipeline, resizer: pillow": lambda *given: pipeline(*given, resizer="pillow"),
    "pipeline, antialias: false": lambda *given: pipeline(*given, antialias=False),
    "bytes": lambda *given: pipeline(*given, floats=False),
    "bytes, resizer: pillow": lambda *given: pipeline(*given, floats=False, resizer="pillow"),
    "bytes, antialias: false": lambda *given: pipeline(*given, floats=False, antialias=False),
    "bytes, by threads": threads,
    "torchvision": with_torchvision,
    "Pillow by hand": by_hand,
    "bare decoding": bare,
}
PEERS = {"torchvision": "torchvision", "Pillow by hand": "Pillow", "bare decoding": "bare"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--crops", nargs="+", default=["scale", "resized"], choices=["scale", "resized"])
    parser.add_argument(
        "--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS), metavar="NAME"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        cores = options.cores[0]
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
        print(*CONTENDERS[options.only](options.photos, cores, options.steps, options.crops[0]))
        return
    with tempfile.TemporaryDirectory() as folder:
        as_folder(options.photos, Path(folder))
        for crop in options.crops:
            for cores in options.cores:
                compare(Path(folder), options.contenders, crop, cores, options.rounds, options.steps)


def compare(folder: Path, contenders: list[str], crop: str, cores: int, rounds: int, steps: int) -> None:
    found: dict[str, list[Rate]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in contenders[:: 1 if number % 2 else -1]:
            command = [sys.executable, __file__, "--photos", str(folder), "--only", name, "--cores", str(cores),
                       "--crops", crop, "--steps", str(steps)]  # fmt: skip
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[name].append(Rate(*map(float, done.stdout.split())))
    peers = [name for name in PEERS if name in contenders]
    for kind, per in (("wall", "second"), ("cpu", "second of a processor")):
        what = f"{crop}, {cores} {'core' if cores == 1 else 'cores'}, images a {per}"
        print(f"\n{what:<50}{'':>9}" + "".join(f"{'/' + PEERS[peer]:>14}" for peer in peers))
        rates = {name: [getattr(r, kind) for r in all_] for name, all_ in found.items()}
        for name, own in rates.items():
            ratios = [statistics.median(a / b for a, b in zip(own, rates[peer], strict=True)) for peer in peers]
            print(f"{name:<50}{statistics.median(own):>9.0f}" + "".join(f"{ratio:>14.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
