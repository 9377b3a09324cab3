"""ONNX files as sources of weights: their initializers, by the names that they have there."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.backends import Weights
from archspec.errors import WeightsError
from archspec_onnx.health import need_onnx

if TYPE_CHECKING:
    from archspec.backends.stored import Array, Stored
    from archspec.ir.network import Network

MOST = 2**31
"""Bytes of a file: what protocol buffers hold."""


class OnnxFile:
    """An ONNX model, whose initializers have the names of the parameters that it was exported with."""

    title = "an ONNX file"
    suffixes = (".onnx",)
    writable = False

    def recognizes(self, path: Path) -> bool:
        """Whether a file begins with the version of a model, and then another field of one."""
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            head = file.read(3)
        return (
            len(head) == 3
            and head[0] == 0x08
            and 0 < head[1] < 64
            and head[2] in (0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A, 0x42)
        )

    def read(self, path: Path, key: str | None, net: Network) -> tuple[dict[str, Array | Stored], list[str]]:
        """All initializers with dotted names. Raises WeightsError, and SpecError without onnx."""
        if key is not None:
            raise WeightsError(f"{path} is an ONNX file, which holds one set of weights", "leave --key out", 2)
        if path.stat().st_size > MOST:
            raise WeightsError(f"{path} is larger than an ONNX file can be", "get it anew")
        need_onnx()
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

        from archspec.weights.identity import KEY, OfRun, parsed
        from archspec_onnx.graph import TENSOR

        try:
            model = onnx.load(path, load_external_data=False)
            tensors = model.graph.initializer
            about = {entry.key: entry.value for entry in model.metadata_props}
            found: dict[str, Array | Stored] = {
                tensor.name.removesuffix(TENSOR): _stored(path, tensor) for tensor in tensors
            }
        except (DecodeError, ValueError, TypeError, KeyError) as error:
            why = next(iter(str(error).splitlines()), "")[:200]
            raise WeightsError(
                f"cannot read weights from {path}: it is damaged or no ONNX file ({why})", "get it anew"
            ) from None
        own = net.tensor_shapes()
        named = {n: tensor for n, tensor in found.items() if n in own or ("." in n and "/" not in n)} or found
        left = len(tensors) - len(named)
        return OfRun(named, parsed(about.get(KEY))), [
            f"{left} constants without the name of a parameter are left out"
        ] if left else []

    def write(self, path: Path, weights: Weights, net: Network) -> None:
        """Not offered: an ONNX file is more than its weights."""
        raise WeightsError(
            "an ONNX file is written with its net", "`archspec build --backend onnx --weights SRC`", 2
        )


def _stored(path: Path, tensor: Any) -> Stored:
    """What a file claims of a tensor. Raises ValueError where its numbers are not there, WeightsError where they may not be."""
    import numpy as np
    from onnx import TensorProto, helper

    from archspec.backends.stored import Stored

    if not isinstance(tensor.name, str):  # bytes that are no text
        raise ValueError("it has a tensor whose name is no text")
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"`{tensor.name}` has the shape {shape}")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    size = math.prod(shape) * dtype.itemsize
    load: Callable[[], Array]
    if tensor.data_location == TensorProto.EXTERNAL:
        file, offset = _external(path, tensor, size)

        def load() -> Array:
            found: Array = np.fromfile(file, dtype, math.prod(shape), offset=offset)
            return found.reshape(shape)
    else:
        if tensor.HasField("raw_data") and len(tensor.raw_data) != size:
            raise ValueError(f"`{tensor.name}` of shape {shape} has {len(tensor.raw_data):,} bytes")

        def load() -> Array:
            from onnx import numpy_helper

            try:
                return np.asarray(numpy_helper.to_array(tensor))
            except (ValueError, TypeError) as error:
                raise WeightsError(
                    f"{path} is damaged: `{tensor.name}` does not read ({error})", "get it anew"
                ) from None

    return Stored(shape, dtype, load)


def _external(path: Path, tensor: Any, size: int) -> tuple[Path, int]:
    """The file beside the model in which the numbers of a tensor lie, and where in it."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.resolve().parent
    name = about.get("location", "")
    offset, length = (int(about.get(what) or default) for what, default in (("offset", 0), ("length", size)))
    try:
        file = (folder / name).resolve()
        inside = bool(name) and file.is_relative_to(folder) and not Path(name).is_absolute()
        there = file.stat().st_size if inside and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        inside, there = False, None
    if not inside:
        raise WeightsError(f"{path} has numbers of `{tensor.name}` in {name!r}, outside of its folder, which is not read",
                           "put the file of numbers beside the model")  # fmt: skip
    if there is None:
        raise WeightsError(
            f"{path} has numbers of `{tensor.name}` in {name!r}, which is not there", "put it beside the model"
        )
    if offset < 0 or length != size or offset + size > there:
        raise ValueError(
            f"`{tensor.name}` of shape {tuple(tensor.dims)} would lie in bytes of {name!r} that are not there"
        )
    return file, offset
