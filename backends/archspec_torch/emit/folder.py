"""All the files of a built folder: what is written for a net, and what every folder carries along."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from archspec.emission.literals import literal, names_used
from archspec.network import Network
from archspec.resolved_text import resolved_yaml
from archspec.version import __version__
from archspec_runtime import Job, Recipe
from archspec_torch.emit.model import TEMPLATES, model_source

REQUIREMENTS = ("torch>=2.6", "numpy>=1.26", "safetensors>=0.4", "matplotlib>=3.8", "pillow>=10", "rich>=13")


def folder_files(net: Network) -> dict[str, str]:
    """The files of a net by relative path; without a recipe there is no trainer."""
    written = {"model.py": model_source(net), "spec.yaml": resolved_yaml(net)}
    requirements = list(REQUIREMENTS[:1])
    if net.recipe is not None:
        job = make_job(net)
        written["train.py"] = train_source(net, job)
        written |= carried()
        requirements = [*REQUIREMENTS, *(["scikit-learn>=1.3"] if job.recipe.data.dataset == "digits" else [])]
    written["requirements.txt"] = "".join(f"{line}\n" for line in requirements)
    written["README.md"] = TEMPLATES.get_template("README.md.j2").render(
        net=net, cost=net.cost, shape="x".join(map(str, net.input_shape)), trains=net.recipe is not None,
        dataset=net.recipe["data"]["dataset"] if net.recipe else "",
        version=__version__,
    )  # fmt: skip
    return written


def make_job(net: Network) -> Job:
    """The job that trains a net by its recipe."""
    assert net.recipe is not None
    return Job(
        name=net.name,
        input_shape=net.input_shape,
        classes=net.classes,
        macs=net.cost.macs,
        fingerprint=net.fingerprint,
        recipe=Recipe.from_dict(net.recipe),
    )


def train_source(net: Network, job: Job) -> str:
    """The text of `train.py`."""
    imports = ", ".join(sorted(names_used(job), key=lambda n: (not n.isupper(), n)))
    line = f"from archspec_runtime import {imports}"
    if len(line) > 100:
        names = sorted(names_used(job), key=lambda n: (not n.isupper(), n))
        line = "from archspec_runtime import (\n" + "".join(f"    {n},\n" for n in names) + ")"
    return TEMPLATES.get_template("train.py.j2").render(
        name=net.name,
        dataset=job.recipe.data.dataset,
        version=__version__,
        class_name=net.class_name,
        imports=line,
        job=literal(job, 0, "JOB = "),
    )


def carried() -> dict[str, str]:
    """The runtime and the trainer, as they are."""
    copied = {f"archspec_runtime/{p}": t for p, t in _sources(files("archspec_runtime"))}
    copied["archspec_torch/__init__.py"] = '"""The PyTorch trainer."""\n'
    copied |= {f"archspec_torch/trainer/{p}": t for p, t in _sources(files("archspec_torch") / "trainer")}
    return copied


def _sources(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda i: i.name):
        if item.is_dir() and item.name != "__pycache__":
            yield from _sources(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py") or item.name == "py.typed":
            yield f"{prefix}{item.name}", item.read_text(encoding="utf-8")
