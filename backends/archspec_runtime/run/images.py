"""The images of a run: opened, and looked at for what its recipe asks of them."""

from __future__ import annotations

from pathlib import Path

from archspec_runtime.batches.order import check_filled
from archspec_runtime.console import warn
from archspec_runtime.data import Dataset, open_dataset
from archspec_runtime.errors import RunError
from archspec_runtime.job.job import Job


def open_for(job: Job, data: Path | None) -> Dataset:
    """The images that a job is trained on. Raises DataError."""
    recipe = job.recipe
    return open_dataset(recipe.data, data, input_shape=job.input_shape, classes=job.classes, seed=recipe.seed)


def check_split(job: Job, dataset: Dataset) -> None:
    """Raise RunError where a data set has not what the recipe asks for."""
    if job.recipe.asks_for_validation and not dataset.validates:
        help_ = (
            "set some aside with `data.holdout`, put val/ beside test/, or ask for the other by name, "
            "as in `plateau 5 of test_error`"
        )
        raise RunError("the recipe asks for a `val_error`, and there are no images to validate on", help_)
    check_filled(len(dataset.train), job.recipe.batch_size)


def warn_of_images(job: Job, dataset: Dataset) -> None:
    """Say what a user should know of the images that a job is trained on."""
    for notice in dataset.notices:
        warn(*notice.split("\n"))
    if dataset.val_is_test and job.recipe.asks_for_validation:
        warn("val/ alone is there to measure on: `val_error` and `test_error` are of the same images")
