"""Words of a recipe in the `train.py` of every framework: how its optimizer is called, and which lines its step has."""

from __future__ import annotations

from typing import Any

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
        "ema": recipe.ema is not None,
    }


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
