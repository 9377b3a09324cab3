"""What stages share: runs of `archspec train`, and what is read off them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Found = dict[str, Any]

SYNTHETIC: Found = {"data.dataset": "synthetic", "lr": 0.1}


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
