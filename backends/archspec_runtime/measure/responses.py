"""How strongly the layers of a trained net respond, as in Figure 7 of He et al. (2015)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archspec_runtime.batches.order import evaluation_batches, evaluation_size
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.frameworks.results import Floats
from archspec_runtime.measure.evaluation import Trained, open_run

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel

BATCH = 100  # at most


def measure_responses(
    framework: Framework, path: Path, layers: Sequence[str], split: str = "test", data: Path | None = None,
    device: str = "auto", images: int | None = None, make_model: MakeModel | None = None,
) -> list[float]:  # fmt: skip
    """The standard deviation of each layer's output in evaluation, over all its numbers for all images of a split.

    `images` takes that many instead, evenly spaced over the split. Raises RunError.
    """
    run = open_run(framework, path, make_model)
    chosen = framework.choose_device(device)
    samples = run.images(data, split).split(split)
    if images is not None and images < len(samples):
        samples = samples.subset(np.linspace(0, len(samples) - 1, images).astype(np.int64))
    probe = run.probe(chosen, layers)
    means, squares = np.zeros(len(layers)), np.zeros(len(layers))
    for pixels in _pixels(run, samples):
        answer = probe(pixels)
        means += answer.means.sum(axis=0)
        squares += answer.squares.sum(axis=0)
    means, squares = means / len(samples), squares / len(samples)
    deviations: list[float] = np.sqrt(np.maximum(squares - means * means, 0)).tolist()
    return deviations


def _pixels(run: Trained, samples: Split) -> Iterator[Floats]:
    job = run.job
    size = min(BATCH, evaluation_size(job.recipe, len(samples)))
    for piece, pixels in evaluation_batches(samples, size, job.input_shape, job.recipe.data):
        if pixels is None:
            assert isinstance(samples, ArraySplit), "the images that are not read as needed are in memory"
            pixels = samples.images[piece]
        yield run.normalization.apply(pixels)
