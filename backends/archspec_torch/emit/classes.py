"""The parts of one emitted class: its constructor's parameters and statements, and its `forward`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.expressions import Expr, Literal, Value, render
from archspec.ir import Block, Chain, Run, Symbol
from archspec.ops.pointwise import Activation, Dropout, DropPath
from archspec.ops.spatial import AvgPool, MaxPool
from archspec.outline import BlockClass, Member, Outline
from archspec_torch.emit.forward import INPUTS, Forward, flow, is_named
from archspec_torch.emit.modules import EXPRESSIONS, IN_PLACE, IN_SEQUENCE, MODULES, is_module
from archspec_torch.emit.source import RENAMED, WIDTH, call, number

INDENT = 8
STATELESS = (Activation, Dropout, DropPath, MaxPool, AvgPool)


@dataclass(frozen=True, slots=True)
class ClassText:
    """What the template lays out."""

    name: str
    doc: str
    parameters: list[str]
    statements: list[str]
    inputs: list[str]
    forward_doc: str
    forward: list[str]


def is_inline(cls: BlockClass) -> bool:
    """Whether a block is written as an `nn.Sequential` where it is used, instead of as a class."""
    kinds = [getattr(m.call.target, "kind", None) for m in cls.members]
    return (
        cls.definition.positional
        and all(m.when is None for m in cls.members)
        and any(k is None or k in MODULES for k in kinds)
        and len(cls.members) == len(cls.example.calls)
    )


class Writer:
    """Writes classes of one outline."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.helpers: set[str] = set()

    def write(self, cls: BlockClass, doc: str, forward_doc: str) -> ClassText:
        """The parts of a class."""
        statements: list[str] = []
        module_of: dict[str, str] = {}
        made: dict[str, str] = {}
        trace = flow(cls)
        in_place = {
            m.call.target.kind
            for m in cls.members
            if _kind(m) in IN_PLACE and isinstance(m.call.target, Activation)
            and all(trace.overwritable(trace.sources[o.call.name][0]) for o in cls.members if _kind(o) == _kind(m))
        }  # fmt: skip
        for member in cls.members:
            if not is_module(member):
                continue
            name = member.call.name
            head = f"self.{name} = "
            if member.when is not None:
                statements.append(self._conditional(head, member, in_place))
                module_of[name] = name
                continue
            text = self.construct(member, INDENT, in_place, head)
            key = text.removeprefix(head)
            if isinstance(member.call.target, STATELESS) and key in made and not is_named(member):
                module_of[name] = made[key]
                continue
            made[key] = module_of[name] = name
            statements.append(text)
        kept: dict[str, str] = {}

        def attribute(member: Member, name: str) -> str:
            text = number(member.numbers[name])
            if isinstance(member.numbers[name], Literal) or text.strip("(), 0123456789") == "":
                return text
            own = name if kept.get(name, text) == text else f"{member.call.name}_{name}"
            kept[own] = text
            return f"self.{own}"

        body = Forward(trace, module_of, attribute).write()
        statements += [f"self.{name} = {text}" for name, text in kept.items()]
        return ClassText(
            name=cls.name,
            doc=doc,
            parameters=[self._parameter(cls, p.name, p.default) for p in cls.parameters],
            statements=statements,
            inputs=[f"{INPUTS[name]}: Tensor" for name, _ in cls.example.inputs],
            forward_doc=forward_doc,
            forward=body,
        )

    def _conditional(self, head: str, member: Member, in_place: set[str]) -> str:
        """A member that is there only under its condition, wrapped as a formatter would."""
        made = self.construct(member, INDENT + 4, in_place)
        assert member.when is not None
        condition = render(member.when, RENAMED)
        whole = f"{made} if {condition} else nn.Identity()"
        pad = " " * (INDENT + 4)
        if "\n" not in made and INDENT + len(head) + len(whole) <= WIDTH:
            return head + whole
        if "\n" not in made and len(pad) + len(whole) <= WIDTH:
            return f"{head}(\n{pad}{whole}\n{pad[4:]})"
        return f"{head}(\n{pad}{made}\n{pad}if {condition}\n{pad}else nn.Identity()\n{pad[4:]})"

    def construct(self, member: Member, indent: int, in_place: set[str], head: str = "") -> str:
        """The text that makes a member."""
        target = member.call.target
        if isinstance(target, Chain):
            return self._chain(target, indent, head)
        if isinstance(target, Block):
            return self.instance(self.outline.of[target], member.numbers, indent, head)
        name, arguments = (MODULES.get(target.kind) or IN_SEQUENCE[target.kind])(member)
        if not name.startswith("nn."):
            self.helpers.add(name)
        if target.kind in in_place:
            arguments = [*arguments, "inplace=True"]
        return call(f"{head}{name}", arguments, indent)

    def instance(self, cls: BlockClass, numbers: Mapping[str, Symbol], indent: int, head: str = "") -> str:
        """The text that makes a block with these arguments."""
        if is_inline(cls):
            scope = {k: number(v) for k, v in numbers.items()}
            parts = [self._inlined(m, scope, indent + 4) for m in cls.members]
            return call(f"{head}nn.Sequential", parts, indent)
        arguments = []
        for position, parameter in enumerate(cls.parameters):
            symbol = numbers[parameter.name]
            if parameter.default is not None and isinstance(symbol, Literal) and symbol.value == parameter.default:
                continue
            text = number(symbol)
            keyword = parameter.default is not None or (position >= 2 and parameter.name not in ("stride",))
            arguments.append(f"{parameter.name}={text}" if keyword else text)
        return call(f"{head}{cls.name}", arguments, indent)

    def _inlined(self, member: Member, scope: Mapping[str, str], indent: int) -> str:
        target = member.call.target
        if isinstance(target, Block):
            inner = {k: _raw(number(s, scope)) for k, s in member.numbers.items()}
            return self.instance(self.outline.of[target], inner, indent)
        resolved = Member(
            member.call, _raw(number(member.in_channels, scope)),
            {k: s if isinstance(s, tuple) else _resolve(s, scope) for k, s in member.numbers.items()}, None,
        )  # fmt: skip
        return self.construct(resolved, indent, set())

    def _chain(self, chain: Chain, indent: int, head: str) -> str:
        parts = [self._run(run, indent + 4) for run in chain.runs]
        if len(parts) == 1 and not parts[0].startswith("*"):
            return call(f"{head}nn.Sequential", parts, indent)
        return call(f"{head}nn.Sequential", parts, indent)

    def _run(self, run: Run, indent: int) -> str:
        numbers = {k: Literal(v) for k, v in run.block.args.items()}
        made = self.instance(self.outline.of[run.block], numbers, indent)
        return made if run.count == 1 else f"*({made} for _ in range({run.count}))"

    @staticmethod
    def _parameter(cls: BlockClass, name: str, default: Value | None) -> str:
        kind = type(cls.example.args[name]).__name__
        shown = RENAMED.get(name, name)
        if name == "classes":
            default = cls.example.args[name]
        return f"{shown}: {kind}" + (f" = {default!r}" if default is not None else "")


def _kind(member: Member) -> str | None:
    return getattr(member.call.target, "kind", None)


def _raw(text: str) -> Expr:
    """Source text as an expression that is written as it is."""
    from archspec.expressions import Name

    return Literal(int(text)) if text.isdigit() else Name(text)


def _resolve(symbol: Symbol, scope: Mapping[str, str]) -> Symbol:
    if isinstance(symbol, Literal):
        return symbol
    return _raw(number(symbol, scope))


__all__ = ["EXPRESSIONS", "ClassText", "Writer", "is_inline"]
