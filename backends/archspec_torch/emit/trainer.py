"""The arithmetic of a `train.py` in PyTorch's words: the optimizer and the training step that a recipe asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.emission.literals import quoted
from archspec.emission.recipe_words import (
    adapts_matrices_alone,
    evaluated,
    loss_lines,
    recipe_words,
    summed,
    vectors_apart,
)
from archspec.emission.source import call
from archspec_runtime import BCE, LAMB, SGD, AdamW, Job, Recipe
from archspec_runtime.job.agreement import HALVES


def stated(job: Job) -> dict[str, Any]:
    """What the template of `train.py` is given of a job."""
    recipe = job.recipe
    optimizer = recipe.optimizer or SGD()
    mixes, bce = recipe.data.mix is not None, isinstance(recipe.loss, BCE)
    hard = not mixes and not bce
    optimizer_class = (
        "Lamb" if isinstance(optimizer, LAMB) else f"optim.{'SGD' if optimizer.kind == 'sgd' else 'AdamW'}"
    )
    scales = _scales(recipe, optimizer) if _scaled(recipe) else {}
    return {
        **recipe_words(job, optimizer),
        "optimizer": optimizer,
        "optimizer_class": optimizer_class,
        "optimizer_call": _optimizer(recipe, optimizer, optimizer_class),
        "two_groups": not _scaled(recipe) and vectors_apart(optimizer),
        "parameters": "trained" if recipe.freeze else "model.parameters()",
        "frozen": bool(recipe.freeze),
        "scales": scales,
        "group_key": f"({', '.join(scales)})" if len(scales) > 1 else ", ".join(scales),
        "group_type": f"tuple[{', '.join(['float'] * len(scales))}]" if len(scales) > 1 else "float",
        "trainer_names": sorted(_names(recipe, optimizer), key=lambda name: (name[0].islower(), name)),
        "needs_torch": not hard or recipe.precision in HALVES,
        "shape": ", ".join(map(str, job.input_shape)),
        "shares": _shares(recipe, job.classes),
        "bce": bce,
        "hard": hard,
        "values": ["images", "labels", *([] if hard else ["targets"])],
        "forward": "\n".join(_forward(job, mixes)),
        "half": HALVES.get(recipe.precision),
        "evaluated": evaluated(job, "images.flip(3)", indent=8 if recipe.precision in HALVES else 4),
    }


def _scaled(recipe: Recipe) -> bool:
    """Whether parameters have groups by their names."""
    return bool(recipe.lr_scale or recipe.decay_scale)


def _scales(recipe: Recipe, optimizer: SGD | AdamW | LAMB) -> dict[str, str]:
    """What the optimizer is told of a group, as expressions in a parameter `p` and its `name`."""
    found = {"lr_scale": "scale_of(name, LR_SCALE)"} if recipe.lr_scale else {}
    if recipe.decay_scale or vectors_apart(optimizer):
        decay = f"{optimizer.weight_decay}" + " * scale_of(name, DECAY_SCALE)" * bool(recipe.decay_scale)
        found["weight_decay"] = decay if optimizer.decay_norm_and_bias else f"{decay} if p.ndim > 1 else 0.0"
    if adapts_matrices_alone(optimizer):
        found["adapt"] = "p.ndim > 1"
    return found


def _optimizer(recipe: Recipe, optimizer: SGD | AdamW | LAMB, head: str) -> str:
    whole = "trained" if recipe.freeze else "model.parameters()"
    arguments = ["by_scale" if _scaled(recipe) else "groups" if vectors_apart(optimizer) else whole]
    if isinstance(optimizer, SGD):
        given = {
            "momentum": optimizer.momentum,
            "weight_decay": optimizer.weight_decay,
            "nesterov": optimizer.nesterov,
        }
        arguments += [f"{name}={value}" for name, value in given.items() if value]
    else:
        arguments += [f"betas=({optimizer.beta1}, {optimizer.beta2})", f"eps={optimizer.eps}"]
        arguments += [f"weight_decay={optimizer.weight_decay}"]
    if recipe.decay_scale or vectors_apart(optimizer):  # which say it
        arguments = [argument for argument in arguments if not argument.startswith("weight_decay")]
    if not isinstance(optimizer, LAMB):
        arguments.append("fused=fusable(model)")
    return call(head, arguments, 4)


def _names(recipe: Recipe, optimizer: SGD | AdamW | LAMB) -> Iterator[str]:
    """What the arithmetic takes from the trainer."""
    yield from ("Scores", "Run", "Training", "main")
    yield "Lamb" if isinstance(optimizer, LAMB) else "fusable"
    if recipe.freeze:
        yield "matches"
    if _scaled(recipe):
        yield "scale_of"
    if recipe.data.mix is not None:
        yield from ("Mixed", "mix_images")


def _shares(recipe: Recipe, classes: int) -> tuple[str, str]:
    """The statements of `shares_of`: what every class has, and what the label has instead."""
    smoothing = recipe.label_smoothing
    kind = ["dtype=torch.float64"] if recipe.precision == "fp64" else []
    others = f"{smoothing} / {classes}" if smoothing else "0.0"
    own = f"1 - {smoothing} + {smoothing} / {classes}" if smoothing else "1.0"
    return (
        call("shares = torch.full", [f"(len(labels), {classes})", others, "device=labels.device", *kind], 4),
        call("return shares.scatter_", ["1", "labels[:, None]", own], 4),
    )


def _forward(job: Job, mixes: bool) -> Iterator[str]:
    """From images to the loss: of a net with several outputs the sum of their losses."""
    recipe = job.recipe

    def loss(logits: str) -> str:
        found = _loss(recipe, mixes).replace("(logits", f"({logits}")
        return f"{found} / {recipe.accumulate}" if recipe.accumulate > 1 else found

    if not job.outputs:
        yield from ("logits = run.forward(images)", f"loss = {loss('logits')}")
    elif len(job.outputs) == 1:
        yield from (f"logits = run.forward(images)[{quoted(job.outputs[0])}]", f"loss = {loss('logits')}")
    else:
        yield "outputs = run.forward(images)"
        yield f"logits = outputs[{quoted(job.outputs[0])}]"
        yield loss_lines(job, loss, 4 + 4 * (recipe.precision in HALVES) + 8 * (recipe.accumulate > 1))
        yield f"loss = {summed(job)}"


def _loss(recipe: Recipe, mixes: bool) -> str:
    if isinstance(recipe.loss, BCE):
        return "F.binary_cross_entropy_with_logits(logits, targets)"
    smoothing = recipe.label_smoothing
    if not mixes:
        return f"F.cross_entropy(logits, labels{f', label_smoothing={smoothing}' if smoothing else ''})"
    left = f", label_smoothing={smoothing} if mixed is None else 0.0" if smoothing else ""
    return f"F.cross_entropy(logits, targets{left})"
