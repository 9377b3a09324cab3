"""One entry of `stem`, `head`, `body`, ...: an operation, block or role, perhaps named, with arguments.

relu                                           an operation
bn1: norm                                      a name and an operation
{conv: {out: 64, kernel: 3}}                   an operation with arguments
conv1: {conv: {out: 64, kernel: 3}}            a name and an operation with arguments
{gate: {conv: {out: 1, kernel: 1}}, from: x, when: width > 1}      with inputs and a condition
{features: [{conv: {out: 64, kernel: 3}}, relu]}                   a name and a chain, whose steps are numbered
{layer: {conv: {out: 64, kernel: 3}}, repeat: 3}                   a name and a chain of equal steps
{rows: {block: basic, columns: [width], table: [[64], [128]]}}     a table, whose rows are steps
{steps: [{conv: {out: 64, kernel: 3}}, relu], repeat: 2}           steps that stand in the list around, twice
{concat: [{left: {conv: {...}}}, [norm, {right: {conv: {...}}}]]}  branches, merged
{fc: {linear: {out: 10}}, init: {weight: 0}}                       with what its parameters start from
{head4: {share: head3}, from: p4}                                  a name and the layers of another step, again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from archspec.diagnostics import Diagnostics, Span
from archspec.diagnostics.fixes import certain, respelling, rewriting
from archspec.diagnostics.spelling import did_you_mean, nearest, suggestion
from archspec.expansion.parse_branches import BranchReader
from archspec.expansion.parse_modifiers import applied_words, condition_of, repeat_of, sources_of, with_modifiers
from archspec.expansion.parse_starts import read_starts
from archspec.expansion.tables import RowsReader
from archspec.language import synonyms
from archspec.language.step import CHAIN, MODIFIERS, ROWS, SHARE, STEPS, Step
from archspec.ops.arguments import describe
from archspec.syntax.identifiers import step_name_fault
from archspec.syntax.nodes import Node

WORDS = "the language reference lists the operations, `archspec list` the blocks"


@dataclass(frozen=True, slots=True, eq=False)
class _Applied:
    """The parts of a step before they are checked. What is applied is called CHAIN where that is a list of steps."""

    callee: str
    span: Span
    args: Node | None = None
    name: str | None = None
    name_span: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StepParser:
    """Reads steps; `known` tells what can be applied from names. Mistakes are recorded.

    `takes_layer` says whether a block has an argument of a name that is a layer: in `{block: {act: {...}}}`, `act` is no step.
    """

    known: Callable[[str], bool]
    words: Callable[[], list[str]]
    problems: Diagnostics
    takes_layer: Callable[[str, str], bool] = lambda block, argument: False

    def steps(self, node: Node | None, numbered: bool = False) -> tuple[Step, ...]:
        """Read a list of steps; `numbered` ones may be chains without a name."""
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.problems.add("AS103", "expected a list of steps", node.span, "begin each step with `- `")
            return ()
        return tuple(step for item in node.value for step in self._entry(item, numbered))

    def chain(self, node: Node | None) -> tuple[Step, ...]:
        """Read the steps of a chain, which are called by their numbers and follow one another."""
        steps = self.steps(node, numbered=True)
        if node is not None and node.value == []:
            self.problems.add(
                "AS305", "a chain has at least one step", node.span, "such as `[{conv: {...}}, norm, act]`"
            )
        return tuple(self._in_chain(step) for step in steps)

    def _in_chain(self, step: Step) -> Step:
        if step.inline and step.chain is not None:
            return replace(step, chain=tuple(map(self._in_chain, step.chain)))
        if step.branches:
            help_ = "branches belong in the `body` of a block"
            self.problems.add("AS305", "a step of a chain follows the one before it", step.span, help_)
            return replace(step, broken=True)
        if step.sources is not None:
            span = next(iter(step.source_spans), step.span)
            help_ = "steps that take named values belong in the `body` of a block"
            self.problems.add("AS305", "a step of a chain takes the value before it", span, help_)
            return replace(step, sources=None, source_spans=(), broken=True)
        return step

    def step(self, item: Node, numbered: bool = False) -> Step:
        """Read one step; `numbered` ones stand in a chain."""
        if isinstance(item.value, str):
            return self._checked(_Applied(item.value, item.span), item)
        if isinstance(item.value, list):
            help_ = "give it a name: `- features: [...]`"
            self.problems.add("AS305", "a chain of steps has no name here", item.span, help_)
            return Step(CHAIN, item.span, broken=True)
        if not isinstance(item.value, dict):
            help_ = "such as `- conv1: {conv: {...}}`"
            self.problems.add("AS305", "a step is an operation or `name: operation`", item.span, help_)
            return Step("step", item.span, broken=True)
        words = applied_words(item)
        if len(words) != 1:
            what = ", ".join(f"`{word}`" for word in words) or "nothing"
            message = f"a step applies one thing, and this one has {what}"
            near = next((near for word in words if (near := nearest(word, MODIFIERS))), None)
            help_ = f"did you mean `{near}`?" if near else "one step to each `- `"
            self.problems.add("AS305", message, item.span, help_)
            return Step(words[0] if words else "step", item.span, broken=True)
        key, value = words[0], item.value[words[0]]
        if key == STEPS and (isinstance(value.value, list) or not self.known(key)):
            return self._inline(item, value, numbered)
        return self._of_mapping(item, key, value)

    def _spelt(self, item: Node) -> Node:
        """A step of several words with the one read as a modifier that was surely meant to be one, which is recorded."""
        values, keys = dict(item.items()), dict(item.keys)
        for word in applied_words(item) if len(applied_words(item)) > 1 else []:
            meant = certain(word, MODIFIERS)
            if meant is None or meant in values or self.known(word):
                continue
            span = keys[meant] = item.key_span(word)
            self.problems.add(
                "AS305",
                f"`{word}` is no part of a step",
                span,
                suggestion(word, meant),
                fix=respelling(span, word, MODIFIERS),
            )
            values[meant] = values.pop(word)
        return Node(values, item.span, keys, item.size, item.origin) if values.keys() != item.keys.keys() else item

    def _entry(self, item: Node, numbered: bool) -> list[Step]:
        """A step, and one for each further key: where a `- ` is missing before it, later steps may call it by that."""
        if numbered and isinstance(item.value, list):
            return [self._checked(_Applied(CHAIN, item.span, item), item)]
        item = self._spelt(item)
        if (rows := self._rows(item, numbered)) is not None:
            return rows
        merge = BranchReader(self._branch, self._named, self.known, self.problems).read(item)
        if merge is not None:
            return [merge]
        more = [Step(word, item.key_span(word), broken=True) for word in applied_words(item)[1:]]
        return [self.step(item, numbered), *more]

    def _branch(self, item: Node) -> tuple[Step, ...]:
        """The steps of a branch: one, or those of a list."""
        return self.steps(item) if isinstance(item.value, list) else tuple(self._entry(item, numbered=False))

    def _inline(self, item: Node, value: Node, numbered: bool) -> Step:
        """Several steps as one that holds them for the list around."""
        span = item.key_span(STEPS)
        steps = self.steps(value, numbered)
        if value.value is None or value.value == []:
            help_ = "such as `{steps: [{conv: {...}}, relu], repeat: 2}`"
            self.problems.add("AS305", "`steps` lists the steps that stand in its place", value.span, help_)
        if (source := item.get("from")) is not None:
            help_ = "write `from` in the step that takes the value"
            self.problems.add("AS305", "`steps` takes no `from`", source.span, help_)
        if item.get("init") is not None:
            help_ = "write `init` in the step of an operation"
            self.problems.add("AS305", "`steps` takes no `init`", item.key_span("init"), help_)
        when, readable = condition_of(item, self.problems)
        repeat, countable = repeat_of(item, self.problems)
        condition, counted = item.get("when"), item.get("repeat")
        return Step(
            CHAIN,
            span,
            when=when,
            when_span=condition.span if condition else None,
            repeat=repeat,
            repeat_span=counted.span if counted is not None else None,
            chain=steps,
            inline=True,
            broken=not (steps and readable and countable) or source is not None,
        )

    def _rows(self, item: Node, numbered: bool) -> list[Step] | None:
        """The steps of a table, or a chain of them where it has a name; None where this is none."""
        words = applied_words(item)
        if len(words) != 1:
            return None
        (key,) = words
        value = item.get(key)
        within = value.get(ROWS) if value is not None and applied_words(value) == [ROWS] else None
        table = value if key == ROWS else within
        if value is None or table is None:
            return None
        named = table is within
        step = partial(self.step, numbered=numbered or named)
        steps = RowsReader(step, self.problems).read(table, Node({}, item.span) if named else item)
        if steps is None:
            return [Step(CHAIN, item.span, key if named else None, broken=True)]
        if not named:
            return list(steps)
        applied = _Applied(CHAIN, table.span, None, key, item.key_span(key))
        return [self._checked(applied, with_modifiers(item, value), tuple(map(self._in_chain, steps)))]

    def _of_mapping(self, item: Node, key: str, value: Node) -> Step:
        span = item.key_span(key)
        if isinstance(value.value, str):
            return self._checked(_Applied(value.value, value.span, None, key, span), item)
        if isinstance(value.value, list) and (not self.known(key) or self._are_steps(value.value)):
            return self._checked(_Applied(CHAIN, value.span, value, key, span), item)
        listed = value.get(STEPS) if applied_words(value) == [STEPS] else None
        if listed is not None and isinstance(listed.value, list):
            inner = self._in_chain(self._inline(value, listed, numbered=True))
            return self._checked(_Applied(CHAIN, value.span, None, key, span), item, (inner,))
        shared = value.get(SHARE) if applied_words(value) == [SHARE] and not self.known(SHARE) else None
        if shared is not None:
            return self._sharing(with_modifiers(item, value), key, span, shared)
        callee = self._callee_below(key, value)
        if callee is None:
            return self._checked(_Applied(key, span, value), item)
        applied = _Applied(callee, value.key_span(callee), value.get(callee), key, span)
        return self._checked(applied, with_modifiers(item, value))

    def _sharing(self, item: Node, key: str, span: Span, shared: Node) -> Step:
        """A step that applies the layers of another again."""
        name = self._name(_Applied(SHARE, shared.span, None, key, span))
        sound = isinstance(shared.value, str)
        if not sound:
            message = f"`share` names a step before this one, and this is {describe(shared.plain())}"
            self.problems.add("AS305", message, shared.span, "such as `{again: {share: conv1}, from: other}`")
        for word in MODIFIERS:
            if word != "from" and item.get(word) is not None:
                message = f"a step that shares the layers of another takes no `{word}`"
                help_ = (
                    "give it to the step whose layers they are" if word == "init" else "write a step for each use"
                )
                self.problems.add("AS305", message, item.key_span(word), help_)
                sound = False
        sources = sources_of(item, self.problems)
        return Step(
            SHARE, shared.span, name, span,
            sources=None if sources is None else tuple(str(s.value) for s in sources),
            source_spans=tuple(s.span for s in sources or ()),
            share=shared.value if isinstance(shared.value, str) else None, broken=not sound or sources == [],
        )  # fmt: skip

    def _are_steps(self, items: list[Node]) -> bool:
        """Whether a list holds steps, and not the values of an argument."""
        return any(
            isinstance(i.value, (dict, list)) or (isinstance(i.value, str) and self.known(i.value)) for i in items
        )

    def _callee_below(self, key: str, value: Node) -> str | None:
        """What is applied under the name `key`; None where `key` itself is applied and `value` has its arguments."""
        words = applied_words(value)
        if key.startswith("$"):
            return None
        if len(words) == 1 and words[0].startswith("$"):
            return words[0]
        if len(words) != 1:
            return None
        if self.takes_layer(key, words[0]):
            return None
        inner = value.get(words[0])
        has_arguments = inner is not None and isinstance(inner.value, dict)
        if inner is not None and inner.value is not None and not has_arguments:
            named = (
                isinstance(inner.value, list) and not self.known(key) and self.known(words[0])
            )  # else an argument
        elif self.known(words[0]):
            named = not self.known(key) or has_arguments or (inner is not None and inner.value is None)
        elif self.known(key):
            named = False
        else:  # one of the two is misspelt
            named = has_arguments or (self._meant(key) is None and self._meant(words[0]) is not None)
        return words[0] if named else None

    def _meant(self, word: str) -> str | None:
        """What a word that is not known was probably meant to be."""
        meaning = synonyms.operation(word)
        return meaning.word if meaning else nearest(word, self.words())

    def _checked(self, applied: _Applied, item: Node, rows: tuple[Step, ...] | None = None) -> Step:
        in_chain = applied.args if applied.args is not None and isinstance(applied.args.value, list) else None
        chain = self.chain(in_chain) if applied.callee == CHAIN and in_chain is not None else rows
        callee = self._callee(applied) if chain is None else applied.callee
        applicable = callee is not None if chain is None else len(chain) > 0
        sources = sources_of(item, self.problems)
        when, readable = condition_of(item, self.problems)
        repeat, countable = repeat_of(item, self.problems)
        counted, initial = item.get("repeat"), item.get("init")
        init, initialized = read_starts(initial, self.problems)
        args = applied.args if applicable and chain is None else None
        condition = item.get("when")
        return Step(
            callee=callee or self._meant(applied.callee) or applied.callee,
            span=applied.span,
            name=self._name(applied),
            name_span=applied.name_span,
            args=dict(args.items()) if args else {},
            keys=args.keys if args else {},
            sources=None if sources is None else tuple(str(s.value) for s in sources),
            source_spans=tuple(s.span for s in sources or ()),
            when=when,
            when_span=condition.span if condition else None,
            repeat=repeat,
            repeat_span=counted.span if counted is not None else None,
            init=init,
            init_span=item.key_span("init") if initial is not None else None,
            chain=chain,
            broken=not (applicable and readable and countable and initialized) or sources == [],
            guessed=callee is not None and callee != applied.callee,
        )

    def _callee(self, applied: _Applied) -> str | None:
        """What is applied, or was surely meant to be; None where that or its arguments are wrong, which is recorded."""
        callee, args = applied.callee, applied.args
        if not self.known(callee) and not callee.startswith("$"):
            meaning = synonyms.operation(callee)
            help_ = meaning.help if meaning else did_you_mean(callee, self.words()) or WORDS
            meant = meaning.word if meaning else certain(callee, self.words())
            fix = rewriting(applied.span, meant) if meaning else respelling(applied.span, callee, self.words())
            self.problems.add(
                "AS301", f"no operation, block or role is called `{callee}`", applied.span, help_, fix=fix
            )
            if meant is None:
                return None
            callee = meant
        if args is not None and args.value is not None and not isinstance(args.value, dict):
            help_ = f"such as `{callee}: {{name: value}}`"
            if isinstance(args.value, list):
                help_ += f"; a chain of steps needs a name that is not `{callee}`"
            self.problems.add("AS305", f"the arguments of `{callee}` are a mapping", args.span, help_)
            return None
        return callee

    def _name(self, applied: _Applied) -> str | None:
        return (
            None
            if applied.name is None or applied.name_span is None
            else self._named(applied.name, applied.name_span)
        )

    def _named(self, name: str, span: Span) -> str | None:
        if "{" not in name and (fault := step_name_fault(name)):
            self.problems.add("AS106", f"`{name}` cannot name a module", span, fault)
        return None if name == "input" else name  # that is the block's input to later steps
