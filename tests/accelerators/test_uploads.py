"""What a training step copies from the host to a device: once, and no more than the device can't know by itself."""

import numpy as np
import pytest

from archspec_runtime.augment.plan import Plan
from archspec_runtime.batches.normalization import Normalization
from archspec_runtime.batches.order import Batch
from archspec_runtime.data.splits import ArraySplit

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from archspec_torch.trainer.images import Images, host_buffer, upload  # noqa: E402

COUNT, SIDE = 8, 16


class Copies(TorchDispatchMode):
    """Records the bytes of every copy from the host to another device, and every question that waits for one."""

    def __init__(self):
        super().__init__()
        self.bytes = []
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and args[0].device != result.device:
            self.bytes.append(args[0].nbytes)
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.waits.append(function)
        return result


def split():
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (32, 3, SIDE, SIDE), dtype=np.uint8)
    return ArraySplit(pixels, draw.integers(0, 10, 32))


def plan(padding):
    draw = np.random.default_rng(1)
    starts = draw.integers(0, 2 * padding + 1, (2, COUNT))
    boxes = draw.integers(1, SIDE // 2, (COUNT, 4))
    return Plan(padding, starts[0], starts[1], draw.random(COUNT) < 0.5, boxes)


def batches(padding):
    indices = np.arange(COUNT) * 3
    resident = Batch(indices, indices % 10, plan(padding))
    pixels, shift = split().images[indices], np.ones((COUNT, 3, 1, 1), np.float32)
    return {"resident": resident, "read": Batch(indices, indices % 10, plan(padding), pixels, shift)}


def images(device):
    normalization = Normalization(np.full((3, 1, 1), 0.5, np.float32), np.full((3, 1, 1), 0.25, np.float32))
    return Images(split(), normalization, device, torch.float32)


@pytest.mark.parametrize("kind", ["resident", "read"])
@pytest.mark.parametrize("padding", [0, 4])
def test_a_batch_goes_over_in_one_copy_that_nobody_waits_for(kind, padding):
    batch = batches(padding)[kind]
    there = images(torch.device("meta"))
    with Copies() as seen:
        pixels, labels = there.batch(batch)
    assert (pixels.shape, labels.shape) == ((COUNT, 3, SIDE, SIDE), (COUNT,))
    needed = COUNT * (8 + 8 + 8 + 1 + 4 * 8) + (COUNT * 3 * (SIDE * SIDE + 4) if kind == "read" else 0)
    assert len(seen.bytes) == 1
    assert needed <= seen.bytes[0] <= needed + 6 * 16, (
        "what is copied grows with the images, not with their pixels' places"
    )
    assert not seen.waits


def test_what_goes_to_a_gpu_goes_from_page_locked_memory(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "empty", lambda size, **given: asked.append(given["pin_memory"]))
    for kind in ("cuda:0", "mps", "meta"):
        host_buffer(64, torch.device(kind))
    assert asked == [True, False, False]


@pytest.mark.parametrize("kind", ["resident", "read"])
@pytest.mark.parametrize("padding", [0, 4])
def test_what_a_device_computes_is_what_the_runtime_would(kind, padding):
    batch = batches(padding)[kind]
    here = images(torch.device("cpu"))
    pixels, _ = here.batch(batch)
    normalization = Normalization(np.full((3, 1, 1), 0.5, np.float32), np.full((3, 1, 1), 0.25, np.float32))
    assert np.array_equal(pixels.numpy(), batch.floats(normalization, split().images))


def test_arrays_of_any_type_and_size_arrive_whole(monkeypatch):
    """As for another device, whose memory is that of the host here."""
    arrays = [np.arange(5), np.array([True, False, True]), np.float32([[1.5, 2.5]]), np.zeros((0, 3), np.int64),
              np.arange(7, dtype=np.uint8), np.arange(12.0).reshape(3, 4)[:, ::2]]  # fmt: skip

    class Elsewhere:
        type = "elsewhere"

    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    for array, tensor in zip(arrays, upload(arrays, Elsewhere()), strict=True):
        assert (tensor.numpy().dtype, tensor.shape) == (array.dtype, array.shape)
        assert np.array_equal(tensor.numpy(), array)
