"""ResNet-50: its speed in both backends, on synthetic images and on JPEGs, beside the roofline, and where its time goes."""

from __future__ import annotations

from pathlib import Path

from .stage import SYNTHETIC, Found, Stage, archspec, tried


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


def jax_resnet50(stage: Stage) -> Found:
    """ResNet-50 by Flax, its speed and peak memory."""
    net = "digits_resnet:resnet8" if stage.small else "resnet50"
    sets = {"precision": "bf16"} if stage.small else SYNTHETIC | {"precision": "bf16", "batch_size": 128}
    words = ("--steps", stage.steps(60), "--eval-every", 10_000)
    return {"run": stage.train("jax50", net, *words, backend="flax", **sets)}
