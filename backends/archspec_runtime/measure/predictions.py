"""Predictions of a trained net: the names and probabilities of the classes of pictures, which are cut as its evaluation cuts.

They are told as a table, JSON or CSV.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.batches.order import evaluation_size
from archspec_runtime.console import complain, printable, tell_text, warn
from archspec_runtime.errors import CheckpointError, DataError, RunError
from archspec_runtime.files.os_errors import not_read
from archspec_runtime.frameworks.results import PIXELS, softmax
from archspec_runtime.images.pillow import FILTERS, centre, read_image, to_array, upright
from archspec_runtime.job.job import Job
from archspec_runtime.measure.evaluation import Trained
from archspec_runtime.parts import part
from archspec_runtime.processes.platforms import cores
from archspec_runtime.recipe.images import Data

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Probe

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, which has not been read: a path, `-` for standard input, or the bytes of a file or an image of Pillow's.

    `fault` is why there is no such picture.
    """

    name: str
    source: Any
    fault: DataError | None = None

    def image(self, channels: int) -> Image.Image:
        """All of it, upright, in 1 or 3 channels, as training reads it. Raises DataError."""
        if self.fault is not None:
            raise self.fault
        if isinstance(self.source, Image.Image):
            try:
                return upright(self.source, channels)
            except (ValueError, OSError) as error:
                raise DataError(f"{self.name} cannot be used: {error}") from None
        return read_image(self._bytes(), self.name, channels)

    def _bytes(self) -> bytes:
        if isinstance(self.source, bytes):
            return self.source
        try:
            if self.source == STANDARD_INPUT:
                return sys.stdin.buffer.read()
            return Path(self.source).read_bytes()
        except OSError as error:
            raise DataError(f"{self.name} cannot be read: {error.strerror}", not_read(error)) from None


def pictures(given: Iterable[Any]) -> list[Picture]:
    """The pictures of what was given, in its order; those of a folder, and of the folders in it, by name.

    Hidden files and those that systems leave behind are no pictures. Raises DataError where standard input is given twice.
    """
    found: list[Picture] = []
    for source in given:
        if isinstance(source, (bytes, Image.Image)):
            name = getattr(source, "filename", "") or f"picture {len(found) + 1}"
            found.append(Picture(str(name), source))
        elif os.fspath(source) == STANDARD_INPUT:
            if any(isinstance(picture.source, str) and picture.source == STANDARD_INPUT for picture in found):
                raise DataError("standard input holds one picture, and - is given twice", "give - once", 2)
            found.append(Picture(STANDARD_INPUT, STANDARD_INPUT))
        elif os.path.isdir(source):
            folders = part("archspec_runtime.measure.picture_folders", "predicting the pictures of a folder")
            found += [Picture(str(path), path, fault) for path, fault in folders.pictures_of(Path(source))]
        else:
            found.append(Picture(os.fspath(source), Path(source)))
    return found


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


WIDEST = 40  # characters that names of pictures and classes are aligned to

Form = Callable[[Iterable[Prediction], Sequence[str], Sequence[str]], Iterator[str]]
"""The text of predictions, given the names of all pictures and of all classes, for their width."""


def table(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A row for each picture that could be read."""
    wide, narrow = _width(pictures), _width(classes)
    for one in found:
        if one.fault is None:
            guesses = (f"{printable(guess.name):<{narrow}} {guess.probability:7.2%}" for guess in one.guesses)
            yield "  ".join([f"{printable(one.image):<{wide}}", *guesses]) + "\n"


def as_json(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A list with an object for each picture; one that could not be read has an `error`."""
    before = "[\n"
    for one in found:
        yield before + json.dumps(record(one))
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def as_csv(found: Iterable[Prediction], pictures: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """A row for each class of each picture that could be read."""
    yield _row(["image", "rank", "class", "label", "probability"])
    for one in found:
        for rank, guess in enumerate(one.guesses, start=1):
            yield _row([one.image, rank, guess.name, guess.label, guess.probability])


def record(one: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it."""
    if one.fault is not None:
        return {"image": one.image, "error": one.fault.message}
    return {"image": one.image, "predictions": [
        {"class": guess.name, "label": guess.label, "probability": guess.probability} for guess in one.guesses
    ]}  # fmt: skip


FORMS: dict[str, Form] = {"table": table, "json": as_json, "csv": as_csv}


def _width(names: Iterable[str]) -> int:
    return min(WIDEST, max((len(printable(name)) for name in names), default=0))


def _row(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def told(found: Iterable[Prediction], faults: list[RunError]) -> Iterator[Prediction]:
    """The same; why there is none for a picture is said, and added to `faults`."""
    for one in found:
        if one.fault is not None:
            faults.append(one.fault)
            complain(one.fault)
        yield one


def print_all(found: Iterable[Prediction], form: str, pictures: Sequence[str], classes: Sequence[str]) -> int:
    """Print predictions; gives the exit code: 1 where a picture could not be read, which is said."""
    faults: list[RunError] = []
    for piece in FORMS[form](told(found, faults), pictures, classes):
        tell_text(piece)
    return 1 if faults else 0
