"""What is at a place, as Markdown: the key, operation, block or argument, and what the network knows of the step."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.diagnostics import Span
from archspec.ir import Block, Chain
from archspec.loading import zoo
from archspec.ops import OPS, show
from archspec.ops.reference import operation_text
from archspec.service.document import Document
from archspec.service.facts import Fact
from archspec.service.word import Word


@dataclass(frozen=True, slots=True)
class Hover:
    """What is said of a word."""

    word: Word
    text: str


def hover(document: Document, offset: int) -> Hover | None:
    """What is at an offset; None where nothing is known of it."""
    word = document.word_at(offset)
    if word is None:
        return None
    told = [*_said(document, word), *_computed(document, word)]
    return Hover(word, "\n\n".join(told)) if told else None


def fact_at(document: Document, span: Span) -> Fact | None:
    """What the network knows of what is written at a span."""
    facts = document.facts()
    line = None if facts is None else document.moved(span.line)
    return None if facts is None or line is None else facts.by_place.get((span.source.name, line, span.column))


def _said(document: Document, word: Word) -> list[str]:
    """What a word means, whatever the network."""
    callables = document.callables
    if word.key is not None and word.role in ("key", "change"):
        key = word.key
        default = ", has to be given" if key.required else f", default `{key.default}`" if key.default else ""
        return [f"**{word.path or word.text}**: {key.doc}", f"Takes {key.values}{default}."]
    if word.role in ("callee", "shortcut", "block of defaults", "step"):
        name = word.callee
        sort = word.sort or "blocks"
        if sort == "blocks" and name in OPS:
            return [f"```text\n{operation_text(name, OPS[name]).rstrip()}\n```"]
        if name in ("norm", "act"):
            role = next(
                (w for one in document.chain() for w in one.words if w.path == name and w.role == "key"), None
            )
            chosen = role.node.plain() if role is not None and role.node is not None else None
            return [
                f"**{name}**: what the spec chooses, here `{chosen or {'norm': 'batch_norm', 'act': 'relu'}[name]}`."
            ]
        parameters = callables.parameters(name, sort)
        about = callables.doc(name, sort)
        if not about and not parameters:
            return []
        told = ", ".join(f"`{p.name}`{'' if p.required else f' {p.told}'}" for p in parameters.values())
        return [f"**{name}**{f': {about}' if about else ''}", *([f"Arguments: {told}."] if told else [])]
    if word.role in ("argument", "argument value"):
        parameter = callables.parameters(word.callee, word.sort or "blocks").get(word.argument)
        if parameter is None:
            return []
        told = "has to be given" if parameter.required else f"default `{parameter.told}`"
        words = f", one of {', '.join(f'`{each}`' for each in parameter.words)}" if parameter.words else ""
        return [f"**{word.argument}**, an argument of `{word.callee}`: {told}{words}."]
    if word.role == "declared argument":
        return [
            f"**{word.text}**, an argument of {_owner(word.scope)}: `{word.node.plain() if word.node else ''}`."
        ]
    if word.role == "extends":
        parent = document.file_of(word.text)
        doc = parent.root.get("doc") if parent is not None else None
        return [] if parent is None else [f"**{parent.path.name}**{f': {doc.value}' if doc is not None else ''}"]
    if word.role == "recipe" and (path := zoo.recipe(word.text)) is not None:
        return [
            f"**{word.text}**, a recipe of archspec:",
            f"```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```",
        ]
    return []


def _owner(scope: str) -> str:
    return f"`{scope.partition('.')[2]}`" if scope else "this spec"


def _computed(document: Document, word: Word) -> list[str]:
    """What the network makes of a step or stage."""
    span = word.at
    if span is None and word.role == "source":
        made = next((w for w in document.words if w.scope == word.scope and w.role in ("step", "stage")
                     and w.path == word.text), None)  # fmt: skip
        span = made.at if made is not None else None
    fact = fact_at(document, span) if span is not None else None
    facts = document.facts()
    if fact is None or facts is None:
        return []
    call = fact.call
    given = ", ".join(show(shape) for shape in call.input_shapes)
    lines = [
        f"`{fact.names[0]}`{_more(fact)}",
        f"- shape: {given} → **{fact.shape}**{', which varies' if fact.varies else ''}",
        f"- parameters: {fact.cost.params:,}",
        f"- multiply-adds: {fact.cost.macs:,}",
    ]
    if fact.cost.attention_macs:
        lines.append(f"- multiply-adds of attention: {fact.cost.attention_macs:,}")
    field = facts.receptive_field(fact)
    if field is not None:
        lines.append(f"- receptive field: {field[0]} x {field[1]} pixels")
    if isinstance(call.target, Chain):
        lines.append(f"- blocks: {len(call.target)}")
    elif isinstance(call.target, Block):
        lines.append(f"- operations: {fact.cost.modules}")
    return ["---", "\n".join([lines[0], "", *lines[1:]])]


def _more(fact: Fact) -> str:
    return f" and {fact.times - 1} more" if fact.times > 1 else ""
