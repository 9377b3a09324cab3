"""The arithmetic of a `train.py` in the words of JAX and Optax: the optimizer and the training step that a recipe asks for."""

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
from archspec.emission.source import WIDTH, Expression, Invocation, call
from archspec_runtime import BCE, LAMB, SGD, AdamW, Job, Recipe, Skip
from archspec_runtime.job.agreement import HALVES


def stated(job: Job) -> dict[str, Any]:
    """What the template of `train.py` is given of a job."""
    recipe = job.recipe
    optimizer = recipe.optimizer or SGD()
    mixes, scaled = recipe.data.mix is not None, recipe.precision == "fp16"
    threshold = recipe.loss.threshold if isinstance(recipe.loss, BCE) else None
    channels, height, width = job.input_shape
    head, *arguments = _optimizer(recipe, optimizer)
    return {
        **recipe_words(job, optimizer),
        "optimizer_call": call(str(head), arguments, 4),
        "weights_apart": _weights_apart(recipe, optimizer),
        "lr_scale": bool(recipe.lr_scale),
        "decays": call("decays = run.by_name", [_decays(optimizer)], 4) if recipe.decay_scale else None,
        "trained": "run.trained" if recipe.freeze else "nnx.Param",
        "trainer_imports": _imports(sorted(_names(recipe), key=lambda name: (name[0].islower(), name))),
        "needs_jnp": mixes
        or threshold is not None
        or recipe.precision in HALVES
        or recipe.clip_norm is not None
        or isinstance(recipe.bad_loss, Skip),
        "signature": _signature(mixes),
        "shape": f"{height}, {width}, {channels}",
        "targets": _targets(recipe, job.classes),
        "rest": "rest" if recipe.accumulate > 1 else "state.rest",
        "after": "after" if recipe.accumulate > 1 else "rest",
        "aux_types": ", ".join(["Array"] * (1 + scaled) + ["dict[str, Array]"] * (len(job.outputs) > 1) + ["Tree"]),
        "forward": "\n".join(_forward(job)),
        "half": HALVES.get(recipe.precision),
        "after_call": _after(recipe),
        "evaluated": _evaluated(job),
    }


def _weights_apart(recipe: Recipe, optimizer: SGD | AdamW | LAMB) -> bool:
    """Whether vectors are treated otherwise than matrices, by a mask."""
    return adapts_matrices_alone(optimizer) if recipe.decay_scale else vectors_apart(optimizer)


def _decays(optimizer: SGD | AdamW | LAMB) -> str:
    """The coefficient of the weight decay of a parameter, by its name and shape."""
    decay = f"{optimizer.weight_decay} * scale_of(name, DECAY_SCALE)"
    if optimizer.decay_norm_and_bias:
        return f"lambda name, _: {decay}"
    return f"lambda name, p: {decay} if p.ndim > 1 else 0.0"


def _optimizer(recipe: Recipe, optimizer: SGD | AdamW | LAMB) -> tuple[Expression, ...]:
    """The head and the arguments of the call that makes it, with a rate for each parameter where names say so."""
    head, *arguments = _with_one_rate(optimizer, "decay_each(decays)" if recipe.decay_scale else None)
    if not recipe.lr_scale:
        return (head, *arguments)
    parts = arguments if head == "optax.chain" else [Invocation(str(head), tuple(arguments))]
    return ("optax.chain", *parts, "scale_each(rates)")


def _with_one_rate(optimizer: SGD | AdamW | LAMB, decay_each: str | None) -> tuple[Expression, ...]:
    mask = ["mask=weights"] if not optimizer.decay_norm_and_bias and optimizer.weight_decay else []
    decay: Expression = Invocation("optax.add_decayed_weights", (str(optimizer.weight_decay), *mask))
    if decay_each is not None:
        decay = decay_each
    decays = [decay] if optimizer.weight_decay else []
    if isinstance(optimizer, SGD):
        momentum = [f"momentum={optimizer.momentum}"] if optimizer.momentum else []
        nesterov = ["nesterov=True"] if optimizer.momentum and optimizer.nesterov else []
        sgd = Invocation("optax.sgd", ("run.lr", *momentum, *nesterov))
        return ("optax.chain", decay, sgd) if decays else (sgd.head, *sgd.arguments)
    moments = f"b1={optimizer.beta1}", f"b2={optimizer.beta2}", f"eps={optimizer.eps}"
    if isinstance(optimizer, AdamW) and decay_each is not None:
        adam = Invocation("optax.scale_by_adam", moments)
        return ("optax.chain", adam, decay, "optax.scale_by_learning_rate(run.lr)")
    if isinstance(optimizer, AdamW):
        return ("optax.adamw", "run.lr", *moments, f"weight_decay={optimizer.weight_decay}", *mask)
    ratio: Expression = Invocation("run.block_by_block", ("optax.scale_by_trust_ratio()",))
    if adapts_matrices_alone(optimizer):
        ratio = Invocation("optax.masked", (ratio, "weights"))
    rate = "optax.scale_by_learning_rate(run.lr)"
    return ("optax.chain", Invocation("optax.scale_by_adam", moments), *decays, ratio, rate)


def _names(recipe: Recipe) -> Iterator[str]:
    """What the arithmetic takes from the trainer."""
    yield from ("Scores", "Report", "Run", "State", "Training", "Tree", "main")
    skips = isinstance(recipe.bad_loss, Skip)
    if recipe.data.mix is not None:
        yield from ("Mixed", "mix_images")
    if recipe.lr_scale or recipe.decay_scale:
        yield "scale_of"
    if recipe.lr_scale:
        yield "scale_each"
    if recipe.decay_scale:
        yield "decay_each"
    if recipe.accumulate > 1:
        yield "accumulated"
    if skips or recipe.precision == "fp16":
        yield "all_finite"
    if skips:
        yield "taken_if"
    if recipe.precision in HALVES:
        yield "computing_in"


def _imports(names: list[str]) -> str:
    line = f"from archspec_flax.trainer import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "from archspec_flax.trainer import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _signature(mixes: bool) -> str:
    arguments = ["run: Run", "state: State", "images: Array", "labels: Array"]
    mixed = ["mixed: Mixed"] if mixes else []
    return call("def train_step", [*arguments, *mixed], 0, " -> tuple[State, Report]:")


def _targets(recipe: Recipe, classes: int) -> str:
    """Shares of the classes (N, classes)."""
    hot = f"jax.nn.one_hot(labels, {classes})"
    return f"optax.smooth_labels({hot}, {recipe.label_smoothing})" if recipe.label_smoothing else hot


def _forward(job: Job) -> Iterator[str]:
    """From images to the loss: of a net with several outputs the sum of their losses."""
    recipe, several = job.recipe, len(job.outputs) > 1
    half = HALVES.get(recipe.precision)
    given = f"computing_in(jnp.{half}, model)(images)" if half else "model(images)"
    if not several:
        named = f"[{quoted(job.outputs[0])}]" if job.outputs else ""
        yield f"logits = {given}{named}" + ".astype(jnp.float32)" * bool(half)
        yield f"loss = {_loss(recipe)}"
        return
    yield f"outputs = {given}"
    if half:
        yield "outputs = {name: output.astype(jnp.float32) for name, output in outputs.items()}"
    yield f"logits = outputs[{quoted(job.outputs[0])}]"
    loss = _loss(recipe)
    yield loss_lines(job, lambda logits: loss.replace("(logits", f"({logits}"), 8 + 4 * (recipe.accumulate > 1))
    yield f"loss = {summed(job)}"


def _evaluated(job: Job) -> str:
    """The logits of an evaluation, in single precision."""
    half, mirrored = HALVES.get(job.recipe.precision), "images[:, :, ::-1]"
    if not half:
        return evaluated(job, mirrored)
    return evaluated(job, mirrored, f"computing_in(jnp.{half}, model)", ".astype(jnp.float32)")


def _loss(recipe: Recipe) -> str:
    kind = "sigmoid_binary" if isinstance(recipe.loss, BCE) else "softmax"
    share = f" / {recipe.accumulate}" if recipe.accumulate > 1 else ""
    return f"optax.{kind}_cross_entropy(logits, targets).mean(){share}"


def _after(recipe: Recipe) -> str:
    """The state with what the step has changed."""
    changed = ["params=params", "rest=rest", "optimizer=optimizer"]
    changed += ["average=average"] if recipe.ema is not None else []
    changed += ["scale=state.scale.after(finite)"] if recipe.precision == "fp16" else []
    return call("state._replace", changed, 4)
