"""The speed run on CIFAR-10 (`cifar_speedrun`) against a script by hand of the same net: time of a step, and test errors.

    python bench/speedrun.py --data DIR --steps 30                     time a step, in pairs
    python bench/speedrun.py --data DIR --quarter --images 10000 --steps 200 --seeds 5 --errors     errors over seeds

DIR holds `cifar-10-batches-bin`. The script by hand is below, with nothing of archspec in it: the net, its start, the
augmentation, SGD, the schedule, the averaged weights and the evaluation, as `specs/recipes/cifar_speedrun.yaml` has them.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH, RATE, MOMENTUM, DECAY, BIAS = 1024, 1.5, 0.85, 1.33e-3, 64
FIRST, LAST, PEAK = 0.2, 0.07, 109 / 475  # shares of the rate at both ends, and when it is highest


# --- by hand --------------------------------------------------------------------------------------------


class Group(nn.Module):
    """Two convolutions that begin as identities."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after, eps=1e-12, momentum=0.4)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after, eps=1e-12, momentum=0.4)
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight.data[: conv.weight.size(1)])

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, before, H, W) to (N, after, H // 2, W // 2)."""
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Net(nn.Module):
    """airbench94's net, `width` channels wide in its first group."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.groups = nn.Sequential(Group(24, width), Group(width, 4 * width), Group(4 * width, 4 * width))
        self.fc = nn.Linear(4 * width, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, 32, 32) to logits (N, 10)."""
        x = self.groups(F.gelu(self.whiten(x)))
        return self.fc(F.max_pool2d(x, 3).flatten(1)) / 9


def whitening(images: Tensor) -> Tensor:
    """Filters (24, 3, 2, 2) that whiten the 2x2 patches of images (N, 3, 32, 32)."""
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12)
    variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (components / (variances + 5e-4).sqrt()).T.flip(0).reshape(12, 3, 2, 2)
    return torch.cat([filters, -filters])


def batches(images: Tensor, labels: Tensor, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end: cropped out of the image and two pixels of its reflection, and mirrored every other epoch."""
    random = torch.Generator().manual_seed(seed)
    mirrored = torch.rand(len(images), generator=random) < 0.5
    padded = F.pad(images, (2, 2, 2, 2), "reflect")
    rows = torch.arange(32)
    while True:
        order = torch.randperm(len(images), generator=random)
        for chosen in order.split(BATCH)[: len(images) // BATCH]:
            top, left = torch.randint(0, 5, (2, len(chosen), 1), generator=random)
            across = torch.where(mirrored[chosen][:, None], rows.flip(0), rows) + left
            index = chosen[:, None, None], slice(None), (top + rows)[:, :, None], across[:, None, :]
            yield padded[index].permute(0, 3, 1, 2), labels[chosen]  # (N, H, W, C) in memory: channels last
        mirrored = ~mirrored


def by_hand(
    data: Path, width: int, count: int, steps: int, seed: int, *, errors: bool
) -> tuple[float, float | None]:
    """The seconds of a step, and where it is asked for the test error in percent."""
    torch.manual_seed(seed)
    images, labels, tests, test_labels = read(data, seed, count)
    model = Net(width).to(memory_format=torch.channels_last)
    model.whiten.weight.data.copy_(whitening(images[:5_000]))
    model.whiten.weight.requires_grad_(False)
    biases, others = [], []
    for name, p in model.named_parameters():
        if "norm" in name:
            p.requires_grad_(name.endswith("bias"))
        if p.requires_grad:
            (biases if "norm" in name else others).append(p)
    groups = [
        {"params": biases, "lr": RATE * BIAS, "weight_decay": DECAY / BIAS},
        {"params": others, "lr": RATE, "weight_decay": DECAY},
    ]
    optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True, fused=True)
    average, taken = copy.deepcopy(model), []
    shares = np.interp(np.arange(steps), [0, int(PEAK * steps), steps], [FIRST, 1, LAST])
    for step, (x, y) in zip(range(steps), batches(images, labels, seed), strict=False):
        begun = time.perf_counter()
        model.train()
        for group, rate in zip(optimizer.param_groups, (RATE * BIAS, RATE), strict=True):
            group["lr"] = rate * shares[step]
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y, label_smoothing=0.2)
        loss.backward()
        optimizer.step()
        if (step + 1) % 5 == 0:
            with torch.no_grad():
                for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
                    mean.lerp_(value, 1 - 0.774) if mean.is_floating_point() else mean.copy_(value)
        taken.append(time.perf_counter() - begun)
    if not errors:
        return statistics.median(taken[2:]), None
    average.eval()
    with torch.no_grad():
        found = [average(x) + average(x.flip(3)) for x in tests.split(500)]
    wrong = (torch.cat(found).argmax(1) != test_labels).float().mean().item()
    return statistics.median(taken[2:]), 100 * wrong


def read(data: Path, seed: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test images, normalized by channel, channels last, with their labels."""

    def file(name: str) -> tuple[Tensor, Tensor]:
        raw = torch.from_numpy(np.fromfile(data / "cifar-10-batches-bin" / name, np.uint8).reshape(-1, 3_073))
        return raw[:, 1:].reshape(-1, 3, 32, 32), raw[:, 0].long()

    parts = [file(f"data_batch_{number}.bin") for number in range(1, 6)]
    images, labels = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    chosen = torch.randperm(50_000, generator=torch.Generator().manual_seed(seed))[:count]
    tests, test_labels = file("test_batch.bin")
    images, tests = images[chosen].float() / 255, tests.float() / 255
    std, mean = torch.std_mean(images, (0, 2, 3), keepdim=True)
    images, tests = (((x - mean) / std).contiguous(memory_format=torch.channels_last) for x in (images, tests))
    return images, labels[chosen], tests, test_labels


# --- archspec -------------------------------------------------------------------------------------------


def ours(data: Path, preset: str, count: int, steps: int, seed: int, threads: int) -> tuple[float, float]:
    """The seconds of a step and the test error in percent of `archspec train`."""
    from typer.testing import CliRunner

    from archspec_cli.main import app

    phases = [
        {"linear": {"from": FIRST * RATE, "to": RATE}, "until": f"step {int(PEAK * steps)}"},
        {"linear": {"from": RATE, "to": LAST * RATE}},
    ]
    sets = {"train.lr": phases, "train.data.holdout": 50_000 - count, "train.seed": seed, "train.steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        given = [word for key, value in sets.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        words = ["train", f"cifar_speedrun:{preset}", *given, "--data", str(data), "--out", f"{folder}/run",
                 "--device", "cpu", "--threads", str(threads), "--eval-every", "100000 steps",
                 "--checkpoint-every", "100000"]  # fmt: skip
        with contextlib.redirect_stderr(io.StringIO()):
            done = CliRunner().invoke(app, words)
        if done.exit_code:
            raise SystemExit(done.output)
        rows = [json.loads(row) for row in Path(folder, "run/metrics.jsonl").read_text().splitlines()]
    speeds = [row["images_per_second"] for row in rows if row["kind"] == "train"]
    error = next(row["top1_error"] for row in reversed(rows) if row["kind"] == "eval" and row["split"] == "test")
    return BATCH / statistics.median(speeds[1:] or speeds), error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of cifar-10-batches-bin")
    parser.add_argument("--quarter", action="store_true", help="a quarter as wide")
    parser.add_argument("--images", type=int, default=50_000, help="that are trained on")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--errors", action="store_true", help="measure test errors as well")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    preset, width = ("quarter", 16) if options.quarter else ("full", 64)
    errors: dict[str, list[float]] = {"by hand": [], "archspec": []}
    ratios = []
    for seed in range(options.seeds):
        theirs, error = by_hand(options.data, width, options.images, options.steps, seed, errors=options.errors)
        mine, own = ours(options.data, preset, options.images, options.steps, seed, options.threads)
        ratios.append(theirs / mine)
        told = ""
        if error is not None:
            errors["by hand"].append(error)
            errors["archspec"].append(own)
            told = f"; test error by hand {error:.2f}%, archspec {own:.2f}%"
        print(f"seed {seed}: a step by hand {theirs:.3f} s, of archspec {mine:.3f} s{told}", flush=True)
    print(f"speed of archspec over the script by hand: {statistics.median(ratios):.3f} (at least 0.95)")
    if options.errors and options.seeds > 1:
        for name, found in errors.items():
            print(f"{name:<9} test error {statistics.mean(found):.2f}% +- {statistics.stdev(found):.2f}")


if __name__ == "__main__":
    main()
