"""The first fifteen minutes on a GPU: what only a device can show, stage by stage, each in a process with a limit of its own.

    python bench/first_gpu.py --out results                   on the GPU; again, and it goes on where it ended
    python bench/first_gpu.py --out results --only syncs      one stage
    python bench/first_gpu.py --out small --device cpu        all of it small, on a CPU: that the script works

After each stage `results/STAGE.json` says whether it went well, how long it took and what it found; `summary.json` has all of
them. A stage that fails or takes too long does not stop those after it. Exit code 1: a stage failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from first_gpu_stages.limits import out_of_memory, two_ranks
from first_gpu_stages.numerics import precisions, same_numbers
from first_gpu_stages.resuming import resuming
from first_gpu_stages.speed import jax_resnet50, resnet50
from first_gpu_stages.stage import Found, Stage, archspec
from first_gpu_stages.surroundings import jax_steps, launches, versions
from first_gpu_stages.waits import syncs

STAGES: dict[str, tuple[Callable[[Stage], Found], int]] = {
    "versions": (versions, 60), "launches": (launches, 60), "jax_steps": (jax_steps, 90), "same_numbers": (same_numbers, 180),
    "syncs": (syncs, 150), "precisions": (precisions, 180), "resuming": (resuming, 150), "resnet50": (resnet50, 240),
    "jax_resnet50": (jax_resnet50, 180), "two_ranks": (two_ranks, 120), "out_of_memory": (out_of_memory, 90),
}  # fmt: skip
"""In the order in which they run, each with the seconds that it may take."""


SLOWER = 3  # a CPU is, where others use it too


def failures(found: Any) -> Iterator[str]:
    """What failed anywhere in what a stage found."""
    if isinstance(found, dict):
        yield from ([found["failed"]] if "failed" in found else [])
        for value in found.values():
            yield from failures(value)


def run_stage(name: str, stage: Stage) -> int:
    """One stage in this process; what it found is the last line of what it prints."""
    found: Found = {}
    try:
        found = STAGES[name][0](stage)
        failed = [*failures(found)]
    except Exception:  # noqa: BLE001 - likewise
        failed = [traceback.format_exc()[-3000:]]
    print(json.dumps({"ok": not failed, "failed": failed, "found": found}))
    return int(bool(failed))


def in_process(name: str, stage: Stage, limit: float) -> Found:
    """One stage in a process of its own, ended with all that it started where it takes too long."""
    command = [sys.executable, __file__, "--stage", name, "--device", stage.device, "--out", str(stage.out)]
    start = time.perf_counter()
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, complained = run.communicate(timeout=limit)
        found = json.loads(said.splitlines()[-1])
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        found = {"ok": False, "failed": [f"took more than {limit:.0f} seconds"], "found": {}}
    except (IndexError, ValueError):
        found = {"ok": False, "failed": [f"ended with {run.returncode}: {complained[-3000:]}"], "found": {}}
    return {"stage": name, "device": stage.device, "seconds": round(time.perf_counter() - start, 1), **found}


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["--as-rank"]:  # of two on one device, where NCCL wants a device for each
        from archspec_torch.trainer import world

        world.BACKENDS = "cpu:gloo,cuda:gloo"
        return archspec(words[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE")
    parser.add_argument("--seconds", type=float, default=900, help="for all stages together (default: %(default)s)")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    stage = Stage(options.device, options.out.resolve())
    stage.out.mkdir(parents=True, exist_ok=True)
    if options.stage:
        return run_stage(options.stage, stage)
    end = time.monotonic() + options.seconds
    for name in options.only:
        path = stage.out / f"{name}.json"
        if path.exists() and json.loads(path.read_text())["ok"]:
            print(f"{name}: done before")
            continue
        if (left := end - time.monotonic()) < 5:
            print(f"{name}: no time left; start again to go on")
            break
        limit = STAGES[name][1] * (SLOWER if stage.small else 1)
        found = in_process(name, stage, min(limit, left))
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name}: {'ok' if found['ok'] else 'FAILED'} in {found['seconds']} s", *found["failed"], sep="\n  ")
    results = [json.loads(p.read_text()) for n in STAGES if (p := stage.out / f"{n}.json").exists()]
    (stage.out / "summary.json").write_text(json.dumps(results, indent=1) + "\n")
    return int(not all(result["ok"] for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
