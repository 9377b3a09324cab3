"""What can be said of a spec without knowing any shape, of all that is written: used or not, reached or not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from archspec.diagnostics import Span
from archspec.diagnostics.fixes import respelling
from archspec.diagnostics.spelling import did_you_mean, nearest
from archspec.expansion.binding import Binder, meant_argument
from archspec.expansion.declarations import Declaration, Signature, Sort
from archspec.expansion.given import given_by, signature_of, surely_meant_column, with_cells
from archspec.expansion.library import Library
from archspec.expansion.parse_steps import WORDS
from archspec.expansion.repeats import places_of
from archspec.expansion.starts import survey_starts
from archspec.expansion.uses import use_in_stage, use_of
from archspec.language import synonyms
from archspec.language.spec import ROLES
from archspec.language.step import MODIFIERS, Cells, Step
from archspec.ops import OPS
from archspec.syntax.nodes import Node

SORTS: tuple[Sort, ...] = ("blocks", "shortcuts")


class Survey:
    """Looks for unknown names and arguments, and for missing ones, and records them."""

    def __init__(self, library: Library, binder: Binder, roles: Mapping[str, Step]) -> None:
        self.library = library
        self.binder = binder
        self.roles = roles

    def defaults(self, node: Node | None) -> None:
        """Look through the arguments that the spec sets wherever they are not given."""
        if node is None:
            return
        for name, given in node.items():
            if not self._exists(name):
                self._unknown_default(name, node.key_span(name))
            signatures = self._signatures(name)
            kinds = {key for signature in signatures for key in signature.kinds}
            for key, value in given.items() if signatures else []:
                if key in kinds:
                    (kind, *more) = (s.kinds[key] for s in signatures if key in s.kinds)
                    if not more:
                        self.binder.survey_value(key, value, kind, None)
                else:
                    help_ = meant_argument(key, name, kinds)[1]
                    span = given.key_span(key)
                    fix = respelling(span, key, kinds - given.keys.keys())
                    self.binder.add("AS303", f"`{name}` has no argument `{key}`", span, help_, fix=fix)

    def _unknown_default(self, name: str, span: Span) -> None:
        words = [*OPS, *(word for sort in SORTS for word in self.library.names(sort))]
        meaning = synonyms.operation(name)
        help_ = meaning.help if meaning else did_you_mean(name, words) or WORDS
        self.binder.add("AS301", f"nothing is called `{name}`", span, help_, fix=respelling(span, name, words))
        if (
            near := meaning.word if meaning else nearest(name, words)
        ):  # what was meant does not lack these arguments
            self.binder.defaults.setdefault(near, self.binder.defaults[name])

    def roles_of(self, nodes: Mapping[str, Node | None]) -> None:
        """Look at what the roles stand for, which are steps without a name, inputs and condition of their own."""
        for role, step in self.roles.items():
            if step.broken:
                continue
            if step.callee not in OPS:  # `$name`, which is told where it is applied
                continue
            self.binder.survey_names(signature_of(step.callee), given_by(step))
            node = nodes[role]
            for word in MODIFIERS if node is not None else ():
                if node is not None and node.get(word) is not None:
                    message = f"`{role}` says what is applied, so `{word}` has no effect in it"
                    self.binder.add(
                        "AS305", message, node.key_span(word), f"write `{word}` in the steps that apply it"
                    )
            if step.name is not None and step.name_span is not None:
                message = f"`{role}` says what is applied, so the name `{step.name}` has no effect in it"
                self.binder.add("AS305", message, step.name_span, "name the steps that apply it")

    def unused_repeats(self, node: Node) -> None:
        """Look at what the blocks of a stage after the first would be, where it has no more than one."""
        use = use_in_stage(node, False, self.library, self.binder) if node.get("first") is not None else None
        declaration = self.library.get("blocks", use.name) if use else None
        if use is not None and declaration is not None and declaration.sound:
            self.binder.survey_names(declaration.signature, use.given)

    def declaration(self, declaration: Declaration) -> None:
        """Look through a block or shortcut."""
        known = [*declaration.around, *declaration.implicit]
        for name, argument in declaration.arguments.items():
            if argument.default is not None:
                self.binder.survey_value(name, argument.default, argument.kind, known)
            known.append(name)
        self.binder.survey_expression("out", declaration.definition.out, declaration.out_span, known)
        self.binder.survey_expression("when", declaration.when, declaration.when_span, known)
        self.steps([*declaration.body, *(declaration.join or ()), *declaration.after], known)

    def steps(self, steps: Iterable[Step], known: Collection[str]) -> None:
        """Look through steps that see these names."""
        for step in steps:
            around, known = known, [*known, *places_of(step)]
            self.binder.survey_expression("repeat", step.repeat, step.repeat_span, known)
            self.binder.survey_expression("when", step.when, step.when_span, known)
            survey_starts(step, self.binder, known)
            self.steps(step.within, known)
            role = self.roles[step.callee] if step.callee in ROLES else None
            signature = (
                None if step.broken or step.share or (role and role.broken) else self.signature(role or step)
            )
            if signature is not None:
                given = with_cells(given_by(step), step, signature)
                self.binder.survey(signature, given, known, given_by(role) if role else None)
            known = around

    def columns(self, first: Cells) -> None:
        """Look for columns of a table that are no arguments of what its rows apply; `first` is the first of them."""
        signatures = [self._signature_of(callee) for callee in first.applied]
        takes = {name for signature in signatures if signature is not None for name in signature.kinds}
        for column in first.idle if None not in signatures else ():
            if column.value not in takes and not surely_meant_column(column, takes, first):
                which = " and ".join(f"`{callee}`" for callee in first.applied)
                have = "has" if len(first.applied) == 1 else "have"
                message = f"{which} {have} no argument `{column.value}`, and nothing else reads the column"
                help_ = did_you_mean(str(column.value), takes) or "take it out, or use it"
                self.binder.add("AS313", message, column.span, help_)

    def shortcut(self, node: Node | None, known: Collection[str]) -> None:
        """Look at the use of a shortcut."""
        if node is None or node.value in (None, "none"):
            return
        use = use_of("shortcuts", node, self.library, self.binder)
        declaration = self.library.get("shortcuts", use.name) if use else None
        if use is not None and declaration is not None and declaration.sound:
            self.binder.survey(declaration.signature, use.given, known)

    def _exists(self, name: str) -> bool:
        return name in OPS or any(self.library.has(sort, name) for sort in SORTS)

    def _signatures(self, name: str) -> list[Signature]:
        """What everything of this name takes."""
        if name in OPS:
            return [signature_of(name)]
        declarations = [self.library.get(sort, name) for sort in SORTS]
        return [d.signature for d in declarations if d is not None and d.sound]

    def signature(self, step: Step) -> Signature | None:
        """What a step's operation or block takes; None where that is not known."""
        return self._signature_of(step.callee)

    def _signature_of(self, callee: str) -> Signature | None:
        if callee in OPS:
            return signature_of(callee)
        declaration = self.library.get("blocks", callee)
        return declaration.signature if declaration is not None and declaration.sound else None
