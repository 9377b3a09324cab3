"""Agreement of a `train.py` with itself: its step does what its job says, as either may have been edited without the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Set
from typing import Any

from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job

HALVES = {"bf16": "bfloat16", "fp16": "float16"}
"""What frameworks call the numbers of a precision that a step computes in, where they are not those of the parameters."""


def check_arguments(job: Job, train_step: Callable[..., Any], count: int) -> None:
    """Raise RunError unless `train_step` takes so many arguments, and one more where the job mixes images."""
    mixes = job.recipe.data.mix is not None
    try:
        inspect.signature(train_step).bind(*[None] * (count + mixes))
    except TypeError:
        if mixes:
            raise _apart("data.mix", "train_step takes no argument `mixed`", "mix") from None
        raise RunError(
            f"JOB mixes no images, so that train_step is given {count} arguments, and it does not take these",
            "give `data=Data(mix=Mix(...))` in JOB, or leave the argument `mixed` out of train_step",
        ) from None


def check_step(
    job: Job, *, asked: bool, averages: bool, skips: bool, halves: Set[str] | None, parts: int | None = None
) -> None:  # fmt: skip
    """Raise RunError where a step that was taken did not do what the job says, or what is `asked` of an EMA.

    `halves` are the types of 16 bits that it computed in, `parts` those of the batch, where they are known.
    """
    recipe = job.recipe
    if parts == 0:
        raise RunError("train_step says nothing of its loss, so that nothing could be said of the run",
                       "call run.report(loss, logits, labels) in it, once for each part of a batch")  # fmt: skip
    if parts is not None and parts != recipe.accumulate:
        counted = "at once" if parts == 1 else f"in {parts} parts"
        raise _apart(f"accumulate={recipe.accumulate}", f"train_step computes a batch {counted}", "accumulate")
    half = HALVES.get(recipe.precision)
    if halves is not None and half is not None and half not in halves:
        raise _apart(f'precision="{recipe.precision}"', f"train_step does not compute in {half}", "precision")
    if halves is not None and half is None and (found := sorted(halves & {*HALVES.values()})):
        raise _apart(f'precision="{recipe.precision}"', f"train_step computes in {found[0]}", "precision")
    if asked and not averages and recipe.ema is not None:
        raise _apart("ema", "train_step never averages the weights", "ema")
    if asked and not averages:
        raise RunError(
            "train.py states an EMA, and train_step never averages the weights",
            "have train_step average them, or take `ema_decay` out of TRAINING",
        )
    if recipe.bad_loss.kind == "skip" and not skips:
        raise _apart("bad_loss=Skip(...)", "train_step leaves no step out", "bad_loss")
    if skips and recipe.bad_loss.kind != "skip":
        raise _apart("no bad_loss=Skip(...)", "train_step leaves steps out", "bad_loss")


def unasked_average() -> RunError:
    """What is said of a step that averages weights where nothing says how."""
    return RunError(
        "train_step averages the weights, and TRAINING has no ema_decay",
        "give `ema_decay=lambda at: 0.999` to Training(...), or leave the line out of train_step",
    )


def _apart(says: str, does: str, key: str) -> RunError:
    anew = (
        f"`archspec build SPEC --set train.{'data.' if key == 'mix' else ''}{key}=... --out NEW` writes both anew"
    )
    return RunError(f"JOB has {says}, and {does}", f"change the one or the other: {anew}")
