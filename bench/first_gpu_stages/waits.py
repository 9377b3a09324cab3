"""How often a step waits for the device."""

from __future__ import annotations

import warnings

from .stage import SYNTHETIC, Found, Stage, tried


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
