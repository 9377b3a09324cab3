"""The text that makes a layer, a block or a sequence of them: equal ones in a loop, those under a condition wrapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from archspec.emission.block_classes import PAIR
from archspec.emission.dialect import Dialect
from archspec.emission.loops import PLACE, Stretch, stretches
from archspec.emission.outline import BlockClass, Member, Outline
from archspec.emission.sequences import Part, is_numbered, parts
from archspec.emission.source import WIDTH, bracketed, call, lay_out, nested, number, pair
from archspec.emission.symbols import exprs, readable
from archspec.ir import STEPS, Block, Chain, Run
from archspec.syntax.expressions import Expr, Literal, Symbol, names, render, substitute, substituted
from archspec.syntax.simplify import simplified, simplify


class Constructor:
    """Writes what makes the members of classes."""

    def __init__(self, outline: Outline, dialect: Dialect) -> None:
        self.outline = outline
        self.dialect = dialect
        self.sites = Counter(_used(outline))
        self.sequences: dict[str, list[tuple[str, Sequence[Member]]]] = {}
        """The sequences that were written by their text, each with the texts of its layers; who asks clears it."""

    def is_inline(self, cls: BlockClass) -> bool:
        """Whether a block is written as a sequence where it is used, instead of as a class: chains are."""
        return (
            cls.count is None
            and cls.definition.positional
            and (cls.definition.class_name == STEPS or self.sites[cls] < 2)
        )

    def construct(self, member: Member, indent: int, in_place: set[str], head: str = "", tail: str = "") -> str:
        """The text that makes a member, between `head` and `tail`."""
        target = member.call.target
        if isinstance(target, Chain):
            if len(target.runs) == 1 and (rolled := self._rolled(target.runs[0], indent, head)) is not None:
                return rolled
            made = [self._stretch(s, indent + 4) for s in stretches(target, self.outline.of)]
            return call(f"{head}{self.dialect.sequence}", made, indent, tail)
        if isinstance(target, Block):
            return self.instance(self.outline.of[target], member.numbers, indent, head, tail)
        return lay_out(head, self.dialect.layer(member, target.kind in in_place), indent, tail)

    def instance(
        self, cls: BlockClass, numbers: Mapping[str, Symbol], indent: int, head: str = "", tail: str = ""
    ) -> str:
        """The text that makes a block with these arguments, between `head` and `tail`."""
        if self.is_inline(cls):
            members = self._inlined(cls, numbers)
            numbered = is_numbered(members)
            calls = (self.dialect.sequence,) if numbered else self.dialect.named_sequence
            return self.sequence(list(parts(members, self.outline.of)), numbered, indent, head, calls, tail)
        arguments = []
        for position, parameter in enumerate(cls.parameters):
            symbol = numbers[parameter.name]
            text = pair(symbol) if parameter.kind == PAIR else number(symbol)
            if parameter.default is not None and text == repr(parameter.default):
                continue
            keyword = parameter.default is not None or position >= 2
            arguments.append(f"{parameter.name}={text}" if keyword else text)
        return call(f"{head}{cls.name}", arguments + self.dialect.more_arguments(cls), indent, tail)

    def sequence(
        self,
        found: Sequence[Part],
        numbered: bool,
        indent: int,
        head: str,
        opening: Sequence[str],
        tail: str = "",
    ) -> str:
        """Layers one after the other, by their places or by names of their own, in the calls that `opening` names."""
        made, texts = self._sequence(found, numbered, indent, head, opening, tail)
        self.sequences[made] = [
            (text, part.members or (part.member,)) for text, part in zip(texts, found, strict=True)
        ]
        return made

    def _sequence(
        self,
        found: Sequence[Part],
        numbered: bool,
        indent: int,
        head: str,
        opening: Sequence[str],
        tail: str,
    ) -> tuple[str, list[str]]:
        if numbered:
            texts = [self.part(p, indent + 4) for p in found]
            return call(f"{head}{opening[0]}", texts, indent, tail), texts
        inner = indent + 4 * len(opening)
        if len(found) == 1 and found[0].count != 1:
            pair = self._pair(found[0], inner, loop="")
            return nested(head, opening, pair, indent, tail), [pair]
        pairs = [self._pair(p, inner + 4) for p in found]
        return nested(head, opening, bracketed(pairs, inner), indent, tail), pairs

    def part(self, part: Part, indent: int, opening: str = "*(", closing: str = "),") -> str:
        """The text of one layer, or of equal ones in a loop, between `opening` and `closing`."""
        if (when := part.member.when) is not None:
            made = self.construct(part.member, indent + 8, set(), tail=",").removesuffix(",")
            return _optional(made, when, indent)
        if part.count == 1:  # with room for the comma behind it
            return self.construct(part.member, indent, set(), tail=",").removesuffix(",")
        made = self.construct(part.member, indent, set())
        loop = f"for {_variable(part)} in range({part.count})"
        whole = f"{opening}{made} {loop}{closing}"
        if "\n" not in made and indent + len(whole) <= WIDTH:
            return whole.removesuffix(",")
        pad = " " * (indent + 4)
        made = self.construct(part.member, indent + 4, set())
        return f"{opening}\n{pad}{made}\n{pad}{loop}\n{pad[4:]}{closing}".removesuffix(",")

    def _pair(self, part: Part, indent: int, loop: str = "*") -> str:
        """The name and the layer of one member, or of each in a loop."""
        made = self.construct(part.member, indent + 4, set(), tail=",").removesuffix(",")
        own = repr(part.name).replace("'", '"')
        if (when := part.member.when) is not None:
            made = self.construct(part.member, indent + 12, set(), tail=",").removesuffix(",")
            return _optional(call("", [own, made], indent + 8, ",").removesuffix(","), when, indent)
        if part.start is None:
            return call("", [own, made], indent, ",").removesuffix(",")
        place = PLACE if part.start == 0 else f"{PLACE} + {part.start}"
        name = part.name.replace("{}", f"{{{place}}}")
        pair = call("", [f'f"{name}"', made], indent)
        each = f"{pair} for {PLACE} in range({part.count})"
        whole = f"*({each})" if loop else each
        if indent + len(whole) + bool(loop) <= WIDTH and "\n" not in whole:
            return whole
        pad = " " * (indent + 4 if loop else indent)
        made = self.construct(part.member, len(pad) + 4, set(), tail=",").removesuffix(",")
        pair = call("", [f'f"{name}"', made], len(pad))
        lines = f"{pair}\n{pad}for {PLACE} in range({part.count})"
        return f"*(\n{pad}{lines}\n{pad[4:]})" if loop else lines

    def _inlined(self, cls: BlockClass, numbers: Mapping[str, Symbol]) -> list[Member]:
        """The members of a block that is written where it is used, in the names that are known there."""
        scope = cls.scope(numbers)
        numbered = is_numbered(cls.members)
        members: list[Member] = []
        for member in cls.members:
            when = None if member.when is None else simplify(substitute(member.when, scope), {})
            if isinstance(when, Literal) and not when.value:
                continue
            call = replace(member.call, name=str(len(members))) if numbered else member.call
            sized = simplify(substitute(member.in_channels, scope), {})
            own = {name: simplified(substituted(symbol, scope), {}) for name, symbol in member.numbers.items()}
            written = {name: substitute(expr, scope) for name, expr in member.written.items()}
            own |= {name: readable(own[name], expr) for name, expr in written.items()}
            loop = None if member.loop is None else simplify(substitute(member.loop, scope), {})
            members.append(Member(call, sized, own, None if isinstance(when, Literal) else when, written, loop))
        return members

    def _stretch(self, stretch: Stretch, indent: int) -> str:
        """Blocks of a chain: one, equal ones in a loop, or in a loop ones whose numbers follow from their place."""
        if stretch.place is None:
            run = stretch.runs[0]
            if (rolled := self._rolled(run, indent)) is not None:
                return rolled
        cls = self.outline.of[stretch.runs[0].block]
        if stretch.place is None and run.count == 1:
            return self.instance(cls, stretch.numbers, indent, tail=",").removesuffix(",")
        made = self.instance(cls, stretch.numbers, indent)
        if stretch.place is not None:
            first, last = stretch.place.start, stretch.place.stop
            return f"*({made} for i in range({f'{first}, ' if first else ''}{last}))"
        return f"*({made} for _ in range({run.count}))"

    def _rolled(self, run: Run, indent: int, head: str = "") -> str | None:
        cls = self.outline.of[run.block]
        return self.dialect.rolled(
            run, lambda start: self.instance(cls, cls.values(run.block), indent + 4, start), indent, head
        )


def _optional(made: str, when: Expr, indent: int) -> str:
    """What a sequence has under a condition, wrapped as a formatter would."""
    condition, pad = render(when, {}), " " * (indent + 4)
    whole = f"[{made}] if {condition} else []"
    if "\n" not in made and indent + len(whole) + 4 <= WIDTH:
        return f"*({whole})"
    if "\n" not in made and len(pad) + len(whole) <= WIDTH:
        return f"*(\n{pad}{whole}\n{pad[4:]})"
    listed = bracketed([made], indent + 4)
    return f"*(\n{pad}{listed}\n{pad}if {condition}\n{pad}else []\n{pad[4:]})"


def _used(outline: Outline) -> Iterator[BlockClass]:
    """The class of each block, wherever source makes one."""
    for cls in (*outline.classes, *([outline.root] if outline.root is not None else [])):
        for member in cls.members:
            if member.call.owner is not None:
                continue
            target = member.call.target
            blocks = [run.block for run in target.runs] if isinstance(target, Chain) else [target]
            yield from (outline.of[block] for block in blocks if isinstance(block, Block))


def _variable(part: Part) -> str:
    used = {name for s in part.member.numbers.values() for e in exprs(s) for name in names(e)}
    return PLACE if PLACE in used else "_"
