"""Evaluation as in He et al. (2015): ten crops of an image, or the whole image at several sizes; answers are averaged.

Ten crops are the four corners and the centre with their mirror images (Krizhevsky et al., 2012, section 4.1), cut to the
net's size after the recipe's `eval_resize`. At several sizes the short edge is resized to each and the net is applied to
the whole image: a net that ends in a global average and a linear layer then averages that layer's scores over all
positions. What is averaged over the views of an image is softmax's output, as in Krizhevsky et al.; the loss is that of
the average.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archspec_runtime.batches.evaluation_progress import Pace
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import evaluation_size
from archspec_runtime.data.encoded import EncodedSplit
from archspec_runtime.errors import RunError
from archspec_runtime.frameworks.results import PIXELS, Evaluation, softmax
from archspec_runtime.images.pillow import for_evaluation, middle, resize_shorter, to_array
from archspec_runtime.measure.evaluation import Trained, evaluate_run, open_run
from archspec_runtime.recipe.images import Data

if TYPE_CHECKING:
    from archspec_runtime.frameworks.protocol import Framework, MakeModel, Probe

Bytes = NDArray[np.uint8]
Cut = Callable[[Image.Image], list[Bytes]]

WINDOW = 256  # images that are decoded together
SMALLEST, LARGEST = 8, 4096  # sides that images are resized to


@dataclass(frozen=True, slots=True)
class Views:
    """How each image is looked at: so many crops of the net's size, or whole with these short edges.

    With `mirror`, each view is joined by its mirror image. Raises RunError where this makes no sense.
    """

    crops: int = 1
    scales: tuple[int, ...] = ()
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.crops not in (1, 10):
            raise RunError(f"there is no evaluation of {self.crops} crops", "one of 1 and 10", 2)
        if self.crops == 10 and self.scales:
            raise RunError(
                "crops are cut to the net's size, and scales take the whole image", "give one of them", 2
            )
        if self.crops == 10 and self.mirror:
            raise RunError("the ten crops have their mirror images among them", "leave --mirror out", 2)
        for side in self.scales:
            if not SMALLEST <= side <= LARGEST:
                raise RunError(f"images cannot be resized to {side}", f"sides go from {SMALLEST} to {LARGEST}", 2)
        if len(set(self.scales)) < len(self.scales):
            raise RunError("a scale is given twice", "give each once", 2)

    @property
    def plain(self) -> bool:
        """Whether this is the evaluation that training does: one crop."""
        return self == Views()

    def cuts(self, shape: tuple[int, int, int], data: Data) -> list[Cut]:
        """What is done to an image; all views that one of these gives have one shape."""
        if self.scales:
            return [self._mirrored(_whole(side, data)) for side in self.scales]
        crop = _ten(shape, data) if self.crops == 10 else _one(shape, data)
        return [self._mirrored(crop)]

    def _mirrored(self, cut: Cut) -> Cut:
        return (lambda image: _with_mirrors(cut(image))) if self.mirror else cut


def evaluate_views(
    framework: Framework, path: Path, views: Views, split: str = "test", data: Path | None = None,
    device: str = "auto", make_model: MakeModel | None = None,
) -> Evaluation:  # fmt: skip
    """Measure a run's newest checkpoint, or one of its checkpoints, with several views of each image. Raises RunError."""
    if views.plain:
        return evaluate_run(framework, path, split, data, device, make_model)
    run = open_run(framework, path, make_model)
    chosen = framework.choose_device(device)
    samples = run.images(data, split).split(split)
    if not isinstance(samples, EncodedSplit):
        dataset = run.job.recipe.data.dataset
        message = f"the images of {dataset} are read at the net's own size, so one view is all there is of each"
        raise RunError(message, "crops and scales are for image folders whose recipe has `eval_resize`", 2)
    return _measure(run, samples, views, run.probe(chosen))


def _measure(run: Trained, samples: EncodedSplit, views: Views, probe: Probe) -> Evaluation:
    job = run.job
    cuts = views.cuts(job.input_shape, job.recipe.data)
    normalization = anywhere(run.normalization) if views.scales else run.normalization
    _, height, width = job.input_shape
    most = min(PIXELS, evaluation_size(job.recipe, len(samples)) * height * width)
    loss, wrong1, wrong5 = 0.0, 0, 0
    pace = Pace(len(samples))
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(samples), WINDOW):
            indices = range(start, min(start + WINDOW, len(samples)))
            images = list(pool.map(samples.image, indices))
            scores = np.zeros((len(images), job.classes))
            count = 0
            for cut in cuts:
                seen = list(pool.map(cut, images))
                count += len(seen[0])
                for owners, pixels in batches(seen, most):
                    np.add.at(scores, owners, softmax(probe(normalization.apply(pixels)).logits))
            scores /= count
            own = scores[np.arange(len(images)), samples.labels[indices.start : indices.stop]]
            loss -= float(np.log(np.maximum(own, np.finfo(np.float64).tiny)).sum())
            rank = (~(scores < own[:, None])).sum(axis=1) - 1  # so that what is no number is no right answer
            wrong1, wrong5 = wrong1 + int((rank >= 1).sum()), wrong5 + int((rank >= 5).sum())
            pace.come_to(indices.stop)
    total = len(samples)
    five = 100.0 * wrong5 / total if job.classes > 5 else None
    return Evaluation(loss / total, 100.0 * wrong1 / total, five, total)


def batches(seen: Sequence[Sequence[Bytes]], most: int = PIXELS) -> Iterator[tuple[list[int], Bytes]]:
    """The views of some images in batches of one shape (N, C, H, W), with the image that each belongs to.

    Nothing is padded, for that would change the answers; images of one shape go together.
    """
    by_shape: dict[tuple[int, ...], list[tuple[int, Bytes]]] = defaultdict(list)
    for owner, arrays in enumerate(seen):
        for array in arrays:
            by_shape[array.shape].append((owner, array))
    for shape, items in by_shape.items():
        size = max(1, most // (shape[1] * shape[2]))
        for start in range(0, len(items), size):
            owners, arrays = zip(*items[start : start + size], strict=True)
            yield list(owners), np.stack(arrays)


def anywhere(normalization: Normalization) -> Normalization:
    """The normalization for images of any size: a mean image is averaged over its pixels."""
    mean, std = normalization.mean, normalization.std
    return Normalization(
        mean.mean(axis=(1, 2), keepdims=True), None if std is None else std.mean(axis=(1, 2), keepdims=True)
    )


def _whole(side: int, data: Data) -> Cut:
    return lambda image: [to_array(resize_shorter(image, side, data.eval_interpolation))]


def _one(shape: tuple[int, int, int], data: Data) -> Cut:
    return lambda image: _crops(image, shape, data)[-1:]


def _ten(shape: tuple[int, int, int], data: Data) -> Cut:
    return lambda image: _with_mirrors(_crops(image, shape, data))


def _crops(image: Image.Image, shape: tuple[int, int, int], data: Data) -> list[Bytes]:
    """The four corners and the centre, (C, H, W) each."""
    _, height, width = shape
    image = for_evaluation(image, height, width, data)
    right, bottom = image.width - width, image.height - height
    centre = middle(image.width, width), middle(image.height, height)
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), centre]
    pixels = to_array(image)
    return [pixels[:, top : top + height, left : left + width] for left, top in corners]


def _with_mirrors(arrays: Iterable[Bytes]) -> list[Bytes]:
    given = list(arrays)
    return given + [array[:, :, ::-1] for array in given]
