"""Numbers of a device against those of the CPU, and in each precision."""

from __future__ import annotations

from pathlib import Path

from .stage import Found, Stage, tried, weights_of


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
