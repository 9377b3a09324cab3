"""What a folder that is built with PyTorch is made of."""

from __future__ import annotations

from importlib.resources import files

from archspec.emission.carried import imported_files
from archspec.emission.folder import Kit
from archspec_runtime import Job, Skip
from archspec_runtime.job.emission import facts_file, parts_of, stated_job
from archspec_torch.emit.model import TEMPLATES, model_files
from archspec_torch.emit.trainer import stated


def carried(train: str) -> dict[str, str]:
    """What a `train.py` imports of the runtime and the trainer, as it is."""
    packages = {name: files(name) for name in ("archspec_runtime", "archspec_torch")}
    return imported_files(train, packages, {"archspec_torch/__init__.py": '"""The PyTorch trainer."""\n'})


def parts(job: Job, weighted: bool) -> tuple[str, ...]:
    """The modules that runs of a job ask for by name."""
    found = {
        "archspec_torch.trainer.averaging": job.recipe.ema is not None,
        "archspec_torch.trainer.photos": "archspec_runtime.batches.read_ahead" in parts_of(job, weighted),
        "archspec_torch.trainer.skipped_updates": isinstance(job.recipe.bad_loss, Skip),
    }
    return (*parts_of(job, weighted), *(module for module, asked_for in found.items() if asked_for))


KIT = Kit(
    templates=TEMPLATES,
    framework="torch>=2.6",
    model=model_files,
    job=Job.from_dict,
    stated=stated,
    recorded=stated_job,
    facts=facts_file,
    carried=carried,
    parts=parts,
)
