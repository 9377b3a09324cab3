"""Predictions of a trained net: the names and probabilities of the classes of pictures, which are cut as its evaluation cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.batches.order import evaluation_size
from archspec_runtime.console import warn
from archspec_runtime.errors import CheckpointError, DataError, RunError
from archspec_runtime.frameworks.protocol import PIXELS, Probe, softmax
from archspec_runtime.images.pillow import FILTERS, centre, to_array
from archspec_runtime.job.job import Job
from archspec_runtime.measure.evaluation import Trained
from archspec_runtime.measure.pictures import Picture
from archspec_runtime.processes.platforms import cores
from archspec_runtime.recipe.images import Data

Bytes = NDArray[np.uint8]

TOP = 5
CROPS = ("resize_shorter", "random_crop", "random_resized_crop")
"""Augmentations of images of other sizes than the net's input."""
STREAMED = ("webdataset", "parquet")
"""Data sets whose images are cut at the centre, whatever their size."""


class Guess(NamedTuple):
    """A class, by name and by label, and how probable it is."""

    name: str
    label: int
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most probable classes of a picture, the first of them first; `fault` is why there are none."""

    image: str
    guesses: tuple[Guess, ...]
    fault: RunError | None = None


def predictions(
    run: Trained, found: Sequence[Picture], device: str = "auto", top: int | None = None
) -> Iterator[Prediction]:
    """The `top` most probable classes of each picture, by default five.

    The net is loaded at once, and a batch of pictures read when it is asked for. One that cannot be read has a `fault`, and
    the others go on. Raises RunError.
    """
    channels = run.job.input_shape[0]
    if channels not in (1, 3):
        raise RunError(
            f"pictures have 1 or 3 channels, and the net takes {channels}", "give its `model.py` the numbers"
        )
    probe = run.probe(run.framework.choose_device(device))
    if top is not None and top > run.job.classes:
        warn(f"{top:,} classes of each image are asked for, and the net has {run.job.classes:,}")
    return _answered(run, found, probe, TOP if top is None else top)


def _answered(run: Trained, found: Sequence[Picture], probe: Probe, top: int) -> Iterator[Prediction]:
    _, height, width = run.job.input_shape
    names = run.class_names
    size = min(evaluation_size(run.job.recipe, len(found)), max(1, PIXELS // (height * width)))
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(found), size):
            batch = found[start : start + size]
            read = list(pool.map(partial(_read, run.job), batch))
            pixels = [one for one in read if not isinstance(one, RunError)]
            answers = iter(_probabilities(run, probe, np.stack(pixels)) if pixels else ())
            for picture, one in zip(batch, read, strict=True):
                if isinstance(one, RunError):
                    yield Prediction(picture.name, (), one)
                    continue
                chances: NDArray[np.float64] = next(answers)
                order = np.argsort(-chances, kind="stable")[:top].tolist()
                yield Prediction(picture.name, tuple(Guess(names[i], i, float(chances[i])) for i in order))


def _read(job: Job, picture: Picture) -> Bytes | RunError:
    try:
        return to_array(seen(picture.image(job.input_shape[0]), job.input_shape, job.recipe.data))
    except DataError as error:
        return error


def _probabilities(run: Trained, probe: Probe, pixels: Bytes) -> NDArray[np.float64]:
    found = softmax(probe(run.normalization.apply(pixels)).logits)
    if not np.isfinite(found).all():
        raise CheckpointError(
            f"the net of {run.checkpoint} answers with what is no number", "take an earlier checkpoint"
        )
    return found


def seen(image: Image.Image, shape: tuple[int, int, int], data: Data) -> Image.Image:
    """What a net is shown of a picture: what evaluation shows it.

    A data set whose images are as large as the net's input has no rule for others: they are resized until they just cover it.
    """
    whole = data.dataset not in STREAMED and not any(step.kind in CROPS for step in data.augment)
    if whole and data.eval_resize is None:
        scale = max(shape[2] / image.width, shape[1] / image.height)
        size = max(shape[2], round(image.width * scale)), max(shape[1], round(image.height * scale))
        image = image if size == image.size else image.resize(size, FILTERS[data.eval_interpolation])
    return centre(image, shape, data)
