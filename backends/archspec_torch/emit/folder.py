"""What a folder that is built with PyTorch is made of."""

from __future__ import annotations

from importlib.resources import files

from archspec.emission.folder import Kit, sources
from archspec_runtime import Job
from archspec_runtime.job.net_facts import facts_file, stated_job
from archspec_torch.emit.model import TEMPLATES, model_source
from archspec_torch.emit.trainer import stated


def carried() -> dict[str, str]:
    """The runtime and the trainer, as they are."""
    return {
        **sources(files("archspec_runtime"), "archspec_runtime"),
        "archspec_torch/__init__.py": '"""The PyTorch trainer."""\n',
        "archspec_torch/damage.py": (files("archspec_torch") / "damage.py").read_text(encoding="utf-8"),
        **sources(files("archspec_torch") / "trainer", "archspec_torch/trainer"),
    }


KIT = Kit(
    templates=TEMPLATES,
    framework="torch>=2.6",
    model=model_source,
    job=Job.from_dict,
    stated=stated,
    recorded=stated_job,
    facts=facts_file,
    carried=carried,
)
