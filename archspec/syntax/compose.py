"""YAML's events to nodes.

What YAML 1.2's core schema and JSON share is read: mappings with string keys, sequences, scalars, anchors and aliases. Depth,
size and alias expansion are bounded while reading, before anything is allocated for them.
"""

from __future__ import annotations

import yaml

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.diagnostics.spelling import did_you_mean
from archspec.syntax.nodes import MAX_DEPTH, MAX_NODES, Node
from archspec.syntax.scalars import resolve_scalar

Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_KEY = "write `key: value`; a `{` or `[` begins a collection, so text that begins with one stands in quotes"


class StopReadingError(Exception):
    """Reading cannot go on; the reason has been recorded."""


class Composer:
    """Builds nodes from events with an explicit stack, so that depth costs no recursion."""

    def __init__(self, source: Source, problems: Diagnostics) -> None:
        self.source = source
        self.problems = problems
        self.anchors: dict[str, Node | None] = {}
        self.stack: list[tuple[Node, str | None, list[Node]]] = []  # container, its anchor, pending key
        self.nodes = 0
        self.root: Node | None = None

    def compose(self) -> Node | None:
        """The top of the document; None where the text is empty. Raises StopReadingError, and what YAML raises."""
        documents = 0
        for event in yaml.parse(self.source.text, Loader=Loader):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(str(event.anchor), self._span(event))
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    span = self._span(event)
                    self._stop("AS006", "a second document starts here", span, "one file holds one spec")
        return self.root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        span = self._span(event)
        self._tag(event.tag, span)
        plain = event.implicit[0] and not event.style
        node = Node(resolve_scalar(event.value) if plain else event.value, span)
        if event.anchor:
            self.anchors[event.anchor] = node
        self._place(node)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        span = self._span(event)
        self._tag(event.tag, span)
        if len(self.stack) >= MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            self._stop("AS005", message, span, "name inner parts as `blocks`")
        node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], span)
        if event.anchor:
            self.anchors[event.anchor] = None  # open: an alias to it now would be a loop
        self.stack.append((node, event.anchor, []))

    def _close(self, event: yaml.CollectionEndEvent) -> None:
        node, anchor, _ = self.stack.pop()
        begin, end = node.span, event.end_mark
        assert end is not None
        node.span = Span(self.source, begin.line, begin.column, end.line, end.column)
        if anchor:
            self.anchors[anchor] = node
        self._place(node)

    def _place(self, node: Node, values: int = 1) -> None:
        """Put a value where it belongs; what is inside of it has been counted, unless an alias stands for it."""
        self.nodes += values
        if self.nodes > MAX_NODES:
            self._stop("AS005", f"more than {MAX_NODES:,} values", node.span, "use `repeat`")
        if not self.stack:
            self.root = node
            return
        container, _, pending = self.stack[-1]
        container.size += node.size
        if isinstance(container.value, list):
            container.value.append(node)
        elif not pending:
            pending.append(self._key(node))
        elif isinstance(container.value, dict):
            self._entry(container, container.value, pending.pop(), node)

    def _key(self, node: Node) -> Node:
        if node.value == "<<" and self.source.line(node.span.line).startswith(
            "<", node.span.column
        ):  # not in quotes
            self.problems.add(
                "AS006", "merge keys (`<<`) are not part of YAML 1.2", node.span, "use `extends` or `args`"
            )
        elif not isinstance(node.value, str):
            if isinstance(node.value, (dict, list)):
                self._stop("AS006", "a key is a name, not a collection", node.span, _NO_KEY)
            return Node(self.source.line(node.span.line)[node.span.column : node.span.end_column], node.span)
        return node

    def _entry(self, container: Node, entries: dict[str, Node], key: Node, node: Node) -> None:
        name = str(key.value)
        if name in entries:
            first = container.keys[name]
            self.problems.add(
                "AS003",
                f"`{name}` stands here for the second time",
                key.span,
                f"the first is on line {first.line + 1}",
            )
        entries[name] = node
        container.keys[name] = key.span

    def _alias(self, anchor: str, span: Span) -> None:
        target = self.anchors.get(anchor)
        if target is None:
            if anchor in self.anchors:
                self._stop(
                    "AS004", f"alias `*{anchor}` contains itself", span, "take it out, or write what is meant"
                )
            help_ = did_you_mean(anchor, self.anchors) or f"mark a value before it with `&{anchor}`"
            self._stop("AS004", f"alias `*{anchor}` has no anchor", span, help_)
        else:
            if self.nodes + target.size > MAX_NODES:
                self._stop("AS004", f"aliases expand to more than {MAX_NODES:,} values", span, "use `repeat`")
            self._place(target, target.size)

    def _tag(self, tag: str | None, span: Span) -> None:
        if tag is not None and tag != "!":
            self._stop(
                "AS006",
                f"the tag `{tag}` is not allowed: a spec holds plain values only",
                span,
                "remove the tag",
            )

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # events of a parsed text have both marks
        assert end is not None
        return Span(self.source, start.line, start.column, end.line, end.column)

    def _stop(self, code: str, message: str, span: Span, help_: str | None = None) -> None:
        self.problems.add(code, message, span, help_)
        raise StopReadingError
