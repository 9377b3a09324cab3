"""All the files of a built folder: what is written for a net, and what every folder carries along."""

from __future__ import annotations

from importlib.resources import files

from archspec.emission.folder import job_fields, sources, train_source
from archspec.network import Network
from archspec.resolved_text import resolved_yaml
from archspec.version import __version__
from archspec_runtime import Job, Recipe
from archspec_torch.emit.model import TEMPLATES, model_source

REQUIREMENTS = ("torch>=2.6", "numpy>=1.26", "safetensors>=0.4", "matplotlib>=3.8", "pillow>=10", "rich>=13")


def folder_files(net: Network, *, weighted: bool = False) -> dict[str, str]:
    """The text files of a net by relative path; without a recipe there is no trainer.

    Where the folder is `weighted`, weights are written beside them, and they say how to load them.
    """
    written = {"model.py": model_source(net), "spec.yaml": resolved_yaml(net)}
    requirements = [
        r for r in REQUIREMENTS if r.startswith(("torch", *(("numpy", "safetensors") if weighted else ())))
    ]
    if net.recipe is not None:
        job = make_job(net)
        written["train.py"] = train_source(TEMPLATES, net, job)
        written |= carried()
        requirements = [*REQUIREMENTS, *(["scikit-learn>=1.3"] if job.recipe.data.dataset == "digits" else [])]
    written["requirements.txt"] = "".join(f"{line}\n" for line in requirements)
    written["README.md"] = TEMPLATES.get_template("README.md.j2").render(
        net=net, cost=net.cost, shape="x".join(map(str, net.input_shape)), trains=net.recipe is not None,
        dataset=net.recipe["data"]["dataset"] if net.recipe else "",
        weighted=weighted, version=__version__,
    )  # fmt: skip
    return written


def make_job(net: Network) -> Job:
    """The job that trains a net by its recipe."""
    assert net.recipe is not None
    return Job(**job_fields(net), recipe=Recipe.from_dict(net.recipe))


def carried() -> dict[str, str]:
    """The runtime and the trainer, as they are."""
    return {
        **sources(files("archspec_runtime"), "archspec_runtime"),
        "archspec_torch/__init__.py": '"""The PyTorch trainer."""\n',
        **sources(files("archspec_torch") / "trainer", "archspec_torch/trainer"),
    }
