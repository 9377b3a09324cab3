"""The operators of PyTorch that the graph of a file may name: those that compute a tensor of tensors, by name."""

from __future__ import annotations

import re
from typing import Any

from archspec_torch.importing.operations import SAME, TABLE
from archspec_torch.importing.shaping import SHAPED

READ = frozenset({"add", "sub", "mul", "div", "cat", "concat", "concatenate", "scaled_dot_product_attention", "matmul", "bmm",
                  "addcmul", "softmax", "mean", "amax"}) | TABLE.keys() | SHAPED.keys() | SAME  # fmt: skip
"""What is read as operations of archspec."""

INSIDE = frozenset({
    "empty", "new_empty", "new_zeros", "zeros", "ones", "new_ones", "zeros_like", "ones_like", "rand", "bernoulli", "ge", "fill",
    "copy", "roll", "index", "ne", "eq", "masked_fill", "baddbmm", "linalg_vector_norm", "clamp_min", "expand_as", "log", "rsqrt",
    "sign", "abs", "log2", "detach", "movedim",
})  # fmt: skip
"""What else attention and stochastic depth compute by."""


def packet(target: str) -> str:
    """The name of an operator without its overload: `conv2d` of `aten.conv2d.default`."""
    return target.removeprefix("aten.").partition(".")[0]


def operator(target: str) -> Any:
    """The operator of a name such as `aten.conv2d.default`; None of what the graph of a file may not run."""
    import torch

    match = re.fullmatch(r"aten\.(\w+)\.(\w+)", target, re.ASCII)
    if match is None or match[1].removesuffix("_") not in READ | INSIDE:
        return None
    return getattr(getattr(torch.ops.aten, match[1], None), match[2], None)
