"""Parser of the textual form of a network, so that passes can be tried on a graph that is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import cast

from archspec.diagnostics import Source, Span
from archspec.ir.graph import Block, Call, Chain, Output, Role, Run, tapped
from archspec.ir.graph_builder import define
from archspec.ops import NOTHING, OPS, ArgumentError, Features, Op, ShapeError, show, typed
from archspec.ops.starts import Start, Starts
from archspec.syntax.expressions import Value

_NET = re.compile(r"net (?P<name>\S+) \((?P<inputs>.*)\) -> (?P<shape>\S+) \{")
_MARKS = r"(?: of (?P<owner>\S+))?(?: as (?P<role>shortcut|merge))?"
_CHAIN = re.compile(r"(?P<name>\S+) = chain\((?P<given>\S+)\) : (?P<shape>\S+) \{")
_RUN = re.compile(
    r"(?P<count>\d+) x (?P<block>[^\[(]+?)(?: \[(?P<args>.*)\])?\((?P<given>\S+)\) : (?P<shape>\S+) \{"
)
_BLOCK = re.compile(
    r"(?P<name>\S+) = (?P<block>[^\[(]+?)(?: \[(?P<args>.*)\])?\((?P<given>.*?)\)"
    rf"{_MARKS} : (?P<shape>\S+) \{{"
)
_OP = re.compile(rf"(?P<name>\S+) = (?P<op>\w+)\((?P<given>.*?)\)(?: \[(?P<args>.*)\])?{_MARKS} : (?P<shape>\S+)")
_ABSENT = re.compile(rf"(?P<name>\S+) = (?P<given>\S+){_MARKS} : (?P<shape>\S+)")
_RETURN = re.compile(r"return (?P<results>[^\s,]+(?:, [^\s,]+)*)(?: \[branch=(?P<branch>\S+)\])?")
_OUTPUT = re.compile(r"return (?P<value>\S+) as (?P<name>\S+)(?: \[(?P<args>.*)\])? : (?P<shape>\S+)")


class TextError(ValueError):
    """A line that is no line of the textual form, or does not fit those before it; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def parse_text(text: str) -> Block:
    """The graph that a text is of. Shapes are inferred anew; those that the text states have to be the same."""
    return _Parser(text).net()


class _Parser:
    def __init__(self, text: str) -> None:
        self.source = Source("network", text, virtual=True)
        lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
        self.lines: Iterator[tuple[int, str]] = ((number, line) for number, line in lines if line)
        self.number = 0

    def net(self) -> Block:
        line = self.next()
        if (found := _NET.fullmatch(line)) is None:
            raise self.wrong("a network begins with `net NAME (input: CxHxW) -> SHAPE {`")
        inputs = []
        for each in found["inputs"].split(", "):
            name, colon, shape = each.partition(": ")
            if not colon:
                raise self.wrong(f"`{each}` is no input with its shape")
            inputs.append((name, typed(self.sizes(shape))))
        number = self.number
        block = self.body(found["name"], {}, inputs, net=True)
        self.check(block.shape, found["shape"], number)
        return block

    def body(
        self, name: str, args: dict[str, Value], inputs: list[tuple[str, Features]], *, net: bool = False
    ) -> Block:
        """A block from the line after its head to its closing brace."""
        shapes, calls = dict(inputs), list[Call]()
        while not (line := self.next()).startswith("return "):
            call = self.call(line, shapes)
            if call.name in shapes:
                raise self.wrong(f"`{call.name}` is given twice")
            shapes[call.name] = call.shape
            calls.append(call)
            if isinstance(call.target, Block):
                inside = {inner.name: inner.shape for inner in call.target.calls}
                shapes |= zip(tapped(call), (inside[tap] for tap in call.target.taps), strict=True)
        outputs, taps, branch = list[Output](), list[str](), None
        while (found := _OUTPUT.fullmatch(line)) is not None:
            outputs.append(self.output(found, shapes))
            line = self.next()
        if outputs:
            output = next((o.value for o in outputs if not o.train_only), outputs[0].value)
        else:
            if (returned := _RETURN.fullmatch(line)) is None:
                raise self.wrong(f"`{line}` returns nothing")
            output, *taps = returned["results"].split(", ")
            branch = returned["branch"]
            if branch is not None:
                self.of(branch, shapes)
            if unknown := [tap for tap in taps if tap not in {call.name for call in calls}]:
                raise self.wrong(f"there is no step `{unknown[0]}` before this line")
            line = self.next()
        shape = self.of(output, shapes)
        if line != "}":
            raise self.wrong("what comes after `return` is the `}` of its block")
        positional = not net and bool(calls) and all(call.name.isdecimal() for call in calls)
        definition = define(name, tuple(args), positional, net=net)
        return Block(
            definition, args, tuple(inputs), tuple(calls), output, shape, branch,
            taps=tuple(taps), outputs=tuple(outputs),
        )  # fmt: skip

    def output(self, found: re.Match[str], shapes: dict[str, Features]) -> Output:
        """A named output."""
        shape = self.of(found["value"], shapes)
        self.check(shape, found["shape"], self.number)
        args = self.arguments(found["args"])
        weight, train_only = args.pop("loss_weight", 1.0), args.pop("train_only", False)
        if args or not isinstance(weight, (int, float)) or not isinstance(train_only, bool):
            raise self.wrong("an output says `loss_weight`, a number, and `train_only`, and nothing else")
        return Output(found["name"], found["value"], shape, float(weight), train_only)

    def call(self, line: str, shapes: dict[str, Features]) -> Call:
        number, given = self.number, tuple[str, ...]()
        if (found := _CHAIN.fullmatch(line)) is not None:
            given = (found["given"],)
            chain = self.chain(self.of(given[0], shapes))
            return self.made(number, found, chain, given, shapes, chain.shape)
        if (found := _BLOCK.fullmatch(line)) is not None:
            names = [(inner, outer or inner) for inner, _, outer in (g.partition("=") for g in self.given(found))]
            outer = tuple(name for _, name in names)
            inputs = [(inner, self.of(name, shapes)) for inner, name in names]
            block = self.body(found["block"], self.arguments(found["args"]), inputs)
            return self.made(number, found, block, outer, shapes, block.shape)
        if (found := _OP.fullmatch(line)) is not None:
            given = (*self.given(found),)
            args = self.arguments(found["args"])
            starts = self.starts({name: args.pop(name) for name in [*args] if name.startswith("init.")})
            op = self.op(found["op"], args)
            try:
                shape = typed(op.output_shape(*(self.of(name, shapes) for name in given)))
            except ShapeError as error:
                raise self.wrong(str(error)) from None
            return self.made(number, found, op, given, shapes, shape, starts=starts)
        if (found := _ABSENT.fullmatch(line)) is not None:
            given = (found["given"],)
            return self.made(number, found, NOTHING, given, shapes, self.of(given[0], shapes), present=False)
        raise self.wrong(f"`{line}` is no step")

    def chain(self, shape: Features) -> Chain:
        runs = list[Run]()
        while (line := self.next()) != "}":
            if (found := _RUN.fullmatch(line)) is None:
                raise self.wrong("a chain holds runs such as `2 x basic [width=64](input) : 64x8x8 {`")
            number = self.number
            block = self.body(found["block"], self.arguments(found["args"]), [(found["given"], shape)])
            self.check(block.shape, found["shape"], number)
            if int(found["count"]) > 1 and block.shape != shape:
                message = f"it gives {show(block.shape)}, which the next of the run does not take"
                raise TextError(number, message)
            runs.append(Run(block, int(found["count"])))
            shape = block.shape
        if not runs:
            raise self.wrong("a chain has a run")
        return Chain(tuple(runs))

    def made(
        self, number: int, found: re.Match[str], target: Op | Block | Chain, given: tuple[str, ...],
        shapes: dict[str, Features], shape: Features, *, present: bool = True, starts: Starts = (),
    ) -> Call:  # fmt: skip
        self.check(shape, found["shape"], number)
        span = Span(self.source, number - 1)
        marks = found.groupdict()
        role = cast("Role", marks.get("role") or "body")
        if (owner := marks.get("owner")) is not None:
            self.of(owner, shapes)
        return Call(
            found["name"], target, given, tuple(shapes[name] for name in given), shape, span, present=present,
            role=role, starts=starts, owner=owner,
        )  # fmt: skip

    def starts(self, written: dict[str, Value]) -> Starts:
        """What parameters start from."""
        try:
            return tuple((name.removeprefix("init."), Start.read(str(value))) for name, value in written.items())
        except ValueError:
            raise self.wrong(
                "a parameter starts from a number, or from a distribution such as `normal(0.02)`"
            ) from None

    # --- words -----------------------------------------------------------------------------------------

    def next(self) -> str:
        self.number, line = next(self.lines, (self.number + 1, ""))
        if not line:
            raise self.wrong("the text ends within a block")
        return line

    def wrong(self, message: str) -> TextError:
        return TextError(self.number, message)

    def of(self, name: str, shapes: dict[str, Features]) -> Features:
        if name not in shapes:
            raise self.wrong(f"there is no value `{name}` before this line")
        return shapes[name]

    @staticmethod
    def check(shape: Features, stated: str, line: int) -> None:
        if show(shape) != stated:
            raise TextError(line, f"it states {stated}, and gives {show(shape)}")

    @staticmethod
    def given(found: re.Match[str]) -> list[str]:
        return found["given"].split(", ") if found["given"] else []

    def sizes(self, text: str) -> tuple[int, ...]:
        if re.fullmatch(r"\d+(x\d+)+|\(\d+\)", text) is None:
            raise self.wrong(f"`{text}` is no shape such as 3x32x32 or (10)")
        return tuple(int(size) for size in text.strip("()").split("x"))

    @staticmethod
    def arguments(text: str | None) -> dict[str, Value]:
        """The arguments in brackets: a value goes up to the next name."""
        parts = re.split(r"(?:^| )([A-Za-z_][\w.]*)=", text or "")[1:]
        return {name: _value(value) for name, value in zip(parts[::2], parts[1::2], strict=True)}

    def op(self, kind: str, arguments: dict[str, Value]) -> Op:
        if kind not in OPS:
            raise self.wrong(f"there is no operation `{kind}`")
        takes = OPS[kind].arguments()
        try:
            if unknown := arguments.keys() - takes.keys():
                raise ArgumentError("AS303", f"`{kind}` takes no `{min(unknown)}`")
            # a default may be what no spec can say: the bounds of a clip that it has not are infinite
            defaults = {each.name: each.default for each in fields(OPS[kind])}
            said = {name: value for name, value in arguments.items() if value != defaults[name]}
            return OPS[kind].of({name: takes[name].parse(_plain(value)) for name, value in said.items()})
        except (ArgumentError, TypeError) as error:
            raise self.wrong(str(error)) from None


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _plain(value: Value) -> Value | list[int]:
    """Several numbers as an operation takes them: 3x3 is [3, 3]."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+(x-?\d+)+", value):
        return [int(size) for size in value.split("x")]
    return value
