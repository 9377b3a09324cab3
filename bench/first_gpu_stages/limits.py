"""Two processes on one device, and a batch for which it has no room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .stage import SYNTHETIC, Found, Stage, of_run

SCRIPT = Path(__file__).parents[1] / "first_gpu.py"


def two_ranks(stage: Stage) -> Found:
    """Two processes on one device over gloo: DDP with batch norm over both, micro-batches, shards, and a resumed run."""
    found: Found = {}
    for name, words in {"ddp": ["--set", "train.accumulate=2"], "shard": ["--shard"]}.items():
        folder = stage.out / "runs" / name
        shutil.rmtree(folder, ignore_errors=True)
        device = "cpu" if stage.small else "cuda:0"
        base = [
            "train",
            "digits_resnet:resnet8",
            "--out",
            str(folder),
            "--device",
            device,
            "--threads",
            "1",
            *words,
        ]
        resumed = [] if stage.small and name == "shard" else [["--steps", "6", "--resume", "--override"]]
        for more in (["--steps", "3"], *resumed):
            command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517",
                       str(SCRIPT), "--as-rank", "--", *base, *more]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name}, {' '.join(more)}:\n{done.stderr[-2000:]}")
        found[name] = of_run(folder)
    return found


def out_of_memory(stage: Stage) -> Found:
    """A batch that no device has room for is said, with what needs less."""
    if stage.small:
        return {"not on a CPU": "where the system ends a process that takes too much"}
    sets = SYNTHETIC | {"batch_size": 2048, "precision": "fp32"}  # 172 GB of activations
    return {"training": stage.train("much", "resnet50", "--steps", 1, code=1, **sets)}
