"""Import of a prototxt: its layers read, said as a spec, and names, shapes and counts compared."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from archspec.errors import ModelError
from archspec.importing.caffe.layers import FIELDS, JOINING, LAYERS, Layer, Made, RefusedError, Size
from archspec.importing.caffe.phases import in_test
from archspec.importing.caffe.text_format import FieldError, Message, parsed
from archspec.importing.files import check_file
from archspec.importing.mining import variants
from archspec.importing.spec import problems_of, spec_of
from archspec.importing.traced import INPUT, Imported, Operation, Traced
from archspec.language.step import MODIFIERS
from archspec.loading.program import Program
from archspec.ops import OPS, ArgumentError, ShapeError, typed
from archspec.syntax.identifiers import class_name, output_name_fault, step_name_fault

LARGEST = 16 << 20
"""Bytes of a file; that of ResNet-152 has 130,000."""

MOST_LAYERS = 10_000
"""Layers of a file; those of ResNet-152 are 517."""

MOST_ROWS = 20
"""Refusals that a message lists."""


def import_file(path: Path) -> Imported:
    """A prototxt as a spec, whose layers have the same sizes and tensors. Raises ModelError."""
    check_file(path)
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(
                f"{path} has {path.stat().st_size:,} bytes, and is no prototxt", "weights lie in another file"
            )
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", "check the path") from None
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{path} is no text: {error}", "a prototxt describes the layers; weights lie in another file"
        ) from None
    reader = Reader(path)
    net = reader.traced(parsed(content, str(path)))
    why = ""
    for variant, renamed in variants(net):
        tensors = {
            f"{renamed.get(layer, layer)}.{name}": size
            for layer, own in reader.tensors.items()
            for name, size in own.items()
        }
        for text, program in spec_of(variant):
            if (why := _unequal(program, tensors, reader.macs)) == "":
                layers = {renamed.get(own, own): given for own, given in reader.names.items()}
                others = {name: layers[name.rpartition(".")[0]] for name in tensors}
                return Imported(text, program, {}, tuple(_report(program, reader, renamed)), renamed=others)
    if why:
        raise ModelError(f"the spec of {net.name} is not that of the file, and not written: {why}",
                         "a spec of it has to be written by hand")  # fmt: skip
    raise ModelError(f"{net.name} has no spec: {problems_of(net)}", "a spec of it has to be written by hand")


def _unequal(program: Program, tensors: Mapping[str, Size], macs: int) -> str:
    """In what a spec and a file differ; nothing where they do not."""
    one = {name: size for name, size in program.tensor_shapes().items() if not name.endswith("num_batches_tracked")}
    if one != tensors:
        theirs, mine = sorted(tensors.items() - one.items())[:3], sorted(one.items() - tensors.items())[:3]
        return f"the tensors differ: {theirs} of the file, {mine} of the spec"
    return (
        ""
        if program.cost.macs == macs
        else f"the file has {macs:,} multiply-adds and the spec {program.cost.macs:,}"
    )


def _report(program: Program, reader: Reader, renamed: Mapping[str, str]) -> list[str]:
    layers = f"{reader.count} layer{'s' * (reader.count > 1)}"
    said = [f"{sum(map(len, reader.tensors.values())):,} tensors: names and shapes", f"{program.cost.params:,} parameters",
            f"{reader.macs:,} multiply-adds, and the sizes of {layers} by Caffe's rules"]  # fmt: skip
    moved = [(reader.names[old], new) for old, new in renamed.items()]
    moved += [(given, own) for own, given in reader.names.items() if own not in renamed and own != given]
    if moved:
        (old, new), *rest = moved
        more = f", and {len(rest)} more layers have other names" if rest else ""
        said.append(f"`{old}` of the file is `{new}` of the spec{more}")
    return said + reader.notes


@dataclass
class Reader:
    """The reading of a file: its operations, its tensors by layer, and what was refused."""

    path: Path
    operations: list[Operation] = field(default_factory=list)
    values: dict[str, tuple[str, Size]] = field(default_factory=dict)  # by blob
    tensors: dict[str, dict[str, Size]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of layers in the file, by those of steps
    refused: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # blobs of what was refused
    owners: dict[str, str] = field(default_factory=dict)  # layers, by the names of their parameters
    notes: list[str] = field(default_factory=list)
    macs: int = 0
    count: int = 0

    def traced(self, net: Message) -> Traced:
        """The net of a file. Raises ModelError with all that a spec cannot say."""
        layers = [
            value for key, value, _ in net.fields if key in ("layer", "layers") and isinstance(value, Message)
        ]
        if not layers:
            raise ModelError(
                f"{self.path} has no layers",
                "give a net's prototxt, such as deploy.prototxt; a solver's is another",
            )
        if len(layers) > MOST_LAYERS:
            raise ModelError(f"{self.path} has {len(layers):,} layers, and at most {MOST_LAYERS:,} are read",
                             "a spec of it has to be written by hand")  # fmt: skip
        layers = [one for one in layers if in_test(one)]
        try:
            size = self._input(net, layers)
        except FieldError as why:
            raise ModelError(
                f"{self.path}: the sizes of the input are not read: {why}", "correct that line"
            ) from None
        given: dict[str, int] = {}  # blobs that no layer takes, with their lines
        for layer in layers:
            one = Layer(layer)
            if one.type == "Input":
                continue
            for blob in layer.all("bottom"):
                given.pop(str(blob), None)
            given |= dict.fromkeys(map(str, layer.all("top")), layer.line)
            self._layer(one)
        if self.refused:
            rows = self.refused[:MOST_ROWS] + (
                [f"and {len(self.refused) - MOST_ROWS} more"] if len(self.refused) > MOST_ROWS else []
            )
            raise ModelError(f"{self.path} has {len(self.refused)} layer{'s' * (len(self.refused) > 1)} that a spec cannot say",
                             "write these parts with the operations that docs/language.md lists", rows=rows)  # fmt: skip
        name = re.sub(r"\W", "_", net.text("name") or self.path.stem, flags=re.ASCII).strip("_").lower() or "net"
        name = name if name[0].isalpha() else f"net_{name}"
        outputs = self._outputs(list(given))
        return Traced(
            name,
            class_name(name),
            size,
            tuple(self.operations),
            outputs,
            source=self.path.name,
            own="sizes and counts",
        )

    def _input(self, net: Message, layers: list[Message]) -> tuple[int, int, int]:
        own = [one for one in layers if one.text("type") == "Input"]
        blobs = [str(blob) for blob in net.all("input")] + [str(blob) for one in own for blob in one.all("top")]
        sizes = net.integers("input_dim") or net.message("input_shape").integers("dim")
        for one in own:
            sizes = one.message("input_param").message("shape").integers("dim")
        if len(blobs) != 1 or len(sizes) != 4 or min(sizes) < 1:
            given = f"the inputs {', '.join(blobs)} of sizes {sizes}" if blobs else "no input"
            raise ModelError(f"{self.path} has {given}, where one of images (N, C, H, W) is expected",
                             "give the deploy.prototxt, with `input_dim` or a layer of type Input")  # fmt: skip
        self.values[blobs[0]] = (INPUT, tuple(sizes[1:]))
        return sizes[1], sizes[2], sizes[3]

    def _layer(self, layer: Layer) -> None:
        blobs, tops = (
            [str(blob) for blob in layer.message.all("bottom")],
            [str(blob) for blob in layer.message.all("top")],
        )
        try:
            if layer.type not in LAYERS:
                raise RefusedError("archspec has no such operation")
            self._check(layer)
            if any(blob in self.lost for blob in blobs):
                self.lost |= {*tops}
                return
            unknown = [blob for blob in blobs if blob not in self.values]
            if unknown or not blobs or len(tops) != 1:
                raise RefusedError(f"it takes `{unknown[0]}`, which no layer before it gives" if unknown else
                                   f"it takes {len(blobs)} blobs and gives {len(tops)}")  # fmt: skip
            if (len(blobs) > 1) is not (layer.type in JOINING):
                raise RefusedError(f"it takes {len(blobs)} blob{'s' * (len(blobs) > 1)}")
            inputs = [self.values[blob] for blob in blobs]
            layer.sizes = [size for _, size in inputs]
            self.values[tops[0]] = self._made(layer, LAYERS[layer.type](layer), [value for value, _ in inputs])
            self.count += 1
        except (RefusedError, FieldError, ShapeError, ArgumentError) as why:
            self.lost |= {*tops}
            self.refused.append(
                f"{layer.type or 'a layer without a type'}: {why} (`{layer.name}`, line {layer.message.line})"
            )

    def _check(self, layer: Layer) -> None:
        """Raise RefusedError where a layer has parameters of another, or a setting that is not read."""
        name, known = FIELDS.get(layer.type, ("", ""))
        others = [key for key, _, _ in layer.message.message(name).fields if key not in known.split()]
        if others:
            raise RefusedError(f"`{others[0]}` of {name} is not read")
        for param in layer.message.all("param"):
            shared = param.text("name") if isinstance(param, Message) else str(param)
            if shared and (owner := self.owners.setdefault(shared, layer.name)) != layer.name:
                raise RefusedError(f"its parameter `{shared}` is that of `{owner}`, and each layer has its own")

    def _made(self, layer: Layer, made: Made, inputs: list[str]) -> tuple[str, Size]:
        if made.kind == "scale":
            return self._scaled(layer, made, inputs[0])
        path = self._path(layer.name, made.kind)
        if made.kind in ("linear", "flatten"):
            inputs = [self._vector(inputs[0], layer.sizes[0])]
            if made.kind == "flatten":
                return inputs[0], made.size
        shapes = [self._shape(value) for value in inputs]
        args = OPS[made.kind].arguments()
        op = OPS[made.kind].of({name: args[name].parse(value) for name, value in made.args.items()})
        shape = typed(op.output_shape(*shapes))
        if tuple(shape) != made.size:
            raise RefusedError(f"Caffe gives {made.size}, and `{made.kind}` would give {tuple(shape)}")
        self.operations.append(
            Operation(path, made.kind, dict(made.args), tuple(inputs), (), path, shape, bool(made.tensors))
        )
        self.names[path] = layer.name
        if made.tensors:
            self.tensors[path] = dict(made.tensors)
        if made.kind in ("conv", "linear"):
            self.macs += math.prod(made.tensors["weight"]) * math.prod(made.size[1:])
        return path, made.size

    def _scaled(self, layer: Layer, made: Made, value: str) -> tuple[str, Size]:
        """A scale as that of the normalization before it."""
        last = self.operations[-1] if self.operations else None
        if last is None or last.result != value or last.kind != "batch_norm" or "bias" not in made.tensors:
            raise RefusedError("a scale that follows no BatchNorm, or has no bias_term")
        last.args.pop("affine")
        self.tensors[value] |= made.tensors
        return value, made.size

    def _vector(self, value: str, size: Size) -> str:
        """A value as a vector: a mean over all pixels is one, of others the pixels stand one after the other."""
        if len(size) == 1 or len(self._shape(value)) == 1:
            return value
        last = self.operations[-1] if self.operations else None
        if last is not None and last.result == value and last.args.pop("keep", False):
            last.shape = typed(size[:1])
            return value
        path = self._path("flatten", "flatten")
        self.operations.append(Operation(path, "flatten", {}, (value,), (), None, typed((math.prod(size),))))
        return path

    def _shape(self, value: str) -> Any:
        if value == INPUT:
            return typed(next(size for one, size in self.values.values() if one == INPUT))
        return next(op.shape for op in self.operations if op.result == value)

    def _path(self, name: str, kind: str) -> str:
        """The name of a step for that of a layer: `/` divides modules, and what no name may have becomes `_`."""
        parts = [re.sub(r"\W", "_", part, flags=re.ASCII).strip("_") for part in name.split("/")]
        own = [
            part
            if part[:1].isalpha() and part not in MODIFIERS and step_name_fault(part) is None
            else f"{kind}_{part}".rstrip("_")
            for part in parts
        ]
        return _free(".".join(own), self.names)

    def _outputs(self, given: list[str]) -> dict[str, str]:
        """The values that no layer takes; a softmax at the end is left to the loss, as in every net of archspec."""
        last = self.operations[-1] if self.operations else None
        if (
            last is not None
            and len(given) == 1
            and last.kind == "softmax"
            and self.values[given[0]][0] == last.result
        ):
            self.operations.pop()
            self.notes.append(
                f"the softmax `{self.names[last.result]}` at the end is left out: nets give logits, and losses take them"
            )
            return {"": last.inputs[0]}
        if not given or not self.operations:
            raise ModelError(f"{self.path} gives nothing", "give a net with layers that give a blob")
        if len(given) == 1:
            return {"": self.values[given[0]][0]}
        found: dict[str, str] = {}
        for blob in given:
            found[_free(_output_name(blob), found)] = self.values[blob][0]
        return found


def _output_name(blob: str) -> str:
    """The name of an output for that of a blob."""
    name = re.sub(r"\W", "_", blob, flags=re.ASCII)[:60]
    return name if output_name_fault(name) is None else f"out_{name}"


def _free(name: str, taken: Container[str]) -> str:
    """A name that is not taken: itself, or with a number behind it."""
    return next(one for one in chain([name], (f"{name}_{i}" for i in count(2))) if one not in taken)
