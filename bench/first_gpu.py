"""The first fifteen minutes on a GPU: what only a device can show, stage by stage, each in a process with a limit of its own.

    python bench/first_gpu.py --out results                   on the GPU; again, and it goes on where it ended
    python bench/first_gpu.py --out results --only syncs      one stage
    python bench/first_gpu.py --out small --device cpu        all of it small, on a CPU: that the script works

After each stage `results/STAGE.json` says whether it went well, how long it took and what it found; `summary.json` has all of
them. A stage that fails or takes too long does not stop those after it. Exit code 1: a stage failed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Found = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """What a stage is given: where it computes and writes, and whether it is to be small."""

    device: str
    out: Path

    @property
    def small(self) -> bool:
        return self.device == "cpu"

    def steps(self, many: int) -> int:
        return 3 if self.small else many

    def train(
        self, name: str, spec: str, *words: object, code: int = 0, backend: str = "torch", **sets: object
    ) -> Found:
        """`archspec train` in this process: its speed, its memory and the hash of its weights. Raises where it ends otherwise."""
        folder = self.out / "runs" / name
        shutil.rmtree(folder, ignore_errors=True)
        given = [str(word) for word in words]
        device = (
            []
            if "--device" in given
            else ["--device", "cuda" if backend == "flax" and not self.small else self.device]
        )
        pairs = [part for key, value in sets.items() for part in ("--set", f"train.{key}={json.dumps(value)}")]
        command = ["train", spec, "--backend", backend, "--out", str(folder), "--force", *device, *pairs, *given]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            ended = archspec(command)
        if ended != code:
            raise RuntimeError(
                f"archspec {' '.join(command)} ended with {ended}, not {code}:\n{said.getvalue()[-2000:]}"
            )
        return (
            {"said": said.getvalue()[-600:]} if code else {**of_run(folder), "memory": memory_of(said.getvalue())}
        )


def archspec(words: list[str]) -> int:
    """The command in this process; its exit code."""
    from archspec_cli.main import app

    try:
        return app(words, standalone_mode=False) or 0
    except SystemExit as ended:
        return int(ended.code or 0)


def of_run(folder: Path) -> Found:
    """The last speed, loss and error of a run, and the hash of its weights."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    trained = [line for line in lines if line["kind"] == "train"]
    return {
        "images_per_second": trained[-1]["images_per_second"],
        "loss": trained[-1]["loss"],
        "weights": hashlib.sha256(weights_of(folder).read_bytes()).hexdigest()[:16],
    }


def weights_of(folder: Path) -> Path:
    """The weights of a run's last checkpoint."""
    return sorted((folder / "checkpoints").glob("step-*/weights.safetensors"))[-1]


def memory_of(said: str) -> str:
    """What a run said of memory, taken and expected."""
    found = re.search(r"took (.*) at its peak; about (.*) was expected", " ".join(said.split()))
    return f"{found[1]}, expected {found[2]}" if found else ""


def furthest(one: Path, other: Path) -> float:
    """The largest difference between the weights of two runs, against the largest weight of each tensor."""
    import numpy as np
    from safetensors.numpy import load_file

    here, there = load_file(weights_of(one)), load_file(weights_of(other))
    return max(
        float(np.abs(a - there[name]).max() / max(1e-9, np.abs(a).max()))
        for name, a in here.items()
        if a.dtype.kind == "f"
    )


# --- the stages -----------------------------------------------------------------------------------------


def versions(stage: Stage) -> Found:
    """What is installed, what `doctor` says, the device, and whether there is a compiler."""
    names = ("torch", "triton", "jax", "jaxlib", "flax", "numpy")
    found: Found = {"python": sys.version.split()[0], "compiler": shutil.which("cc") or shutil.which("gcc")}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
        found["gpus"] = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split("\n")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        found["doctor_code"] = archspec(["doctor"])
    return {**found, "doctor": said.getvalue().splitlines()}


def launches(stage: Stage) -> Found:
    """How long the host takes for one kernel, which the roofline takes for 4 microseconds."""
    import torch

    count, values = (1_000 if stage.small else 20_000), torch.zeros(1, device=stage.device)
    values.add_(1)
    settle(stage)
    start = time.perf_counter()
    for _ in range(count):
        values.add_(1)
    settle(stage)
    return {"microseconds_a_launch": 1e6 * (time.perf_counter() - start) / count}


def jax_steps(stage: Stage) -> Found:
    """JAX draws parameters and takes steps at all."""
    return {"run": stage.train("jax", "digits_resnet:resnet8", "--steps", stage.steps(40), backend="flax")}


def same_numbers(stage: Stage) -> Found:
    """Twenty steps on the device and on the CPU: in fp64 to 1e-9; how far fp32 and TF32 are from that."""
    found: Found = {}
    for backend in ("torch", "flax"):
        for precision in ("fp64",) if stage.small else ("fp64", "fp32", "tf32"):
            given: Found = {"backend": backend, "precision": precision}
            steps = ("--steps", stage.steps(20))
            name = f"{backend}-{precision}"
            stage.train(name, "digits_resnet:resnet8", *steps, **given)
            stage.train(f"{name}-cpu", "digits_resnet:resnet8", *steps, "--device", "cpu", **given)
            runs = stage.out / "runs"
            found[name] = furthest(runs / name, runs / f"{name}-cpu")
        assert found[f"{backend}-fp64"] < 1e-9, found
    return found


def syncs(stage: Stage) -> Found:
    """How often a step of ResNet-20 waits for the GPU, by PyTorch's own count, and how fast it is, also as a CUDA graph."""
    import torch

    spec, sets = ("digits_resnet:resnet8", {}) if stage.small else ("cifar_resnet:resnet20", SYNTHETIC)
    count = stage.steps(400)
    if not stage.small:
        torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found: Found = {"eager": stage.train("syncs", spec, "--steps", count, "--compile", "off", **sets)}
    waits = [str(w.filename) + f":{w.lineno}" for w in seen if "synchroniz" in str(w.message)]
    found |= {"waits": len(waits), "places": sorted(set(waits))[:40]}
    if not stage.small:
        torch.cuda.set_sync_debug_mode("default")
        for mode in ("on", "graph"):
            found[mode] = tried(
                lambda mode=mode: stage.train(mode, spec, "--steps", count, "--compile", mode, **sets)
            )
    return found


def precisions(stage: Stage) -> Found:
    """What recipes may ask for, forty steps each, in both backends: losses stay finite."""
    asked: dict[str, Found] = {
        "bf16": {"precision": "bf16"},
        "fp16": {"precision": "fp16", "clip_norm": 1.0, "accumulate": 2},
        "ema, skip": {"ema": {"decay": 0.9}, "bad_loss": {"skip": {"spike": 10}}},
        "lamb": {"optimizer": {"lamb": {}}, "lr": 0.01},
    }
    backends = ("torch",) if stage.small else ("torch", "flax")
    return {
        f"{backend}: {name}": tried(
            lambda b=backend, s=sets: stage.train(
                "precision", "digits_resnet:resnet8", "--steps", stage.steps(40), backend=b, **s
            )
        )
        for backend in backends
        for name, sets in asked.items()
    }


def resuming(stage: Stage) -> Found:
    """The same run twice, and one that SIGTERM ends and that goes on in another process, with and without --deterministic."""
    found: Found = {}
    for backend in ("torch",) if stage.small else ("torch", "flax"):
        for kind in (["--deterministic"], *([] if stage.small else [[]])):
            length = 12 if stage.small else 200
            words = ["--steps", str(length), *kind]
            hashes = [
                stage.train(f"twice-{i}", "digits_resnet:resnet8", *words, backend=backend)["weights"]
                for i in range(2)
            ]
            hashes.append(ended_and_resumed(stage, backend, words))
            label = f"{backend}{' deterministic' if kind else ''}"
            found[label] = {"weights": hashes, "same": len(set(hashes)) == 1}
            assert found[label]["same"] or not kind, found
    return found


def ended_and_resumed(stage: Stage, backend: str, words: list[str]) -> str:
    """The weights of a run that was asked to end after its first checkpoint, and resumed."""
    folder = stage.out / "runs" / "ended"
    shutil.rmtree(folder, ignore_errors=True)
    device = "cuda" if backend == "flax" and not stage.small else stage.device
    command = [sys.executable, "-m", "archspec_cli", "train", "digits_resnet:resnet8", "--backend", backend,
               "--out", str(folder), "--device", device, "--checkpoint-every", "2", *words]  # fmt: skip
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and not list((folder / "checkpoints").glob("step-*/weights.safetensors")):
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    run.wait()
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    return str(of_run(folder)["weights"])


def resnet50(stage: Stage) -> Found:
    """ResNet-50 in bf16, eager and compiled, on synthetic images and on JPEGs, beside the roofline; where ten steps go."""
    net = "digits_resnet:resnet8" if stage.small else "resnet50"
    sets = {"precision": "bf16"} if stage.small else SYNTHETIC | {"precision": "bf16", "batch_size": 256}
    found: Found = {}
    for mode in ("off",) if stage.small else ("off", "on"):
        words = ("--steps", stage.steps(120), "--compile", mode, "--eval-every", 10_000)
        found[f"compile {mode}"] = tried(
            lambda mode=mode, words=words: stage.train(f"r50-{mode}", net, *words, **sets)
        )
    if not stage.small:
        found["roofline"] = roofline(net, sets)
    photos = jpegs(stage.out / "photos", 16 if stage.small else 1024, 40 if stage.small else 400)
    small = {"batch_size": 8, "lr": 0.1} if stage.small else {"batch_size": 128, "lr": 0.1, "precision": "bf16"}
    words = ("--steps", stage.steps(30), "--data", photos, "--set", "classes=2", "--eval-every", 10_000)
    size = ("--set", "input.size=32") if stage.small else ()
    found["jpegs"] = tried(
        lambda: stage.train("r50-jpegs", "resnet18" if stage.small else net, *words, *size, **small)
    )
    packed = stage.out / "packed"
    if not packed.exists():
        archspec(["data", "pack", str(photos), str(packed)])
    words = tuple(packed if word == photos else word for word in words)
    found["packed"] = tried(
        lambda: stage.train("r50-packed", "resnet18" if stage.small else net, *words, *size, **small)
    )
    return found | {"profile": profile(stage, net, sets)}


def roofline(net: str, sets: Found) -> Found:
    """The bounds of a step on an H200."""
    import archspec as core
    from archspec.analysis.accelerators import accelerator
    from archspec.analysis.roofline import bound

    loaded = core.load(net, set={f"train.{key}": value for key, value in sets.items()})
    kinds = {"kernel by kernel": False, "fused": True}
    on = accelerator("H200")
    return {k: bound(loaded, loaded.recipe or {}, on, fused=fused).images_a_second for k, fused in kinds.items()}


def profile(stage: Stage, net: str, sets: Found) -> list[str]:
    """What ten steps spend most time in."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recording

    kinds = [ProfilerActivity.CPU, *([] if stage.small else [ProfilerActivity.CUDA])]
    with recording(activities=kinds) as seen:
        stage.train("profile", net, "--steps", stage.steps(10), "--compile", "off", "--eval-every", 10_000, **sets)
    by = "self_cpu_time_total" if stage.small else "self_device_time_total"
    return str(seen.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=60)).splitlines()


def jax_resnet50(stage: Stage) -> Found:
    """ResNet-50 by Flax, its speed and peak memory."""
    net = "digits_resnet:resnet8" if stage.small else "resnet50"
    sets = {"precision": "bf16"} if stage.small else SYNTHETIC | {"precision": "bf16", "batch_size": 128}
    words = ("--steps", stage.steps(60), "--eval-every", 10_000)
    return {"run": stage.train("jax50", net, *words, backend="flax", **sets)}


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
                       __file__, "--as-rank", "--", *base, *more]  # fmt: skip
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


SYNTHETIC: Found = {"data.dataset": "synthetic", "lr": 0.1}

STAGES: dict[str, tuple[Callable[[Stage], Found], int]] = {
    "versions": (versions, 60), "launches": (launches, 60), "jax_steps": (jax_steps, 90), "same_numbers": (same_numbers, 180),
    "syncs": (syncs, 150), "precisions": (precisions, 180), "resuming": (resuming, 150), "resnet50": (resnet50, 240),
    "jax_resnet50": (jax_resnet50, 180), "two_ranks": (two_ranks, 120), "out_of_memory": (out_of_memory, 90),
}  # fmt: skip
"""In the order in which they run, each with the seconds that it may take."""


SLOWER = 3  # a CPU is, where others use it too


# --- what they share ------------------------------------------------------------------------------------


def settle(stage: Stage) -> None:
    """Wait for the device."""
    if not stage.small:
        import torch

        torch.cuda.synchronize()


def tried(run: Callable[[], Found]) -> Found:
    """What a run found, or how it failed: others of the stage are to run all the same."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        return {"failed": str(error)[-1500:]}


def failures(found: Any) -> Iterator[str]:
    """What failed anywhere in what a stage found."""
    if isinstance(found, dict):
        yield from ([found["failed"]] if "failed" in found else [])
        for value in found.values():
            yield from failures(value)


def jpegs(folder: Path, count: int, side: int) -> Path:
    """A folder of two classes of noise."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for split, share in (("train", count), ("test", max(2, count // 8))):
        for index in range(share):
            path = folder / split / ("cat" if index % 2 else "dog") / f"{index}.jpg"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((side, side)).save(path, "JPEG", quality=90)
    return folder


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
