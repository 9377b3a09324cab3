"""Which steps of a spec the lines of an emitted model are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.backends import SourceMap
from archspec.diagnostics import Span
from archspec.emission.class_body import ClassText
from archspec.emission.outline import BlockClass, Outline
from archspec.ir import Block, Chain


def source_map(text: str, root: Block, outline: Outline, classes: Sequence[ClassText]) -> SourceMap:
    """The text of a model with the steps of its lines, and the steps that make the blocks of its classes."""
    lines: dict[int, tuple[Span, ...]] = {}
    found: list[tuple[int, int, tuple[Span, ...]]] = []
    made = _made(root, outline)
    place = 0
    for cls in classes:
        begin = place = text.index(f"\nclass {cls.name}(", place) + 1
        for statement, of in cls.origins:
            start = text.find(f" {statement}\n", place)
            if start < 0:
                continue
            first, place = text.count("\n", 0, start + 1), start + len(statement)
            for line, spans in enumerate(of, first):
                lines[line] = (*lines.get(line, ()), *spans)
        end = text.find("\n\n\n", place)
        end = len(text) - 1 if end < 0 else end
        first, last = text.count("\n", 0, begin), text.count("\n", 0, end)
        found.append((first, last, tuple(made.get(cls.name, ()))))
        place = end
    return SourceMap(text, lines, tuple(found))


def _made(root: Block, outline: Outline) -> dict[str, dict[Span, None]]:
    """By the name of each class, the steps that make its blocks, and those around them."""
    found: dict[str, dict[Span, None]] = {}

    def visit(block: Block, around: tuple[Span, ...]) -> None:
        for call in block.calls:
            if not call.present:
                continue
            spans = (*around, call.span)
            for inner, cls in _blocks(call.target, outline):
                found.setdefault(cls.name, {}).update(dict.fromkeys(spans))
                visit(inner, spans)

    visit(root, ())
    return found


def _blocks(target: object, outline: Outline) -> Iterator[tuple[Block, BlockClass]]:
    """The blocks that a step makes, equal ones once, each with its class."""
    runs = [run.block for run in target.runs] if isinstance(target, Chain) else [target]
    yield from ((block, outline.of[block]) for block in runs if isinstance(block, Block))
