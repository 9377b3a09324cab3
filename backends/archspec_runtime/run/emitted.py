"""Training what was emitted: the text that goes into the run's folder is imported, and run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from archspec_runtime.job.job import FILE, Job, Options, with_net_facts
from archspec_runtime.recipe.recipe import ARITHMETIC, Recipe
from archspec_runtime.run.loop import Result
from archspec_runtime.run.session import train

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, Write

Ran = Callable[[Job], Mapping[str, str]]
"""The files of a run whose job is this one."""

MODULES = ("layers", "model", "train")  # each of which imports the former

ImportSource = Callable[[str, str, Path], ModuleType]
"""Makes a module of a text, a name, and the file that the text is or will be."""


def train_emitted(
    framework: Framework, files: Mapping[str, str], class_name: str, options: Options, write: Write, ran: Ran,
    import_source: ImportSource, recipe: Recipe, fingerprint: str | None = None,
) -> Result:  # fmt: skip
    """Import an emitted `train.py` and train, and have the files written into the run's folder. Raises RunError.

    `ran` are the files of a job whose schedule options have scaled, which is then what runs.
    `recipe` is the whole one, of which `train.py` states a part in code; `fingerprint` is what the run knows the net by, where
    an earlier version began it.

    The text is imported, not a file: nothing of a run is touched before the trainer has seen that the new one can begin, or
    that it is the same, and nothing of it is left elsewhere however the process ends.
    """
    code = (options.out or Path(class_name)) / "code"
    try:
        *_, model, emitted = (
            import_source(files[f"{name}.py"], name, code.absolute() / f"{name}.py")
            for name in MODULES
            if f"{name}.py" in files
        )
        stated = {name: getattr(recipe, name) for name in ARITHMETIC}  # in code
        job = replace(emitted.JOB, recipe=replace(emitted.JOB.recipe, **stated))
        job = with_net_facts(job, files[FILE]) if FILE in files else job
        job = job if fingerprint is None else replace(job, fingerprint=fingerprint)
        trainer = framework.stating(getattr(emitted, "TRAINING", None))

        def restate(scaled: Job) -> Framework:
            again = import_source(ran(scaled)["train.py"], "train", code.absolute() / "train.py")
            return framework.stating(again.TRAINING)

        return train(trainer, getattr(model, class_name), job, options, write, restate)
    finally:
        for name in MODULES:
            sys.modules.pop(name, None)
