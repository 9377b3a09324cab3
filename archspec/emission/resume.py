"""Going on with a run: by the source that it was begun with, also where this version emits the same net in other words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.compile import load
from archspec.diagnostics import SpecError
from archspec.emission.import_source import LAYERS, MODEL
from archspec.files import listed
from archspec.ir.network import Network


@dataclass(frozen=True, slots=True)
class Begun:
    """The files to go on with, and the fingerprint that the run knows its net by where another version wrote it."""

    files: dict[str, str]
    fingerprint: str | None = None


def begun(
    net: Network, run: Path, backend: str, files: Mapping[str, str], digest: Callable[[Path], str | None], *,
    resume: bool,
) -> Begun:  # fmt: skip
    """What a run goes on with that is asked to go on as this net, emitted as `files`.

    The run's own source where the net is the same and it is as it was trained and as archspec wrote it, else that of `files`:
    `model.py`, with its `layers.py`; `digest` tells such sources apart. What is wrong with the run is the trainer's to say.
    """
    code = run / "code"
    if not resume:
        return Begun(dict(files))
    try:
        record: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
        identity, known = record.get("identity"), record["job"]["fingerprint"]
        kept = {name: (code / name).read_text("utf-8") for name in (MODEL, LAYERS) if (code / name).is_file()}
        if record["backend"] != backend:
            return Begun(dict(files))
        if identity is None:
            same, trained = _compiles_to(code / "spec.yaml", net), listed(code).get(MODEL)
        else:
            same = known == net.fingerprint
            trained = None if identity["source"]["edited"] else identity["source"]["sha256"]
        if not same:
            return Begun(dict(files))
        own = dict(files)
        if digest(code / MODEL) == trained:
            own = {name: text for name, text in files.items() if name != LAYERS} | kept
        return Begun(own, None if known == net.fingerprint else str(known))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Begun(dict(files))


def _compiles_to(spec: Path, net: Network) -> bool:
    """Whether the spec that a run keeps is of this net, as this version compiles it."""
    try:
        return load(spec).fingerprint == net.fingerprint
    except SpecError:
        return False
