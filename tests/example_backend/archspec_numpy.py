"""An example backend: nets as plain NumPy functions, for inference.

`archspec build SPEC --backend numpy` writes a `model.py` that needs NumPy alone. It has one statement for each operation,
which is enough for an example; the PyTorch backend shows how blocks become classes.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from archspec.backends import Files, Weights, check_supported
from archspec.errors import WeightsError
from archspec.ir import Call, walk
from archspec.ir.network import Network
from archspec.ir.owners import owners
from archspec.ops import Op

# What each supported operation is, as an expression in its inputs {0}, {1}, ..., its attributes, and its weights by `w`.
STATEMENTS = {
    "conv": "conv({0}, w, {name!r}, {stride}, {padding}, {dilation}, {groups})",
    "linear": "{0} @ w[{name!r} + '.weight'].T + w.get({name!r} + '.bias', 0)",
    "batch_norm": "batch_norm({0}, w, {name!r}, {eps})",
    "relu": "np.maximum({0}, 0)",
    "max_pool": "windows({0}, {kernel}, {stride}, {padding}, fill=-np.inf).max((4, 5))",
    "global_avg_pool": "{0}.mean((2, 3), keepdims={keep})",
    "flatten": "{0}.reshape(len({0}), -1)",
    "add": "{0} + {1}",
    "pad_channels": "np.pad({0}, ((0, 0), ({before}, {after}), (0, 0), (0, 0)))",
    "subsample": "{0}[:, :, ::{stride[0]}, ::{stride[1]}]",
    "dropout": "{0}",
    "identity": "{0}",
}

SOURCE = '''"""{name}: {channels}x{height}x{width} images to {classes:,} classes, in NumPy, for inference."""

import numpy as np


def windows(x, kernel, stride, padding, dilation=(1, 1), fill=0.0):
    """Views (N, C, H', W', kernel) of images (N, C, H, W)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    views = np.lib.stride_tricks.sliding_window_view(x, extent, (2, 3))
    return views[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def conv(x, w, name, stride, padding, dilation, groups):
    """A convolution of images (N, C, H, W)."""
    kernel = w[name + ".weight"]
    views = windows(x, kernel.shape[2:], stride, padding, dilation)
    parts = zip(np.split(views, groups, 1), np.split(kernel, groups))
    y = np.concatenate([np.einsum("nchwij,ocij->nohw", v, k, optimize=True) for v, k in parts], 1)
    return y + w[name + ".bias"][:, None, None] if name + ".bias" in w else y


def batch_norm(x, w, name, eps):
    """Normalization of images (N, C, H, W) by the running statistics."""
    y = (x - w[name + ".running_mean"][:, None, None]) / np.sqrt(w[name + ".running_var"][:, None, None] + eps)
    return y * w[name + ".weight"][:, None, None] + w[name + ".bias"][:, None, None] if name + ".weight" in w else y


def forward(w, x):
    """Logits (N, {classes}) of images (N, {channels}, {height}, {width}) under the weights `w`, by the spec's names."""
{body}
    return {output}
'''


class NumpyBackend:
    """Emission to NumPy."""

    name = "numpy"
    supported = frozenset(STATEMENTS)

    def emit(self, net: Network, weights: Weights | None = None) -> Files:
        """`model.py` with a function `forward(weights, images)`. Raises SpecError for operations that are not supported."""
        check_supported(net, self)
        lines: list[str] = []
        owned = owners(net.root)

        def add(name: str, call: Call, op: Op, inputs: tuple[str, ...]) -> str:
            """Write the statement of an operation; gives the variable of its result."""
            variable = "v_" + name.replace(".", "_")
            own = owned.get(name, name)  # the operation whose weights it has
            lines.append(f"{variable} = {STATEMENTS[op.kind].format(*inputs, name=own, **op.attributes)}")
            return variable

        output = walk(net.root, ["x"], add)
        channels, height, width = net.input_shape
        body = "\n".join(f"    {line}" for line in lines)
        return {
            "model.py": SOURCE.format(name=net.name, channels=channels, height=height, width=width,
                                      classes=net.classes, body=body, output=output)
        }  # fmt: skip

    def build(self, net: Network, *, seed: int, weights: Weights | None) -> Callable[[Any], Any]:
        """A function from images (N, C, H, W) to logits, imported from the emitted source. Raises WeightsError."""
        if weights is None:
            raise WeightsError("this backend trains nothing: give it `weights`")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.py")
            path.write_text(str(self.emit(net)["model.py"]), encoding="utf-8")
            spec = importlib.util.spec_from_file_location("model", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return lambda images: module.forward(weights, images)

    def examine(self) -> Iterable[tuple[str, str, bool, str | None]]:
        """For `archspec doctor`."""
        import numpy

        yield "numpy", numpy.__version__, True, None
