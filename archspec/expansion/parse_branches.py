"""Branches that stand beside each other and are merged.

concat: [{branch1: {conv: {out: 8, kernel: 1}}}, [{reduce: {conv: {out: 4, kernel: 1}}}, {branch3: {conv: {out: 8, kernel: 3}}}]]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archspec.diagnostics import Diagnostics, Span
from archspec.expansion.parse_modifiers import applied_words, sources_of, with_modifiers
from archspec.language.step import MODIFIERS, Step
from archspec.ops import MERGES, OPS
from archspec.syntax.nodes import Node

_EXAMPLE = "such as `{concat: [{left: {...}}, [norm, act, {right: {...}}]]}`"
_REMEDY = {
    "when": "write `when` in the steps of a branch",
    "repeat": "put them in a block, and repeat that",
    "init": "write `init` in the step of an operation",
}


@dataclass(frozen=True, slots=True, eq=False)
class BranchReader:
    """Reads merges of branches; `steps` reads the steps of one, and `known` tells what can be applied from names."""

    steps: Callable[[Node], tuple[Step, ...]]
    name: Callable[[str, Span], str | None]
    known: Callable[[str], bool]
    problems: Diagnostics

    def read(self, item: Node) -> Step | None:
        """The merge with its branches; None where a step is something else."""
        words = applied_words(item)
        value = item.get(words[0]) if len(words) == 1 else None
        if value is None:
            return None
        (key,) = words
        if key in MERGES and isinstance(value.value, list):
            return self._merge(key, item.key_span(key), value, item)
        below = applied_words(value)
        if len(below) != 1 or below[0] not in MERGES or (self.known(key) and key not in OPS):
            return None
        (merge,) = below
        listed = value.get(merge)
        if listed is None or not isinstance(listed.value, list):
            return None
        name_span = item.key_span(key)
        name = self.name(key, name_span)
        return self._merge(merge, value.key_span(merge), listed, with_modifiers(item, value), name, name_span)

    def _merge(
        self,
        merge: str,
        span: Span,
        listed: Node,
        item: Node,
        name: str | None = None,
        name_span: Span | None = None,
    ) -> Step:
        items = listed.value if isinstance(listed.value, list) else []
        branches = tuple(map(self.steps, items))
        sound = len(branches) > 1
        if not sound:
            self.problems.add("AS305", f"`{merge}` merges two or more branches", listed.span, _EXAMPLE)
        for each, branch in zip(items, branches, strict=True):
            if each.value == []:
                self.problems.add("AS305", "a branch has at least one step", each.span, _EXAMPLE)
            sound = sound and bool(branch)
        for word in MODIFIERS:
            if word in _REMEDY and item.get(word) is not None:
                message = f"a merge of branches takes no `{word}`"
                self.problems.add("AS305", message, item.key_span(word), _REMEDY[word])
                sound = False
        sources = sources_of(item, self.problems)
        if sources is not None and len(sources) > 1:
            message = f"branches all take one value, not {len(sources)}"
            self.problems.add(
                "AS307", message, sources[1].span, "a branch that takes another says so: `from: other`"
            )
            sound = False
        return Step(
            merge, span, name, name_span,
            sources=None if sources is None else tuple(str(s.value) for s in sources),
            source_spans=tuple(s.span for s in sources or ()),
            branches=branches, broken=not sound or sources == [],
        )  # fmt: skip
