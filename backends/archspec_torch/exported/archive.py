"""A `.pt2` archive: the JSON of its graph, and its tensors, whose claims are checked before they are believed.

Two layouts: since PyTorch 2.9 each tensor is a record of its own that a JSON file describes; before, the state_dict is a
record as `torch.save` writes it, which is read as data by the reader of such files. Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archspec.backends.stored import Array, Stored
from archspec.errors import ModelError, WeightsError
from archspec.importing.files import check_file
from archspec.weights.file_kinds import DAMAGE
from archspec_torch.reading import beginning, compare_checksum, record, stored_size, tensor_at
from archspec_torch.state_dicts import read_state_dict
from archspec_torch.unpickling import Claimed, DamagedError, Storage, itemsize

LARGEST_GRAPH = 128 << 20
"""Bytes of JSON that are read: three kilobytes for each operation, a dozen times over for the deepest nets."""

DTYPES = {4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 13: "bfloat16"}
"""The types of numbers that weights may have, by their number in the file."""

STRIDED = 7

OLD_GRAPH, OLD_WEIGHTS = "serialized_exported_program.json", "serialized_state_dict.pt"


@dataclass(slots=True)
class Archive:
    """An archive that was opened: its records by name, without the folder around them all."""

    path: Path
    size: int
    records: Mapping[str, zipfile.ZipInfo]
    graph: Mapping[str, Any] = field(default_factory=dict)

    def json(self, name: str) -> Mapping[str, Any]:
        """A record of JSON, an object. Raises DamagedError."""
        info = self.records.get(name)
        if info is None:
            raise DamagedError(f"its record {name} is missing")
        if stored_size(info, self.size) > LARGEST_GRAPH:
            raise DamagedError(f"its record {name} has {info.file_size:,} bytes")
        found = json.loads(record(self.path, info, self.size))
        if not isinstance(found, dict):
            raise DamagedError(f"its record {name} is no JSON object")
        return found

    def weights(self) -> dict[str, Array | Stored]:
        """The tensors by the names that they have in the model; their numbers are read when they are asked for."""
        if OLD_GRAPH in self.records:
            return self._pickled(OLD_WEIGHTS)
        if "data/weights/model_weights_config.json" in self.records:
            return self._raw("data/weights", "model_weights_config.json")
        if "data/weights/model.pt" in self.records:
            return self._pickled("data/weights/model.pt")
        raise DamagedError("it has no weights")

    def _raw(self, folder: str, config: str) -> dict[str, Array | Stored]:
        order = ">" if "byteorder" in self.records and self._text("byteorder") == "big" else "<"
        described = self.json(f"{folder}/{config}")["config"]
        owners: dict[str, str] = {}
        found: dict[str, Array | Stored] = {}
        for name, one in described.items():
            if one["use_pickle"]:
                raise ModelError(f"{self.path}: `{name}` is pickled, as subclasses of tensors are, which is not read",
                                 "export the model with plain tensors")  # fmt: skip
            where = f"{folder}/{one['path_name']}"
            if (other := owners.setdefault(where, name)) != name:
                raise ModelError(f"{self.path}: `{name}` and `{other}` have their numbers in common",
                                 "tied weights are not imported yet: give each module its own, and export again")  # fmt: skip
            found[name] = self._tensor(name, where, one["tensor_meta"], order)
        return found

    def _tensor(self, name: str, where: str, meta: Mapping[str, Any], order: str) -> Stored:
        info = self.records.get(where)
        if info is None:
            raise DamagedError(f"it names a record {where[-80:]} for `{name}`, which is not in it")
        if meta["layout"] != STRIDED or meta["dtype"] not in DTYPES:
            raise ModelError(f"{self.path}: `{name}` is sparse or quantized, or of no type of weights (number {meta['dtype']})",
                             "export the model with dense tensors of floating-point numbers")  # fmt: skip
        kind = DTYPES[meta["dtype"]]
        shape: tuple[int, ...] = tuple(map(integer, meta["sizes"]))
        stride: tuple[int, ...] = tuple(map(integer, meta["strides"]))
        count, offset = stored_size(info, self.size) // itemsize(kind), integer(meta["storage_offset"])
        if len(shape) != len(stride) or len(shape) > 64:
            raise DamagedError(f"`{name}` has {len(shape)} sizes and {len(stride)} strides")
        last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        elements: int = math.prod(shape)
        if elements > count or (elements and last >= count):
            raise DamagedError(f"`{name}` of shape {shape} lies outside of its record of {count:,} numbers")
        claimed = Claimed(Storage(where, kind, count), kind, offset, shape, stride)
        return tensor_at(
            self.path,
            claimed,
            lambda _: beginning(self.path, info),
            order,
            lambda _: compare_checksum(self.path, info),
        )

    def _pickled(self, name: str) -> dict[str, Array | Stored]:
        """A state_dict in a record, by way of a file of its own."""
        info = self.records.get(name)
        if info is None:
            raise DamagedError(f"its record {name} is missing")
        with tempfile.TemporaryDirectory() as folder:
            aside = Path(folder) / "weights.pt"
            aside.write_bytes(record(self.path, info, self.size))
            try:
                found = read_state_dict(aside, None)[0]
                claimed = sum(one.dtype.itemsize * math.prod(one.shape) for one in found.values())
                if claimed > self.size:
                    raise DamagedError(f"its weights would have {claimed:,} bytes")
                return {key: one.load() if isinstance(one, Stored) else one for key, one in found.items()}
            except WeightsError as error:
                raise ModelError(str(error).replace(str(aside), f"{self.path}: {name}"), error.help) from None

    def _text(self, name: str) -> str:
        return record(self.path, self.records[name], self.size).decode()


def opened(path: Path) -> Archive:
    """An archive with its graph. Raises ModelError and DamagedError."""
    check_file(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if (
        not infos or min(info.header_offset for info in infos) > 0
    ):  # such as one that lies in another, whose end is missing
        raise DamagedError("its beginning or its end is missing")
    if any(info.flag_bits & 1 for info in infos):
        raise ModelError(f"{path} is encrypted, and no exported program", "save it with torch.export.save")
    records = {name(info.filename, infos): info for info in infos}
    if len(records) < len(infos):
        raise DamagedError("two of its records have one name")
    found = Archive(path, path.stat().st_size, records)
    graphs = [OLD_GRAPH] if OLD_GRAPH in records else [one for one in records if _is_graph(one)]
    if not graphs:
        compiled = any(one.startswith("data/aotinductor/") for one in records)
        what = (
            "a package of compiled code, which has no graph"
            if compiled
            else "an archive without an exported program"
        )
        raise ModelError(f"{path} is {what}", "save the program itself, with torch.export.save")
    if len(graphs) > 1:
        raise ModelError(
            f"{path} holds {len(graphs)} programs", "save the one that is meant, with torch.export.save"
        )
    found.graph = found.json(graphs[0])
    return found


def name(full: str, infos: list[zipfile.ZipInfo]) -> str:
    """The name of a record without the folder that all of them are in."""
    folder = infos[0].filename.partition("/")[0] + "/"
    return full.removeprefix(folder) if all(one.filename.startswith(folder) for one in infos) else full


def _is_graph(name: str) -> bool:
    return name.startswith("models/") and name.endswith(".json")


def integer(size: Any) -> int:
    """A size that is a whole number. Raises DamagedError."""
    value = size.get("as_int") if isinstance(size, dict) else size
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise DamagedError(f"a size of it is no whole number: {str(size)[:80]}")
    return value


BROKEN = (DamagedError, *DAMAGE, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading raises of an archive that is damaged."""
