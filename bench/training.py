"""`archspec train` as a whole program against a hand-written loop and against the bare compiled step.

python bench/training.py --data DIR   (the real CIFAR-10 images; without it, noise of the same shape)

Each is a process of its own, and they run in turn; images per second of steady state, compilation left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pairs import line

MAIN = "import sys; sys.argv[0] = 'archspec'; from archspec_cli.main import main; main()"
BATCH = 128
# how many workers its DataLoader has, which by default has none
BY_HAND = {"a loop by hand": 0, "a loop by hand, two workers": 2}


def program(net: str, data: Path | None, steps: int, backend: str = "torch") -> float:
    """Images per second of `archspec train` between its first log line after compilation and its last step."""
    with tempfile.TemporaryDirectory() as folder:
        where = (
            ["--data", str(data)]
            if data
            else ["--set", "train.data.dataset=synthetic", "--set", "train.data.holdout=0"]
        )
        subprocess.run(
            [sys.executable, "-c", MAIN, "train", net, "--backend", backend, *where, "--out", f"{folder}/run",
             "--steps", str(steps), "--eval-every", "100000"],
            check=True, capture_output=True,
        )  # fmt: skip
        rows = [json.loads(row) for row in Path(folder, "run/metrics.jsonl").read_text().splitlines()]
        speeds = [row["images_per_second"] for row in rows if row["kind"] == "train"]
    if len(speeds) < 3:  # the first two are spent compiling
        sys.exit(f"--steps {steps} are too few to measure a speed after what is compiled: 60 or more")
    return statistics.median(speeds[2:])


def by_hand(net: str, data: Path | None, steps: int, workers: int) -> float:
    """A plain eager loop over the same net: a DataLoader that augments in the worker, NCHW, float32."""
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, Dataset

    import archspec

    images, labels = arrays(data)
    mean = images.mean(0, dtype=np.float32) / 255

    class Cifar(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            image = torch.from_numpy(images[index].astype(np.float32) / 255 - mean)
            image = F.pad(image, (4, 4, 4, 4))
            top, left = torch.randint(0, 9, (2,)).tolist()
            image = image[:, top : top + 32, left : left + 32]
            return (image.flip(2) if torch.rand(()) < 0.5 else image), int(labels[index])

    loader = DataLoader(Cifar(), BATCH, shuffle=True, num_workers=workers, drop_last=True)
    model = archspec.build(archspec.load(net), "torch")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    done, start = 0, 0.0
    while True:
        for batch, target in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch), target)
            loss.backward()
            optimizer.step()
            done += 1
            if done == 5:
                start = time.perf_counter()
            if done == steps + 5:
                return steps * BATCH / (time.perf_counter() - start)


def bare_step(net: str, steps: int) -> float:
    """The compiled channels-last step alone, on one batch that lies there."""
    import torch
    import torch.nn.functional as F

    import archspec

    model = archspec.build(archspec.load(net), "torch").to(memory_format=torch.channels_last)
    compiled = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,))
    start = 0.0
    for number in range(steps + 5):
        if number == 5:
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(compiled(images), labels).backward()
        optimizer.step()
    return steps * BATCH / (time.perf_counter() - start)


def arrays(data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    if data is None:
        random = np.random.default_rng(0)
        return random.integers(0, 256, (2048, 3, 32, 32), np.uint8), random.integers(0, 10, 2048)
    from archspec_runtime.data.splits import open_dataset
    from archspec_runtime.recipe.images import Data

    split = open_dataset(Data(dataset="cifar10"), data, input_shape=(3, 32, 32), classes=10, seed=0).train
    return split.images, split.labels


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="cifar_resnet:resnet20")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only in BY_HAND:
        print(by_hand(options.net, options.data, options.steps, BY_HAND[options.only]))
        return
    if options.only == "bare step":
        print(bare_step(options.net, options.steps))
        return
    others = [*BY_HAND, "bare step"]
    speeds: dict[str, list[float]] = {name: [] for name in ("program", *others)}
    for _ in range(options.rounds):
        speeds["program"].append(program(options.net, options.data, options.steps))
        for other in others:
            done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", other],
                                  check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
            speeds[other].append(float(done.stdout))
    for name, found in speeds.items():
        line(f"{options.net}, batch {BATCH}: {name}", statistics.median(found), "/s")
    for other in others:
        bound = "at least 0.97" if other == "bare step" else "at least 1.4"
        pairs = zip(speeds["program"], speeds[other], strict=True)
        line(f"archspec train over {other}", statistics.median(a / b for a, b in pairs), "", bound)


if __name__ == "__main__":
    main()
