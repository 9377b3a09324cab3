"""What a folder that is built with Flax is made of."""

from __future__ import annotations

from importlib.resources import files

from archspec.emission.carried import imported_files
from archspec.emission.folder import Kit
from archspec_flax.emit.model import TEMPLATES, model_files
from archspec_flax.emit.trainer import stated
from archspec_runtime import Job
from archspec_runtime.job.emission import facts_file, parts_of, stated_job

NAMING = ("names.py", "tensor_words.py")


def carried(train: str) -> dict[str, str]:
    """What a `train.py` imports of the runtime and the trainer, as it is."""
    packages = {name: files(name) for name in ("archspec_runtime", "archspec_flax")}
    return imported_files(train, packages, names_of_spec())


def names_of_spec() -> dict[str, str]:
    """What reads and writes weights by the spec's names."""
    texts = {
        f"archspec_flax/{name}": (files("archspec_flax") / name).read_text(encoding="utf-8") for name in NAMING
    }
    return {"archspec_flax/__init__.py": '"""The Flax trainer."""\n', **texts}


def parts(job: Job, weighted: bool) -> tuple[str, ...]:
    """The modules that runs of a job ask for by name."""
    found = {
        "archspec_flax.trainer.mixing": job.recipe.data.mix is not None,
    }
    return (*parts_of(job, weighted), *(module for module, asked_for in found.items() if asked_for))


KIT = Kit(
    templates=TEMPLATES,
    framework="flax>=0.12.8",
    optimizers=["optax>=0.2.8"],
    model=model_files,
    job=Job.from_dict,
    stated=stated,
    recorded=stated_job,
    facts=facts_file,
    carried=carried,
    parts=parts,
    loading=names_of_spec,
)
