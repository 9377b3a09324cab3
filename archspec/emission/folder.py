"""What built folders hold beside the model, whatever the framework: the recipe as `train.py`, and what it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import Any

import jinja2

from archspec.backends import Weights
from archspec.emission.literals import literal, names_used
from archspec.liveness import kept_for_gradient
from archspec.network import Network
from archspec.version import __version__


def job_fields(net: Network) -> dict[str, Any]:
    """What a trainer has to know of a net, its recipe aside."""
    return {
        "name": net.name,
        "input_shape": net.input_shape,
        "classes": net.classes,
        "macs": net.cost.macs,
        "params": net.cost.params,
        "kept": kept_for_gradient(net),
        "fingerprint": net.fingerprint,
    }


def weights_file(weights: Weights | None) -> dict[str, bytes]:
    """What a folder holds of weights that it was built with, by the spec's names."""
    if weights is None:
        return {}
    from archspec.weights.safetensors import serialized

    return {"weights.safetensors": serialized(weights)}


def train_source(templates: jinja2.Environment, net: Network, job: Any) -> str:
    """The text of `train.py`, which states a job of the runtime as a literal."""
    names = sorted(names_used(job), key=lambda n: (not n.isupper(), n))
    line = f"from archspec_runtime import {', '.join(names)}"
    if len(line) > 100:
        line = "from archspec_runtime import (\n" + "".join(f"    {n},\n" for n in names) + ")"
    return templates.get_template("train.py.j2").render(
        name=net.name,
        dataset=job.recipe.data.dataset,
        version=__version__,
        class_name=net.class_name,
        imports=line,
        job=literal(job, 0, "JOB = "),
    )


def sources(folder: Traversable, prefix: str) -> dict[str, str]:
    """The source files of a package by relative path, as they are."""
    return dict(_sources(folder, prefix))


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda i: i.name):
        if item.is_dir() and item.name != "__pycache__":
            yield from _sources(item, f"{prefix}/{item.name}")
        elif item.name.endswith(".py") or item.name == "py.typed":
            yield f"{prefix}/{item.name}", item.read_text(encoding="utf-8")
