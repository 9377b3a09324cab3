"""A job as `archspec build` writes it: what `train.py` states as a literal, the facts beside it, and what it has use for."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from archspec_runtime.job.job import FILE, NUMBERS, Job
from archspec_runtime.job.memory import optimizer_slots
from archspec_runtime.recipe.data_sets import HOMES, IMAGES
from archspec_runtime.recipe.images import ON_BATCHES
from archspec_runtime.recipe.recipe import ARITHMETIC, Recipe, Stop

LEFT_OUT = ("fingerprint", *NUMBERS, "outputs", "loss_weights")
"""What of a job its literal does not say: facts, and what stands in code."""


def facts_file(job: Job) -> dict[str, str]:
    """The text of `net.json`, by its name."""
    numbers = {name: getattr(job, name) for name in NUMBERS if name != "frozen" or job.frozen}
    found = {"fingerprint": job.fingerprint, **numbers, **({"outputs": job.outputs} if job.outputs else {})}
    averages = {"averages": True} if job.recipe.ema is not None else {}
    return {FILE: json.dumps({**found, "slots": optimizer_slots(job), **averages}, indent=2) + "\n"}


def stated_job(job: Job) -> Job:
    """A job as `train.py` states it as a literal: without these facts, and without what stands there in code."""
    usual: dict[str, Any] = {f.name: f.default for f in fields(job) if f.name in LEFT_OUT}
    return replace(job, recipe=_without_arithmetic(job.recipe), **usual)


def parts_of(job: Job, weighted: bool) -> tuple[str, ...]:
    """The modules that runs of this job ask for by name, so that a folder that trains it carries them.

    Where it is `weighted`, there are weights to start from.
    """
    data = job.recipe.data
    whole = data.dataset in IMAGES and all(step.kind in ON_BATCHES for step in data.augment)
    found = {
        "archspec_runtime.batches.read_ahead": not whole,  # unless all images are in memory as they are
        "archspec_runtime.augment.erasing": any(step.kind == "random_erasing" for step in data.augment),
        "archspec_runtime.augment.mixing": data.mix is not None,
        "archspec_runtime.checkpoints.initial_weights": weighted,
        "archspec_runtime.data.notices": data.dataset not in IMAGES,
        "archspec_runtime.run.bad_loss_policies": not isinstance(job.recipe.bad_loss, Stop),
    }
    return tuple(module for module, asked_for in found.items() if asked_for)


def _without_arithmetic(recipe: Recipe) -> Recipe:
    """What is left where `train.py` states optimizer, loss and clipping in code, and imports its data set."""
    usual: dict[str, Any] = {f.name: f.default for f in fields(recipe) if f.name in ARITHMETIC}
    return replace(recipe, data=replace(recipe.data, dataset=Imported.of(recipe.data.dataset)), **usual)


class Imported(str):
    """A name as the source of a `train.py` has it, which imports it from the module `home`."""

    home: str

    @staticmethod
    def of(dataset: str) -> str:
        """One of the runtime's data sets; another is what it is."""
        if dataset not in HOMES:
            return dataset
        made = Imported(dataset)
        made.home = f"archspec_runtime.data.{HOMES[dataset]}"
        return made
