"""What the parts of an expansion share: the spec, its library, what `norm` and `act` stand for, and the blocks around a place."""

from __future__ import annotations

from archspec.diagnostics import Diagnostics
from archspec.expansion.binding import Binder
from archspec.expansion.declarations import Signature
from archspec.expansion.given import Given, given_by
from archspec.expansion.library import Library
from archspec.expansion.nesting import Nesting
from archspec.expansion.parse_steps import StepParser
from archspec.expansion.survey import Survey
from archspec.language.spec import ROLES
from archspec.language.step import Step
from archspec.loading.resolve import Resolved
from archspec.ops import OPS
from archspec.syntax.nodes import Node, node_of


class Context:
    """The library, the binder and the survey of a spec."""

    def __init__(self, resolved: Resolved, problems: Diagnostics) -> None:
        self.resolved = resolved
        self.root = resolved.root
        self.scope = resolved.scope
        self.library = Library(resolved.root, problems, resolved.lost, self.scope)
        self.defaults = resolved.root.get("defaults")
        given = self.defaults.items() if self.defaults else []
        self.binder = Binder(problems, {k: Given(dict(v.items()), v.keys, v.span) for k, v in given})
        operations = StepParser(OPS.__contains__, lambda: list(OPS), problems)
        self.roles = {role: operations.step(self._role(role)) for role in ROLES}
        self.survey = Survey(self.library, self.binder, self.roles)
        self.nesting = Nesting(self.binder)
        args = resolved.root.get("args")
        self.binder.lists = [k for k, v in args.items() if isinstance(v.value, list)] if args is not None else []
        self.binder.layers, self.binder.words = self._layer, self.library.words

    def _role(self, role: str) -> Node:
        return self.root.get(role) or node_of(getattr(self.resolved.spec, role), self.root.span)

    def _layer(self, name: str) -> tuple[Signature, Given | None] | None:
        """What a layer that is given by this name takes; None where there is none. Of a role, what it stands for."""
        role = self.roles.get(name) if name in ROLES else None
        if role is None and not self.library.callable(name):
            return None
        step = role or Step(name, self.root.span)
        signature = None if step.broken else self.survey.signature(step)
        return None if signature is None else (signature, given_by(step) if role is not None else None)
