"""A device that is not there: PyTorch's `meta`, with a record of all that a real one would be asked for.

The trainer's own code runs on it. Tensors of `meta` have a shape and no numbers, so that whatever needs one fails, unless the
record answers for it: with zeros, and a note that the host would have waited.
"""

import sys
from collections import Counter
from contextlib import contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from archspec_torch.trainer import images, training

DEVICE = torch.device("meta")
aten = torch.ops.aten
WAITS = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.is_nonzero.default,
    aten.equal.default, aten._unique2.default, aten.repeat_interleave.Tensor, aten.bincount.default,
}  # fmt: skip
"""What the host waits for: a number, or a shape that depends on numbers."""
FUSED = {aten._fused_sgd_.default, aten._fused_adamw_.default}
COPIES = {aten._to_copy.default, aten.copy_.default}


class Recording(TorchDispatchMode):
    """Notes copies between host and device, what the host waits for, and what is allocated on the device."""

    def __init__(self):
        super().__init__()
        self.uploads = []  # (bytes, whether from page-locked memory, whether the host goes on meanwhile)
        self.downloads = []  # bytes; the host waits for each
        self.waits = []
        self.allocated = Counter()  # bytes by operation
        self.kept = []  # or memory that was freed would be taken for what comes after it

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in WAITS and args[0].device == DEVICE:
            self.waits.append(str(function))
            if function is aten._local_scalar_dense.default:
                return 0 if not args[0].is_floating_point() else 0.0
        if function in COPIES and self._copied(function, args, kwargs):
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if function in FUSED:  # which are not written for `meta`, and allocate nothing
            return None
        result = function(*args, **kwargs)
        given = {storage(value) for value in tree_iter((args, kwargs)) if on_device(value)}
        new = {storage(value): value for value in tree_iter(result) if on_device(value)}
        for place, value in new.items():
            if place not in given:
                self.kept.append(value)
                self.allocated[str(function)] += value.untyped_storage().nbytes()
        return result

    def _copied(self, function, args, kwargs):
        """Note a copy between host and device; whether it is one to the host, for which there are no numbers."""
        if function is aten.copy_.default:
            target, source = args[:2]
            there, later = target.device, args[2] if len(args) > 2 else kwargs.get("non_blocking", False)
        else:
            source, there, later = (
                args[0],
                kwargs.get("device") or args[0].device,
                kwargs.get("non_blocking", False),
            )
        if source.device.type == "cpu" and there == DEVICE and source.ndim:
            self.uploads.append((source.nbytes, id(source) in pinned, later))
        if source.device == DEVICE and there.type == "cpu":
            self.downloads.append(source.nbytes)
            assert function is aten._to_copy.default, "results are copied into new memory of the host"
            return True
        return False


def on_device(value):
    return isinstance(value, torch.Tensor) and value.device == DEVICE


def storage(value):
    return value.untyped_storage()._cdata


pinned = {}
"""Buffers that would be page-locked, by their identity."""


def host_buffer(size, device):
    made = torch.empty(size, dtype=torch.uint8)
    pinned[id(made)] = made  # kept, or another tensor would be taken for it
    return made


@contextmanager
def stand_in(monkeypatch):
    """Have the trainer treat `meta` as it treats GPUs: page-locked uploads, casts that are there alone left out."""
    real = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda kind, *a: nullcontext() if kind == "meta" else real(kind, *a))
    monkeypatch.setattr(images, "host_buffer", host_buffer)
    monkeypatch.setattr(training, "FUSED", ("cpu", "cuda", "meta"))
    monkeypatch.setattr(
        sys.modules[torch.optim.Optimizer.__module__], "_get_fused_kernels_supported_devices", lambda: ["meta"]
    )
    pinned.clear()
    yield DEVICE
