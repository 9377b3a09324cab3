"""Counts of the kernels that PyTorch dispatches, and of the bytes that each reads and writes."""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

NO_KERNEL = {"aten::detach", "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::_unsafe_view"}
"""What launches nothing, beside views."""


class Kernels(TorchDispatchMode):
    """How many kernels were launched within it, by name, and what they moved.

    The gradients of a convolution's input, weights and bias are a kernel each, and each reads that of the result.
    """

    def __init__(self):
        super().__init__()
        self.names, self.bytes = Counter(), 0

    @property
    def launches(self):
        return self.names.total()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function._schema.name
        if function.is_view or name in NO_KERNEL:
            return result
        read, written = (
            [t for t in tree_leaves(x) if isinstance(t, torch.Tensor)] for x in ((args, kwargs), result)
        )
        self.names[name] += 1
        self.bytes += sum(t.nbytes for t in (*read, *written))
        if name == "aten::convolution_backward":  # one for each of the gradients that are asked for
            self.names[name] += sum(args[-1]) - 1
            self.bytes += (sum(args[-1]) - 1) * args[0].nbytes
        return result
