"""A program: a network with its training recipe, and the spec that both are from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.diagnostics import Diagnostic
from archspec.ir.network import Network
from archspec.language import Spec
from archspec.loading.origin import Origin
from archspec.loading.resolve import Resolved


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Program(Network):
    """What `archspec.load` gives: a network that knows its recipe and where it came from.

    `warnings` says what in the spec is valid and probably not meant so; `origin` is None of a spec that was given as text.
    """

    resolved: Resolved
    origin: Origin | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def spec(self) -> Spec:
        """The validated spec."""
        return self.resolved.spec

    @property
    def recipe(self) -> dict[str, Any] | None:
        """The training recipe as plain JSON values, None where the spec has no `train`."""
        return self.spec.train.recipe() if self.spec.train else None


def recipe_of(net: Network) -> dict[str, Any] | None:
    """The training recipe of a net; None where it has none, as a network of a graph alone."""
    return net.recipe if isinstance(net, Program) else None
