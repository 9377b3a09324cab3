"""Words of a recipe in the `train.py` of every framework: how its optimizer is called, and which lines its step has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archspec.emission.literals import quoted
from archspec.emission.source import WIDTH

TOLD = {
    "sgd": "Stochastic gradient descent",
    "adamw": "Adam with decoupled weight decay",
    "lamb": "LAMB, whose steps are as long as what they change",
}


def recipe_words(job: Any, optimizer: Any) -> dict[str, Any]:
    """What the templates of all frameworks are given of a job of the runtime."""
    recipe = job.recipe
    return {
        "optimizer_doc": told(optimizer),
        "classes": job.classes,
        "mixes": recipe.data.mix is not None,
        "threshold": getattr(recipe.loss, "threshold", None),
        "parts": recipe.accumulate,
        "scaled": recipe.precision == "fp16",
        "clip": recipe.clip_norm,
        "skips": recipe.bad_loss.kind == "skip",
        "ema_decay": ema_lines(recipe.ema) if recipe.ema is not None else [],
        "several": len(job.outputs) > 1,
        "named": f"[{quoted(job.outputs[0])}]" if job.outputs else "",
    }


def ema_lines(ema: Any) -> list[str]:
    """The statements of `ema_decay`: how much the average of the weights keeps of itself at a moment, `at`."""
    lines, begins = list[str](), ""
    if ema.every > 1:
        lines += [f"if at.done % {ema.every}:", "    return 1.0"]
    if ema.after is not None:
        ends = f"{ema.after.epoch} * at.steps_per_epoch" if ema.after.kind == "epoch" else f"{ema.after.step:_}"
        begins = ends if ema.power is None else "begins"
        lines += [f"begins = {ends}"] if ema.power is not None else []
        lines += [f"if at.done <= {begins}:  # until then they are the weights themselves", "    return 0.0"]
    if ema.power is None:
        return [*lines, f"return {ema.decay}"]
    steps = "at.done - begins - 1" if ema.after is not None else "at.done - 1"
    updates = steps if ema.every == 1 else f"({steps}) // {ema.every}"
    return [*lines, f"updates = {updates}", f"return min({ema.decay}, 1 - (1 + updates) ** -{ema.power})"]


def evaluated(job: Any, mirrored: str, model: str = "model", cast: str = "", indent: int = 4) -> str:
    """The logits of an evaluation: of the images, or the mean of theirs and of those of the `mirrored` images; each is cast."""
    named = f"[{quoted(job.outputs[0])}]" if job.outputs else ""
    if not job.recipe.eval_hflip:
        return f"{model}(images){named}{cast}"
    one, other = (f"{model}({images}){named}{cast}" for images in ("images", mirrored))
    line = f"({one} + {other}) / 2"
    if indent + len(f"logits = {line}") <= WIDTH:
        return line
    pad = " " * indent
    return f"(\n{pad}    {one}\n{pad}    + {other}\n{pad}) / 2"


def told(optimizer: Any) -> str:
    """An optimizer in a sentence."""
    how = ""
    if optimizer.kind == "sgd" and optimizer.momentum:
        how = " with Nesterov's momentum" if optimizer.nesterov else " with momentum"
    return f"{TOLD[optimizer.kind]}{how}."


def adapts_matrices_alone(optimizer: Any) -> bool:
    """Whether it is LAMB that takes AdamW's plain step for what does not decay."""
    return optimizer.kind == "lamb" and not (optimizer.always_adapt or optimizer.decay_norm_and_bias)


def vectors_apart(optimizer: Any) -> bool:
    """Whether vectors are treated otherwise than matrices."""
    decays_matrices = optimizer.weight_decay and not optimizer.decay_norm_and_bias
    return bool(decays_matrices) or adapts_matrices_alone(optimizer)


def loss_lines(job: Any, loss: Callable[[str], str], indent: int) -> str:
    """The statement that makes the losses of several outputs, of which `loss` gives that of some logits."""
    items = [f"{quoted(name)}: {loss(f'outputs[{quoted(name)}]')}" for name in job.outputs]
    line = f"losses = {{{', '.join(items)}}}"
    if len(line) + indent <= WIDTH:
        return line
    return "losses = {\n" + "".join(f"    {item},\n" for item in items) + "}"


def summed(job: Any) -> str:
    """The sum of the losses of several outputs with their weights."""
    weights = job.loss_weights or (1.0,) * len(job.outputs)
    return " + ".join(
        f"{weight} * losses[{quoted(name)}]" if weight != 1 else f"losses[{quoted(name)}]"
        for name, weight in zip(job.outputs, weights, strict=True)
    )
