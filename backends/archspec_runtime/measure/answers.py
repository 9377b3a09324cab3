"""Answers of a trained net to each image of a split, with the label that the image has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archspec_runtime.batches.order import evaluation_batches, evaluation_size
from archspec_runtime.data.splits import ArraySplit, Split
from archspec_runtime.errors import CheckpointError
from archspec_runtime.frameworks.results import softmax
from archspec_runtime.measure.evaluation import Trained


class Answered(NamedTuple):
    """One image of a split: its place, its label, and the probability of each class."""

    place: int
    label: int
    chances: NDArray[np.float64]

    @property
    def loss(self) -> float:
        """The cross-entropy, as evaluation has it."""
        return -float(np.log(max(self.chances[self.label], np.finfo(np.float64).tiny)))

    @property
    def rank(self) -> int:
        """How many other classes are at least as probable as the right one."""
        return int((self.chances >= self.chances[self.label]).sum()) - 1

    def first(self, count: int) -> list[int]:
        """The labels of the most probable classes."""
        found: list[int] = np.argsort(-self.chances, kind="stable")[:count].tolist()
        return found


def answers(run: Trained, samples: Split, device: str) -> Iterator[Answered]:
    """Every image once, in order, seen as evaluation does. Raises RunError."""
    job = run.job
    probe = run.probe(device)
    size = evaluation_size(job.recipe, len(samples))
    for piece, pixels in evaluation_batches(samples, size, job.input_shape, job.recipe.data):
        if pixels is None:
            assert isinstance(samples, ArraySplit), "the images that are not read as needed are in memory"
            pixels = samples.images[piece]
        chances = softmax(probe(run.normalization.apply(pixels)).logits)
        if not np.isfinite(chances).all():
            raise CheckpointError(
                f"the net of {run.checkpoint} answers with what is no number", "take an earlier checkpoint"
            )
        for index, one in zip(range(piece.start, piece.stop), chances, strict=True):
            yield Answered(index, int(samples.labels[index]), one)
