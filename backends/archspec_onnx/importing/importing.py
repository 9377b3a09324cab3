"""Import of an ONNX file: read, said as a spec, and proven to answer alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from archspec.errors import ModelError
from archspec.importing import Imported, spec_of
from archspec.importing.files import check_file
from archspec.importing.mining import variants
from archspec.importing.spec import problems_of
from archspec.importing.tensors import unequal_tensors
from archspec.loading.program import Program
from archspec.weights.dtypes import remarks_on_numbers
from archspec.weights.file_kinds import kind_of
from archspec_onnx.importing.reader import UNREAD, Reader
from archspec_onnx.model import make_model

TOLERANCE = 1e-4
"""How far answers in single precision may differ, measured by the largest of them."""

IMAGES = 2


def import_file(path: Path) -> Imported:
    """A file as a spec with its weights, nothing of which is run but by ONNX Runtime. Raises ModelError."""
    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII).strip("_") or "net"
    name = name if name[0].isalpha() else f"net_{name}"
    model = _read(path)
    reader = Reader(model)
    try:
        net = reader.traced(name, path.name)
    except UNREAD as error:
        raise ModelError(
            f"{path} is no complete ONNX file: {_line(error)}", "export it anew, with torch.onnx.export"
        ) from None
    if odd := remarks_on_numbers(reader.weights):
        raise ModelError(
            f"the answers of {path} cannot be compared: {odd[0]}", "give a file whose weights are all finite"
        )
    why = ""
    for variant, renamed in [(net, dict[str, str]())] if reader.named else variants(net):
        weights = {_moved(key, renamed): tensor for key, tensor in reader.weights.items()}
        for text, program in spec_of(variant):
            if (why := _unequal(program, weights)) == "":
                answers = _compared(model, program, weights)
                said = [
                    f"{len(weights):,} tensors: names and shapes",
                    f"{program.cost.params:,} parameters",
                    answers,
                ]
                if renamed:
                    old, new = next(iter(renamed.items()))
                    said.append(
                        f"blocks are mined, and their layers named: {old} is {new}, and {len(renamed) - 1} more"
                    )
                return Imported(text, program, weights, tuple(said))
    if why:
        raise ModelError(f"the spec of {name} is not that of the file, and not written: {why}", "a spec of it has to be written "
                         "by hand")  # fmt: skip
    raise ModelError(f"{name} has no spec: {problems_of(net)}", "a spec of it has to be written by hand")


def _moved(name: str, renamed: Mapping[str, str]) -> str:
    """The name of a tensor whose layer has another path."""
    owner, _, own = name.rpartition(".")
    return f"{renamed.get(owner, owner)}.{own}"


def _read(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

    check_file(path)
    try:
        if (kind := kind_of(path)) is not None:
            raise ModelError(f"{path} is {kind[0]}", kind[1])
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{path} is no complete ONNX file: {_line(error)}", "export it anew") from None
    except (OSError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{path} cannot be used: {_line(error)}", "export it anew, with its data in the same folder"
        ) from None
    return model


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _unequal(program: Program, weights: dict[str, Any]) -> str:
    """In what the tensors of a spec and those of a file differ; nothing where they do not."""
    one, other = program.tensor_shapes(), {name: tuple(array.shape) for name, array in weights.items()}
    return unequal_tensors(one, other, "the file") or ""


def _compared(model: ModelProto, program: Program, weights: dict[str, Any]) -> str:
    """The answers of both to the same images, which ONNX Runtime computes. Raises ModelError where they differ."""
    constants = {one.name for one in model.graph.initializer}
    taken = next(one for one in model.graph.input if one.name not in constants)
    first = taken.type.tensor_type.shape.dim[0].dim_value
    images = (
        np.random.default_rng(0)
        .standard_normal((first if first > 1 else IMAGES, *program.input_shape))
        .astype(np.float32)
    )
    expected, found = (
        [np.concatenate(parts) for parts in zip(*(_run(each, images[i : i + 1]) for i in range(len(images))), strict=True)]
        if first == 1 else _run(each, images)
        for each in (model, make_model(program, weights))
    )  # fmt: skip
    largest = 0.0
    for mine, theirs in zip(found, expected, strict=True):
        scale = max(float(np.abs(theirs).max()), 1e-30)
        difference = float(np.abs(mine - theirs).max()) / scale if mine.shape == theirs.shape else np.inf
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the spec of {program.name} is not written: its answers differ from the file's by {difference:.1e}",
                "tell what is unusual in it; a spec has to be written by hand",
            )
        if np.abs(theirs[0] - theirs[1]).max() <= 1e-6 * scale:
            raise ModelError("two images have the same answers, so that comparing them proves nothing", "import it with "
                             "weights that were trained")  # fmt: skip
        largest = max(largest, difference)
    return f"ONNX Runtime's answers on {len(images)} images, largest difference {largest:.1e}"


def _run(model: ModelProto, images: Any) -> list[Any]:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # which it sends to its makers otherwise
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, {session.get_inputs()[0].name: images}))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has exceptions of its own
        if (latest := re.search(r"till opset (\d+)", str(error))) is not None:
            opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
            raise ModelError(f"the file has opset {opset}, and the installed ONNX Runtime has up to {latest[1]}",
                             f"export it with opset_version={latest[1]}, or upgrade onnxruntime") from None  # fmt: skip
        raise ModelError(f"ONNX Runtime cannot run the file: {_line(error)}", "export it anew") from None
