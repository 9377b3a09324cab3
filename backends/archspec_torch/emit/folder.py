"""What a folder that is built with PyTorch is made of."""

from __future__ import annotations

from importlib.resources import files

from archspec.emission.carried import imported_files
from archspec.emission.folder import Kit
from archspec_runtime import Job
from archspec_runtime.job.net_facts import facts_file, parts_of, stated_job
from archspec_torch.emit.model import TEMPLATES, model_source
from archspec_torch.emit.trainer import stated


def carried(train: str) -> dict[str, str]:
    """What a `train.py` imports of the runtime and the trainer, as it is."""
    packages = {name: files(name) for name in ("archspec_runtime", "archspec_torch")}
    return imported_files(train, packages, {"archspec_torch/__init__.py": '"""The PyTorch trainer."""\n'})


KIT = Kit(
    templates=TEMPLATES,
    framework="torch>=2.6",
    model=model_source,
    job=Job.from_dict,
    stated=stated,
    recorded=stated_job,
    facts=facts_file,
    carried=carried,
    parts=parts_of,
)
