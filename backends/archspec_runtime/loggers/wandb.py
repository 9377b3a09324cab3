"""Weights & Biases: a run below `wandb/` in the run's folder, offline unless `WANDB_MODE` says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

PROJECT = "archspec"


class Wandb:
    """Scalars by step. A resumed run keeps its id, so that `wandb sync` makes one run of all its parts."""

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], begun: str | None) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # which is asked for at import
        import wandb

        mode = os.environ.get("WANDB_MODE", "offline")
        quiet = wandb.Settings(silent=True, console="off", save_code=False)
        self.run = begun or uuid4().hex[:8]
        self.session = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), id=self.run, name=name, dir=str(folder), config=dict(config),
            mode=mode, resume=None if mode == "offline" else "allow", settings=quiet,
        )  # fmt: skip
        self.session.define_metric("step")
        self.session.define_metric("*", step_metric="step")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of a step."""
        self.session.log({"step": step, **values})

    def close(self, ending: str) -> None:
        """End the session with the exit code that W&B shows as finished, or as failed."""
        self.session.finish(exit_code=int(ending != "FINISHED"))
