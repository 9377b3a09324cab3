"""What built folders hold beside the model, whatever the framework: the recipe as `train.py`, and what it runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2

from archspec.analysis.activations import kept_for_gradient
from archspec.analysis.fine_tuning import frozen_count
from archspec.analysis.resolved_spec import resolved_yaml
from archspec.analysis.run_spec import as_run
from archspec.analysis.starts import whitened
from archspec.analysis.untrained import why_untrained
from archspec.backends import Weights
from archspec.emission.lint import rebound
from archspec.emission.literals import import_lines, literal, names_used, quoted
from archspec.emission.source import WIDTH
from archspec.ir.network import Network
from archspec.loading.program import Program, recipe_of
from archspec.version import __version__

LOADING = ("numpy>=1.26", "safetensors>=0.4")
TRAINING = (*LOADING, "pillow>=10", "rich>=13")
DIGITS = "scikit-learn>=1.3"
"""What folders require beside their framework: for weights that they were built with, to train, to train on digits."""

OTHERWISE = "Net"
"""What `train.py` calls the class of a net whose own name is that of something else which it imports or makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a backend has its folders made of."""

    templates: jinja2.Environment  # of `train.py` and `README.md`
    framework: str  # the requirement that the model has
    optimizers: Sequence[str] = ()  # those that a trainer has beside it
    model: Callable[[Network], dict[str, str]]  # the text of `model.py`, and of what it has beside it
    job: Callable[[Mapping[str, Any]], Any]  # what the runtime calls a job, of its fields
    stated: Callable[[Any], Mapping[str, Any]] = (
        lambda _: {}
    )  # of a job, what `train.py` says in the framework's words
    recorded: Callable[[Any], Any] = lambda job: job  # a job without that, and without the facts of its net
    facts: Callable[[Any], dict[str, str]] = lambda _: {}  # a file of these beside it
    carried: Callable[[str], dict[str, str]]  # what the text of `train.py` imports of the trainer and the runtime
    parts: Callable[[Any, bool], Sequence[str]] = (
        lambda job, weighted: ()
    )  # modules that the runtime asks for by name in a run of a job, which may start from weights beside it
    loading: Callable[[], dict[str, str]] = dict  # what reads weights, where that is not the framework alone


def folder_files(net: Network, kit: Kit, *, weights: Weights | None = None) -> dict[str, str]:
    """The text files of a net by relative path; without a recipe there is no trainer.

    Where `weights` are written beside them, they say how to load them, and as what they were trained.
    """
    weighted, identity = weights is not None, identity_file(weights)
    written, recipe = kit.model(net), recipe_of(net)
    if isinstance(net, Program):
        written["spec.yaml"] = resolved_yaml(net)
    requirements = [kit.framework, *(LOADING if weighted else ())]
    dataset = ""
    trains = recipe is not None and why_untrained(net) is None
    if recipe is not None and trains:
        dataset = recipe["data"]["dataset"]
        job = kit.job(job_fields(net))
        written["train.py"] = train_source(kit, net, job)
        written |= kit.facts(job)
        asked_for = "".join(f"import {module}\n" for module in kit.parts(job, weighted))
        written |= kit.carried(f"{written['train.py']}\n{asked_for}")
        requirements = [kit.framework, *kit.optimizers, *TRAINING, *([DIGITS] if dataset == "digits" else [])]
    if weighted:
        written |= kit.loading()
    written |= identity
    written["requirements.txt"] = "".join(f"{line}\n" for line in requirements)
    written["README.md"] = kit.templates.get_template("README.md.j2").render(
        net=net, trains=trains, dataset=dataset, weighted=weighted, version=__version__,
        identified=bool(identity), specified="spec.yaml" in written, layered="layers.py" in written,
    )  # fmt: skip
    return written


def as_ran(files: Mapping[str, str], net: Program, kit: Kit, job: Any) -> dict[str, str]:
    """The files of a run: `train.py` and the spec say the job as it ran, whatever options changed of it."""
    ran, job = as_run(net, job.recipe.to_dict()), replace(job, **_losses(net))
    return {**files, "train.py": train_source(kit, net, job), "spec.yaml": resolved_yaml(ran)}


def job_fields(net: Network) -> dict[str, Any]:
    """What a trainer has to know of a net, as plain values."""
    return {
        "name": net.name,
        "input_shape": net.input_shape,
        "classes": net.classes,
        "macs": net.cost.macs + sum(row.macs for row in net.modules() if row.train_only),
        "params": net.cost.params,
        "frozen": frozen_count(net),
        "kept": kept_for_gradient(net),
        **_losses(net),
        "fingerprint": net.fingerprint,
        "recipe": recipe_of(net),
    }


def _losses(net: Network) -> dict[str, Any]:
    """The named outputs, that which is measured first, and the weights of their losses."""
    found = sorted(net.outputs, key=lambda output: output.train_only)
    return {
        "outputs": tuple(output.name for output in found),
        "loss_weights": tuple(output.loss_weight for output in found),
    }


def weights_file(weights: Weights | None) -> dict[str, bytes]:
    """What a folder holds of weights that it was built with, by the spec's names."""
    if weights is None:
        return {}
    from archspec.weights.safetensors import serialized

    return {"weights.safetensors": serialized(weights)}


def identity_file(weights: Weights | None) -> dict[str, str]:
    """What a folder holds of the run that its weights are of, where they say so."""
    if weights is None:
        return {}
    from archspec.weights.identity import files

    return files(weights)


def train_source(kit: Kit, net: Network, job: Any) -> str:
    """The text of `train.py`: a job of the runtime as a literal, and its arithmetic in the framework's words."""
    literal_job = kit.recorded(job)
    names = names_used(literal_job, "archspec_runtime")
    line = import_lines(names | ({("archspec_runtime", "Moment")} if job.recipe.ema is not None else set()))
    about = {
        "name": net.name, "dataset": job.recipe.data.dataset, "version": __version__, "imports": line,
        "job": literal(literal_job, 0, "JOB = "), "patterns": _patterns(job.recipe), **kit.stated(job),
        "whitened": _whitened(net),
    }  # fmt: skip
    template = kit.templates.get_template("train.py.j2")
    text = template.render(**about, imported=net.class_name, class_name=net.class_name)
    if net.class_name not in rebound(text):
        return text
    return template.render(**about, imported=f"{net.class_name} as {OTHERWISE}", class_name=OTHERWISE)


def _whitened(net: Network) -> str:
    """The mapping of weights that start from training images to their filters; nothing where there are none."""
    kernels = {name: shape[2:] for name, shape in whitened(net).items()}
    items = [f"{quoted(name)}: whitening_filters(images, {kernel})" for name, kernel in kernels.items()]
    return f"{{{', '.join(items)}}}" if items else ""


def _patterns(recipe: Any) -> list[str]:
    """The constants of `train.py` by which parameters are frozen, or trained otherwise than others."""
    found = [literal(recipe.freeze, 0, margin=len("FROZEN = "))] if recipe.freeze else []
    lines = [f"FROZEN = {text}" for text in found]
    for name, scales in (("LR_SCALE", recipe.lr_scale), ("DECAY_SCALE", recipe.decay_scale)):
        if scales:
            items = [f"{quoted(pattern)}: {float(scale)!r}" for pattern, scale in scales]
            line = f"{name} = {{{', '.join(items)}}}"
            wrapped = f"{name} = {{\n" + "".join(f"    {item},\n" for item in items) + "}"
            lines.append(line if len(line) <= WIDTH else wrapped)
    return lines
