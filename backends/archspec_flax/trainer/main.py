"""Flax as the runtime's sessions use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from safetensors.numpy import load_file

from archspec_flax.names import load_state_dict
from archspec_runtime import session
from archspec_runtime.datasets import Dataset
from archspec_runtime.job import Job, Options
from archspec_runtime.loop import LOG_EVERY, Evaluation
from archspec_runtime.normalize import Normalization
from archspec_runtime.probe import Probe
from archspec_runtime.session import MakeModel, Settings

from .device import choose_device, use_threads
from .probe import make_probe
from .stepper import FlaxStepper, evaluate, prepared, use_precision

ENCODED = ("image_folder", "webdataset", "parquet")  # read as they are needed, and sent to the device step by step


class Flax:
    """One process and one device."""

    name = "flax"

    def choose_device(self, name: str) -> str:
        """The device of this name, or for `auto` the best there is. Raises RunError where there is none."""
        device = choose_device(name)
        return f"{device.platform}:{device.id}" if device.id else device.platform

    def use_threads(self, count: int) -> None:
        """Compute with this many CPU threads."""
        use_threads(count)

    def settle(
        self, make_model: MakeModel, job: Job, options: Options, device: str, steps: int
    ) -> tuple[Settings, str]:
        """How many steps go in one dispatch: on the CPU a loop around convolutions costs more than a dispatch."""
        data = job.recipe.data
        several = 1 if device == "cpu" or data.dataset in ENCODED or data.size else LOG_EVERY
        return {"steps_a_dispatch": several}, f"compiled, {several} to a dispatch"

    def stepper(
        self, make_model: MakeModel, job: Job, dataset: Dataset, normalization: Normalization, device: str,
        settings: Settings,
    ) -> FlaxStepper:  # fmt: skip
        """A model with its optimizer on a device."""
        on = choose_device(device)
        return FlaxStepper(make_model, job, dataset, normalization, on, settings["steps_a_dispatch"])

    def evaluate(
        self, make_model: MakeModel, weights: Path, job: Job, dataset: Dataset, split: str,
        normalization: Normalization, device: str,
    ) -> Evaluation:  # fmt: skip
        """Measure weights on a split."""
        on = choose_device(device)
        model = _loaded(make_model, weights, job, on)
        return evaluate(model, job, dataset, split, normalization, on)

    def probe(self, make_model: MakeModel, weights: Path, job: Job, device: str, layers: Sequence[str]) -> Probe:
        """The net with these weights as a function, which also tells of the layers of these names."""
        on = choose_device(device)
        return make_probe(_loaded(make_model, weights, job, on), job, on, layers)


def _loaded(make_model: MakeModel, weights: Path, job: Job, device: jax.Device) -> nnx.Module:
    use_precision(job.recipe.precision)
    with jax.default_device(device):
        model = prepared(make_model(rngs=nnx.Rngs(0)), job.recipe.precision)
        load_state_dict(model, load_file(weights))
    return model


def main(make_model: Any, job: Job, argv: Sequence[str] | None = None) -> int:
    """The command line of an emitted `train.py`; returns the exit code."""
    return session.main(Flax(), make_model, job, argv)
