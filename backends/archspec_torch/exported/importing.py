"""Import of a `.pt2` file: read, said as a spec, and proven equal to its graph in the mode that was exported."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.errors import ModelError
from archspec.importing import Imported
from archspec.weights.file_kinds import kind_of
from archspec_torch.exported.archive import BROKEN, opened
from archspec_torch.exported.evaluation import module_of
from archspec_torch.exported.program import Program, program
from archspec_torch.exported.wholes import dropping, wholes
from archspec_torch.importing.export import of_reader
from archspec_torch.importing.importing import Build, proven
from archspec_torch.importing.proof import Mode
from archspec_torch.importing.reader import Reader


def import_file(path: Path, build: Build) -> Imported:
    """An exported program as a spec, by its graph proven equal. Raises ModelError."""
    import torch

    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII).strip("_") or "net"
    name = name if name[0].isalpha() else f"net_{name}"
    try:
        archive = opened(path)
        whole = program(archive.graph, str(path))
        weights = archive.weights()
        found = wholes(whole, {key: tuple(one.shape) for key, one in weights.items()})
        module = module_of(whole, weights, dropping(whole, found))
    except BROKEN as error:
        raise ModelError(f"{path} is no exported program, or it is damaged: {_said(path, error)}", "save it again, with "
                         "torch.export.save") from None  # fmt: skip
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", "check the path") from None
    mode = Mode.TRAINING if whole.training else Mode.EVALUATION
    if mode is Mode.TRAINING and whole.sizes[0] < 2:
        raise ModelError(f"{path} was exported in training for a batch of one image, with which nothing is proven",
                         "export it with a batch of two images, or in evaluation mode (model.eval())")  # fmt: skip
    reader = Reader(module, whole, whole.result_names, lambda key, _: found.get(key), training=whole.training)
    reader.read()
    batch = whole.sizes[0]
    example = torch.zeros(batch if batch > 1 else 2, *whole.sizes[1:])
    net = of_reader(reader, name, tuple(whole.sizes[1:]), path.name)
    done = proven(module, net, example, build, mode)
    return _with_note(done, whole)


def _said(path: Path, error: Exception) -> str:
    """What is wrong with a file: what it is, where its first bytes tell, or what reading it raised."""
    kind = kind_of(path)
    if kind is not None and kind[0] != "an exported program (torch.export, .pt2)":
        return f"it is {kind[0]}"
    words = next(iter(str(error).splitlines()), "")[:200]
    return f"it lacks {words}" if isinstance(error, KeyError) else words or type(error).__name__


def _with_note(found: Imported, whole: Program) -> Imported:
    """With what the mode that was exported leaves untold."""
    if whole.training:
        note = "the program was exported in training mode, and compared in that alone"
    else:
        note = "the program was exported in evaluation mode, and compared in that alone: stochastic depth has no operations in it"
    return Imported(found.spec, found.network, found.weights, (*found.report, note))
