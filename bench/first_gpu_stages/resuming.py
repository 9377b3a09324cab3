"""The same weights from the same run, twice, and ended and resumed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

from .stage import Found, Stage, of_run


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
