"""The identity of the run that weights are of, one JSON record: carried from file to file as it is.

What it holds is the trainer's to write and to compare; here it is handed on, and read for what a user has to know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archspec.backends import Weights
from archspec.ir.network import Network

KEY = "archspec"
"""Under which the metadata of a file has the record, as JSON."""
FILE = "identity.json"
"""The record in a built folder, beside its weights."""

Identity = Mapping[str, Any]


class OfRun(dict[str, Any]):
    """Tensors by name, with the identity of the run that they are of, and what was noted while they were read."""

    def __init__(self, tensors: Mapping[str, Any], identity: Identity | None, notes: Sequence[str] = ()) -> None:
        super().__init__(tensors)
        self.identity = identity
        self.notes = tuple(notes)


def notes_on(weights: Mapping[str, Any], net: Network) -> Iterator[str]:
    """What a user has to know of weights that were read for a net."""
    yield from getattr(weights, "notes", ())
    yield from remarks(identity_of(weights), net)


def identity_of(weights: Mapping[str, Any]) -> Identity | None:
    """The identity that weights carry; None where nothing says what they were trained as."""
    found = getattr(weights, "identity", None)
    return found if isinstance(found, Mapping) else None


def parsed(text: object) -> Identity | None:
    """A record from metadata; None for what is none."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("format"), int) else None


def metadata(weights: Weights) -> dict[str, str]:
    """The record of weights as the metadata of a file; nothing where they carry none."""
    identity = identity_of(weights)
    return {} if identity is None else {KEY: json.dumps(identity)}


def files(weights: Weights | None) -> dict[str, str]:
    """The record as the file of a built folder."""
    identity = None if weights is None else identity_of(weights)
    return {} if identity is None else {FILE: json.dumps(identity, indent=1) + "\n"}


def class_names(weights: Weights | None) -> list[str]:
    """The names of the classes by label; none where weights carry none."""
    names = (identity_of(weights or {}) or {}).get("classes")
    return [str(name) for name in names] if isinstance(names, list) else []


def remarks(identity: Identity | None, net: Network) -> Iterator[str]:
    """What a user has to know of weights that become those of a net."""
    if identity is None:
        return
    known, source = identity.get("net"), identity.get("source")
    if isinstance(source, Mapping) and source.get("edited") is True:
        yield "they were trained with a model.py that had been edited: what the spec computes with them may be something else"
    if isinstance(known, Mapping) and known.get("fingerprint") not in (None, net.fingerprint):
        yield f"they were trained as another net, {known.get('name')}, whose tensors have the same names and shapes"
