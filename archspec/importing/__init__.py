"""From the operations of a model that somebody wrote to the spec that a person would have written of it."""

from __future__ import annotations

from archspec.importing.partial import partial_spec
from archspec.importing.spec import spec_of
from archspec.importing.traced import Imported, Operation, Scope, Traced

__all__ = ["Imported", "Operation", "Scope", "Traced", "partial_spec", "spec_of"]
