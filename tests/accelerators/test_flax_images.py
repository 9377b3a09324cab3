"""How Flax normalizes on GPUs and TPUs: by arithmetic, for a look-up of every pixel would take longer than a step."""

import numpy as np
import pytest

from archspec_runtime.augment.plan import Plan
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import ArraySplit

jax = pytest.importorskip("jax")
from archspec_flax.trainer.images import Store, batch_of, constants, pick  # noqa: E402

DRAW = np.random.default_rng(0)
SPLIT = ArraySplit(DRAW.integers(0, 256, (16, 3, 8, 8), dtype=np.uint8), DRAW.integers(0, 10, 16))
NORMALIZATIONS = {
    "per channel": Normalization(
        np.float32([0.4, 0.5, 0.6])[:, None, None], np.float32([0.2, 0.3, 0.25])[:, None, None]
    ),
    "per pixel": Normalization(DRAW.random((3, 8, 8), dtype=np.float32)),
}


def batch():
    indices = np.arange(6) * 2
    plan = Plan(2, DRAW.integers(0, 5, 6), DRAW.integers(0, 5, 6), DRAW.random(6) < 0.5)
    return Batch(indices, SPLIT.labels[indices], plan)


def store(normalization, platform):
    rows = SPLIT.images.transpose(0, 2, 3, 1).reshape(16, -1)
    found = constants(normalization, platform)
    return Store(bytes=jax.numpy.asarray(rows), labels=jax.numpy.asarray(SPLIT.labels), shape=(8, 8, 3), **found)


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_every_device_normalizes_as_the_runtime_does(kind, platform):
    given = batch()
    pixels, labels = batch_of(store(NORMALIZATIONS[kind], platform), pick(given), 2, np.float32)
    expected = given.floats(NORMALIZATIONS[kind], SPLIT.images).transpose(0, 2, 3, 1)
    if platform == "cpu":
        assert np.array_equal(pixels, expected)
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    assert np.array_equal(labels, given.labels)


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_no_pixel_is_looked_up_on_a_tpu(kind):
    def pixels(data, picked):
        return batch_of(data, picked, 0, np.float32)[0]

    def gathers(platform):
        lowered = (
            jax.jit(pixels)
            .trace(store(NORMALIZATIONS[kind], platform), pick(batch()))
            .lower(lowering_platforms=("tpu",))
        )
        return sum("stablehlo.gather" in line for line in lowered.as_text().splitlines())

    assert gathers("tpu") == 1, "of whole images"
    assert gathers("cpu") == 2
