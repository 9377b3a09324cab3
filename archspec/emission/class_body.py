"""The parts of one emitted class: its constructor's parameters and statements, and its forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from archspec.emission.block_classes import PAIR, condition
from archspec.emission.containers import (
    Held,
    attribute_of,
    held_by,
    in_order,
    is_list,
    renamed,
    variable_of,
)
from archspec.emission.dataflow import Flow, flow, is_named, kind_of
from archspec.emission.dialect import Dialect
from archspec.emission.forward import INDENT, Forward
from archspec.emission.kept import Kept
from archspec.emission.loops import PLACE, Stretch, stretches
from archspec.emission.outline import BlockClass, Member, Outline, Parameter
from archspec.emission.sequences import Part, is_numbered, parts, repeated
from archspec.emission.source import WIDTH, bracketed, call, lay_out, nested, number, pair
from archspec.emission.splits import splits
from archspec.emission.symbols import exprs, readable
from archspec.ir import STEPS, Block, Chain, Run
from archspec.ops import Op
from archspec.syntax.expressions import Expr, Literal, Symbol, names, render, substitute, substituted
from archspec.syntax.identifiers import containers
from archspec.syntax.simplify import simplified, simplify


@dataclass(frozen=True, slots=True)
class ClassText:
    """What a template lays out."""

    name: str
    doc: str
    parameters: list[str]
    statements: list[str]
    inputs: list[str]
    forward_doc: str
    forward: list[str]
    base: str = ""  # the sequence that it is a class of, whose forward pass it has
    returns: str = ""  # the type of what comes out, where it is not an array


class Writer:
    """Writes the classes of one outline."""

    def __init__(self, outline: Outline, dialect: Dialect) -> None:
        self.outline = outline
        self.dialect = dialect
        self.sites = Counter(_used(outline))

    def is_inline(self, cls: BlockClass) -> bool:
        """Whether a block is written as a sequence where it is used, instead of as a class: chains are."""
        return (
            cls.count is None
            and cls.definition.positional
            and (cls.definition.class_name == STEPS or self.sites[cls] < 2)
        )

    def write(self, cls: BlockClass, doc: str, forward_doc: str) -> ClassText:
        """The parts of a class."""
        if cls.definition.positional:
            return self._write_sequence(cls, doc)
        trace = flow(cls, self.dialect.words)
        statements, layer_of = self._layers(cls, trace)
        kept = Kept({attribute_of(m.call.name) for m in cls.members})

        def attribute(member: Member, name: str) -> str:
            symbol = member.numbers[name]
            text = number(symbol)
            if isinstance(symbol, Literal) or text.strip("(), 0123456789") == "":
                return text
            return kept.expression(symbol, 2, name, f"{variable_of(member.call.name)}_{name}")

        branches = [m for m in cls.members if self._is_branch(m)]
        conditions = {
            m.call.name: kept.expression(m.when, 3, condition(m.call)) for m in branches if m.when is not None
        }
        body = Forward(self.dialect, trace, layer_of, attribute, tuple(splits(cls)), conditions).write()
        statements += kept.statements
        if self.dialect.training_state is not None and any(o.train_only for o in trace.outputs):
            statements.append(self.dialect.training_state)
        computed = [f"{name} = {render(expr, {})}" for name, expr in cls.computed.items()]
        return ClassText(
            name=cls.name,
            doc=doc,
            parameters=[*map(_parameter, cls.parameters), *self.dialect.more_parameters(cls)],
            statements=computed + statements,
            inputs=[f"{variable}: {self.dialect.array}" for variable in trace.inputs.values()],
            forward_doc=forward_doc,
            forward=body,
            returns=self._returns(trace),
        )

    def _returns(self, trace: Flow) -> str:
        """The type of what a forward pass gives."""
        if trace.outputs:
            return f"dict[str, {self.dialect.array}]"
        return f"tuple[{self.dialect.array}, ...]" if trace.taps else self.dialect.array

    def _write_sequence(self, cls: BlockClass, doc: str) -> ClassText:
        """The parts of a class of layers one after the other."""
        numbered = is_numbered(cls.members)
        base, *calls = (self.dialect.sequence,) if numbered else self.dialect.named_sequence
        found = list(parts(cls.members, self.outline.of))
        if cls.count is not None:
            found = [repeated(cls.members[0], cls.count.name)]
        made = self._sequence(found, numbered, INDENT, "", ("super().__init__", *calls))
        return ClassText(
            name=cls.name,
            doc=doc,
            parameters=[*map(_parameter, cls.parameters), *self.dialect.more_parameters(cls)],
            statements=[*(f"{name} = {render(expr, {})}" for name, expr in cls.computed.items()), made],
            inputs=[],
            forward_doc="",
            forward=[],
            base=base,
        )

    def _is_branch(self, member: Member) -> bool:
        """Whether a forward pass asks for the condition of a member: what is no layer is there only where it is applied."""
        kind = kind_of(member)
        several = len(member.call.inputs) > 1
        return member.when is not None and (several or (kind is not None and kind not in self.dialect.in_sequence))

    def _layers(self, cls: BlockClass, trace: Flow) -> tuple[list[str], dict[str, str]]:
        """The statements that make the layers of a class, and the attribute that each member is found under."""
        statements: list[str] = []
        layer_of: dict[str, str] = {}
        made: dict[str, str] = {}
        in_place = self._in_place(cls, trace)
        layers = list(self._kept(cls))
        for member in layers:
            name, target = member.call.name, member.call.target
            tensor = isinstance(target, Op) and target.holds_tensor
            attribute = self.dialect.tensor_attribute(name) if tensor else name
            head = f"self.{attribute} = "
            if containers(name):
                layer_of[name] = self.dialect.reached(name)
                root = attribute_of(name)
                if root not in made:
                    made[root] = root
                    statements.append(self._container(root, held_by(root, layers), in_place))
                continue
            if member.when is not None:
                statements.append(self._conditional(head, member, in_place))
                layer_of[name] = attribute
                continue
            if isinstance(target, Op):
                text = lay_out(head, self.dialect.attribute(member, target.kind in in_place), INDENT)
            else:
                text = self.construct(member, INDENT, in_place, head)
            key = text.removeprefix(head)
            shared = _is_stateless(member) and not is_named(member)
            layer_of[name] = made.setdefault(key, attribute) if shared else attribute
            if layer_of[name] != attribute:
                continue
            statements.append(text)
        again = {m.call.name: m.call.owner for m in cls.members if m.call.owner is not None}
        return statements, layer_of | {name: layer_of[owner] for name, owner in again.items()}

    def _kept(self, cls: BlockClass) -> Iterator[Member]:
        """The members that are layers; functions are in lists of layers, where each place has what is called by its number."""
        members = [m for m in cls.members if not self._is_branch(m) and m.call.owner is None]
        kept = [m for m in members if m.when is not None or self.dialect.is_kept(m)]
        lists = {m.call.name.rpartition(".")[0] for m in kept if m.call.name.rpartition(".")[2].isdigit()} - {""}
        for member in members:
            beside = member.call.name.rpartition(".")[0] in lists and len(member.call.inputs) == 1
            if member in kept or (beside and kind_of(member) in self.dialect.in_sequence):
                yield member

    def _in_place(self, cls: BlockClass, trace: Flow) -> set[str]:
        """Activations that may overwrite their input wherever the class applies them."""
        return {
            kind
            for m in cls.members
            if (kind := kind_of(m)) is not None and kind in self.dialect.in_place
            and all(
                trace.overwritable(trace.sources[o.call.name][0], self.dialect.overwritable)
                for o in cls.members if kind_of(o) == kind
            )
        }  # fmt: skip

    def _container(self, name: str, held: Mapping[str, Held], in_place: set[str]) -> str:
        """The statement that makes a container."""
        kind = self.dialect.held_type(held)
        return self._held(held, INDENT, in_place, f"self.{name}{f': {kind}' if kind else ''} = ")

    def _held(
        self, held: Mapping[str, Held], indent: int, in_place: set[str], head: str = "", tail: str = ""
    ) -> str:
        """The text that makes a container, between `head` and `tail`."""
        if not is_list(held):
            entries = [self._element(each, indent + 8, in_place, f'"{name}": ') for name, each in held.items()]
            return nested(head, (self.dialect.module_dict,), bracketed(entries, indent + 4, "{}"), indent, tail)
        listed = in_order(held)
        items = self._items(listed, indent + 8, in_place)
        if len(items) == 1 < len(listed):
            (loop,) = self._items(listed, indent + 4, in_place, "[", "]")
            return nested(head, (self.dialect.module_list,), loop, indent, tail)
        return nested(head, (self.dialect.module_list,), bracketed(items, indent + 4), indent, tail)

    def _items(
        self, held: Sequence[Held | None], indent: int, in_place: set[str], opening: str = "*(", closing: str = "),"
    ) -> list[str]:
        """What a list holds, equal layers and those whose numbers follow from their place in loops."""
        items: list[str] = []
        position = 0
        while position < len(held):
            run = [each for each in takewhile(_is_plain, held[position:]) if isinstance(each, Member)]
            named = [renamed(member, str(place)) for place, member in enumerate(run)]
            part = next(parts(named, self.outline.of), None)
            text = self._element(held[position], indent, in_place)
            count = int(part.count) if part is not None else 1
            if part is not None and count == 1:
                texts = (self._element(member, indent, in_place) for member in run)
                count = next((place for place, other in enumerate(texts) if other != text), len(run))
                part = replace(part, count=count)
            items.append(text if part is None or count == 1 else self._part(part, indent, opening, closing))
            position += count
        return items

    def _element(self, each: Held | None, indent: int, in_place: set[str], head: str = "") -> str:
        """What a container holds at one place; it leaves room for a comma."""
        if each is None:
            return f"{head}{self.dialect.identity}"
        if not isinstance(each, Member):
            return self._held(each, indent, in_place, head, ",").removesuffix(",")
        if each.when is not None:
            made = self.construct(each, indent, in_place)
            made = f"({made})" if made.startswith("lambda ") else made
            return f"{head}{made} if {render(each.when, {})} else {self.dialect.identity}"
        if isinstance(target := each.call.target, Op):
            text = lay_out(head, self.dialect.attribute(each, target.kind in in_place), indent, ",")
        else:
            text = self.construct(each, indent, in_place, head, ",")
        return text.removesuffix(",")

    def _conditional(self, head: str, member: Member, in_place: set[str]) -> str:
        """A member that is there only under its condition, wrapped as a formatter would."""
        made = self.construct(member, INDENT + 4, in_place)
        if made.startswith("lambda "):
            made = f"({made})"
        assert member.when is not None
        when = render(member.when, {})
        otherwise = f"else {self.dialect.identity}"
        whole = f"{made} if {when} {otherwise}"
        pad = " " * (INDENT + 4)
        if "\n" not in made and INDENT + len(head) + len(whole) <= WIDTH:
            return head + whole
        if "\n" not in made and len(pad) + len(whole) <= WIDTH:
            return f"{head}(\n{pad}{whole}\n{pad[4:]})"
        return f"{head}(\n{pad}{made}\n{pad}if {when}\n{pad}{otherwise}\n{pad[4:]})"

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
            return self._sequence(list(parts(members, self.outline.of)), numbered, indent, head, calls, tail)
        arguments = []
        for position, parameter in enumerate(cls.parameters):
            symbol = numbers[parameter.name]
            text = pair(symbol) if parameter.kind == PAIR else number(symbol)
            if parameter.default is not None and text == repr(parameter.default):
                continue
            keyword = parameter.default is not None or position >= 2
            arguments.append(f"{parameter.name}={text}" if keyword else text)
        return call(f"{head}{cls.name}", arguments + self.dialect.more_arguments(cls), indent, tail)

    def _sequence(
        self,
        found: Sequence[Part],
        numbered: bool,
        indent: int,
        head: str,
        opening: Sequence[str],
        tail: str = "",
    ) -> str:
        """Layers one after the other, by their places or by names of their own, in the calls that `opening` names."""
        if numbered:
            return call(f"{head}{opening[0]}", [self._part(p, indent + 4) for p in found], indent, tail)
        inner = indent + 4 * len(opening)
        if len(found) == 1 and found[0].count != 1:
            return nested(head, opening, self._pair(found[0], inner, loop=""), indent, tail)
        pairs = [self._pair(p, inner + 4) for p in found]
        return nested(head, opening, bracketed(pairs, inner), indent, tail)

    def _part(self, part: Part, indent: int, opening: str = "*(", closing: str = "),") -> str:
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
            members.append(Member(call, sized, own, None if isinstance(when, Literal) else when, written))
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


def _is_plain(held: Held | None) -> bool:
    """Whether a place of a list has a layer that is always there."""
    return isinstance(held, Member) and held.when is None


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


def _parameter(parameter: Parameter) -> str:
    default = "" if parameter.default is None else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.kind}{default}"


def _is_stateless(member: Member) -> bool:
    """Whether one layer is enough where a class has several alike."""
    target = member.call.target
    return isinstance(target, Op) and not target.has_state(*member.call.input_shapes)
