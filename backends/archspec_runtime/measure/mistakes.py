"""Mistakes of a run on a split: the error of each class, what is taken for what, and the images with the highest loss.

They are kept in the run's folder, where `archspec report` finds them, and every prediction may be written to a file.
"""

from __future__ import annotations

import base64
import csv
import heapq
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from archspec_runtime.console import say, warn
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.errors import RunError
from archspec_runtime.files.os_errors import not_written
from archspec_runtime.frameworks.results import Evaluation
from archspec_runtime.measure.answers import Answered, answers
from archspec_runtime.measure.evaluation import Trained, open_run
from archspec_runtime.measure.prediction_files import check_out
from archspec_runtime.processes.signals import written_whole
from archspec_runtime.record.folder import write_json

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel

FILE = "mistakes.json"
SHOWN = 24  # images with the highest loss
SIDE = 96  # pixels of their longer side at most
TOP = 5

Write = Callable[[str, Answered], object]


@dataclass(frozen=True, slots=True)
class Worst:
    """An image with a high loss: what it is, what it was taken for, and a small picture of it as a `data:` address."""

    image: str
    label: int
    guess: int
    probability: float  # of the right class
    loss: float
    picture: str


@dataclass(frozen=True, slots=True)
class Mistakes:
    """What was measured of a split, by label."""

    checkpoint: str
    split: str
    classes: list[str]
    images: list[int]  # of each class
    wrong: list[int]  # of each class
    confused: list[list[int]]  # label, guess, how many; the most frequent first
    worst: list[Worst]


def measure_mistakes(
    framework: Framework, path: Path, split: str, data: Path | None, device: str, predictions: Path | None = None,
    make_model: MakeModel | None = None, *, force: bool = False,
) -> Evaluation:  # fmt: skip
    """Measure a split image by image; keep the mistakes in the run's folder, and write `predictions`. Raises RunError."""
    check_out(predictions, force=force, option="--predictions")
    run = open_run(framework, path, make_model)
    chosen = framework.choose_device(device)
    samples = run.images(data, split).split(split)
    classes = run.class_names
    images, wrong, confused = [0] * len(classes), [0] * len(classes), Counter[tuple[int, int]]()
    worst: list[tuple[float, int, Answered]] = []
    loss, wrong5 = 0.0, 0
    with _written(predictions, classes) as write:
        for one in answers(run, samples, chosen):
            loss, wrong5 = loss + one.loss, wrong5 + (one.rank >= TOP)
            images[one.label] += 1
            if one.rank >= 1:
                wrong[one.label] += 1
                confused[one.label, one.first(2)[one.first(1)[0] == one.label]] += 1
            (heapq.heappush if len(worst) < SHOWN else heapq.heappushpop)(worst, (one.loss, -one.place, one))
            write(samples.name(one.place), one)
    shown = [_worst(samples, one) for _, _, one in sorted(worst, reverse=True)]
    pairs = [[*pair, count] for pair, count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))]
    _keep(run, Mistakes(run.checkpoint.name, split, classes, images, wrong, pairs, shown))
    total = len(samples)
    five = 100.0 * wrong5 / total if run.job.classes > TOP else None
    return Evaluation(loss / total, 100.0 * sum(wrong) / total, five, total)


def _keep(run: Trained, found: Mistakes) -> None:
    folder = run.checkpoint.parent.parent
    try:
        write_json(folder / FILE, asdict(found))
        say(f"the mistakes are in {folder / FILE}; `archspec report` shows them")
    except RunError as error:  # a run of somebody else's can be measured, and its report lacks what was
        warn(f"{error.message}: what was measured is not kept, and `archspec report` cannot show it")


@contextmanager
def _written(out: Path | None, classes: list[str]) -> Iterator[Write]:
    """Writes a line for each image, CSV or, by the suffix, JSON; the file is there whole or not at all. Raises RunError."""
    if out is None:
        yield lambda name, one: None
        return
    lines = out.suffix.lower() in (".json", ".jsonl")
    try:
        with written_whole(out) as aside, open(aside, "w", encoding="utf-8", errors="surrogateescape") as file:
            table = csv.writer(file, lineterminator="\n")
            count = min(TOP, len(classes))
            if not lines:
                ranked = (f"{what}_{rank}" for rank in range(1, count + 1) for what in ("class", "probability"))
                table.writerow(["path", "label", "prediction", "loss", *ranked])

            def write(name: str, one: Answered) -> None:
                first = [(classes[label], float(one.chances[label])) for label in one.first(count)]
                stated = [name, classes[one.label], first[0][0], one.loss]
                if lines:
                    keys = ("path", "label", "prediction", "loss", "probabilities")
                    file.write(json.dumps(dict(zip(keys, [*stated, dict(first)], strict=True))) + "\n")
                else:
                    table.writerow([*stated, *(value for pair in first for value in pair)])

            yield write
        say(f"the predictions are in {out}")
    except OSError as error:
        raise RunError(
            f"cannot write {out}: {error.strerror}", not_written(error, "give another --predictions")
        ) from None


def _worst(samples: Split, one: Answered) -> Worst:
    chance = float(one.chances[one.label])
    picture = _picture(samples, one.place)
    return Worst(samples.name(one.place), one.label, one.first(1)[0], chance, one.loss, picture)


def _picture(samples: Split, index: int) -> str:
    """A small picture of an image, as an address that holds it."""
    image: Any
    if isinstance(samples, EncodedSplit):
        image = samples.image(index)
    else:
        assert isinstance(samples, ArraySplit), "the images that are not read as needed are in memory"
        pixels = samples.images[index]
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small = max(image.size) < SIDE // 2
    image.save(file, "PNG" if small else "JPEG", **({} if small else {"quality": 80}))
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(file.getvalue()).decode()}"
