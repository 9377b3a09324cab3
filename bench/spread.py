"""Test errors over seeds: `archspec train` against the loop of `plain_loop.py`, and that loop with parts of ours in it.

    python bench/spread.py --data DIR --seeds 16 --arms plain ours
    python bench/spread.py --data DIR --seeds 16 --blocks 1 --width 8 --images 9000 --steps 200     reduced
    python bench/spread.py --data DIR --seeds 16 --keep runs.jsonl      what is kept of runs of this size is not run again

Prints the errors of each arm, their mean and standard deviation, and how likely variances that differ so are by chance:
F test and Levene's test (about medians) against the first arm. `plain+order`, `plain+draws`, `plain+start` and `plain+all` are
the plain loop with the order of samples, the crops and flips, the initial weights, or all of them, as archspec has them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from plain_loop import Images, Parts, Size, add_size, plain_parts, read_images, size_of, split, test_error, train
from torch import Tensor, nn

ARMS = ("plain", "ours", "plain+start", "plain+order", "plain+draws", "plain+all")


def our_parts(seed: int) -> Parts:
    """Start, order and draws as archspec has them."""
    from archspec_runtime.augment.plan import epoch_plan
    from archspec_runtime.draws import epoch_order
    from archspec_runtime.recipe.images import HFlip, PadCrop

    def start(size: Size) -> nn.Module:
        import archspec

        theirs = archspec.build(archspec.load("cifar_resnet", set=settings(size, seed)), "torch", seed=seed)
        torch.manual_seed(seed)
        model = plain_parts(seed).start(size)
        model.load_state_dict(theirs.state_dict())
        return model

    def draws(epoch: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        plan = epoch_plan((PadCrop(4), HFlip()), seed, epoch, count)
        return torch.from_numpy(plan.top), torch.from_numpy(plan.left), torch.from_numpy(plan.flip)

    return Parts(start, lambda epoch, count: torch.from_numpy(epoch_order(seed, epoch, count)), draws)


def settings(size: Size, seed: int, held_out: int = 5_000) -> dict[str, object]:
    """What makes `cifar_resnet` a net and a recipe of this size."""
    phases = [{"value": size.lr, "until": f"step {size.drop}"}, {"value": size.lr / 10}]
    widths = {f"stages.{i}.width": size.width << i for i in range(3)}
    return {
        "n": size.blocks, "stem.0.conv1.conv.out": size.width, **widths, "train.seed": seed, "train.steps": size.steps,
        "train.lr": phases, "train.data.holdout": held_out,
    }  # fmt: skip


def ours(size: Size, seed: int, data: Path, threads: int, held_out: int) -> float:
    """The test error in percent of `archspec train`."""
    from typer.testing import CliRunner

    from archspec_cli.main import app

    with tempfile.TemporaryDirectory() as folder:
        sets = [
            word for k, v in settings(size, seed, held_out).items() for word in ("--set", f"{k}={json.dumps(v)}")
        ]
        words = ["train", "cifar_resnet", *sets, "--data", str(data), "--out", f"{folder}/run", "--device", "cpu",
                 "--eval-every", "100000", "--threads", str(threads), "--checkpoint-every", "100000"]  # fmt: skip
        done = CliRunner().invoke(app, words)
        if done.exit_code:
            raise SystemExit(done.output)
        rows = [json.loads(row) for row in Path(folder, "run/metrics.jsonl").read_text().splitlines()]
    return next(row["top1_error"] for row in reversed(rows) if row["kind"] == "eval" and row["split"] == "test")


def mixed(arm: str, seed: int) -> Parts:
    """The plain loop's parts, with ours where the arm's name says so."""
    plain, other = plain_parts(seed), our_parts(seed) if arm != "plain" else plain_parts(seed)
    return Parts(
        other.start if arm.endswith(("start", "all")) else plain.start,
        other.order if arm.endswith(("order", "all")) else plain.order,
        other.draws if arm.endswith(("draws", "all")) else plain.draws,
    )


class Kept:
    """The errors of runs of one size in a file, so that hours of runs may be had in pieces."""

    def __init__(self, file: Path | None, size: dict[str, float]) -> None:
        self.file, self.size = file, size
        rows = [json.loads(row) for row in file.read_text().splitlines()] if file and file.exists() else []
        self.known = {(row["arm"], row["seed"]): float(row["error"]) for row in rows if row["size"] == size}

    def error(self, arm: str, seed: int) -> float | None:
        """The test error of a run that is kept."""
        return self.known.get((arm, seed))

    def add(self, arm: str, seed: int, error: float) -> None:
        """Keep a run's error."""
        if self.file and (arm, seed) not in self.known:
            with self.file.open("a") as out:
                out.write(json.dumps({"arm": arm, "seed": seed, "error": error, "size": self.size}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["plain", "ours"])
    parser.add_argument("--keep", type=Path, help="a file of JSON lines: each run's error as soon as it is known")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size = size_of(options)
    held_out = 50_000 - options.images
    errors: dict[str, list[float]] = {arm: [] for arm in options.arms}
    kept = Kept(options.keep, {**asdict(size), "images": options.images})
    for seed in range(options.first, options.first + options.seeds):
        images: Images | None = None
        for arm in options.arms:
            if (error := kept.error(arm, seed)) is not None:
                pass
            elif arm == "ours":
                with contextlib.redirect_stderr(io.StringIO()):
                    error = ours(size, seed, options.data, options.threads, held_out)
            else:
                images = images or read_images(options.data, split(seed, options.images))
                error = test_error(train(size, mixed(arm, seed), images)[1], images)
            errors[arm].append(error)
            kept.add(arm, seed, error)
            print(f"seed {seed}  {arm:<12} {error:.2f}%", flush=True)
    first, *others = options.arms
    for arm, found in errors.items():
        print(f"{arm:<12} {statistics.mean(found):.2f} +- {statistics.stdev(found):.2f}  of {len(found)} seeds")
    for arm in others:
        print(f"{arm} against {first}: {compared(errors[arm], errors[first])}")


def compared(one: list[float], other: list[float]) -> str:
    """The ratio of standard deviations and the p values, two-sided."""
    from scipy import stats

    ratio = statistics.variance(one) / statistics.variance(other)
    tail = stats.f.cdf(ratio, len(one) - 1, len(other) - 1)
    levene = stats.levene(one, other, center="median").pvalue
    return f"standard deviations {ratio**0.5:.2f} : 1, F test p = {2 * min(tail, 1 - tail):.2f}, Levene p = {levene:.2f}"


if __name__ == "__main__":
    main()
