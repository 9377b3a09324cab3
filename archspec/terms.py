"""The numbers of a class in terms of its parameters, as the spec wrote them where that holds in every instance."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.expressions import Apply, Expr, ExpressionError, Literal, Name, Symbol, Value, evaluate, names
from archspec.ir import Block, Call, Chain
from archspec.merging import substitute
from archspec.ops import Concat, Conv, Flatten, Linear, Op, PadChannels
from archspec.simplify import simplify


def numbers_of(
    call: Call, calls: list[Call], scopes: list[Mapping[str, Value]], channels: Mapping[str, Expr]
) -> dict[str, Symbol]:
    """Each argument as the spec wrote it where that holds in all instances, else as a literal."""
    if isinstance(call.target, Chain):
        return {}
    if isinstance(call.target, Block):
        values = [c.target.args for c in calls if isinstance(c.target, Block)]
        symbols = {"in_channels": channels[call.inputs[0]], **call.symbols}
    else:
        values = [c.target.attributes for c in calls if isinstance(c.target, Op)]
        symbols = {**call.symbols, **call.target.implied_symbols(call.symbols)}
    result: dict[str, Symbol] = {}
    for name, value in values[0].items():
        symbol = symbols.get(name)
        if symbol is not None and all(_holds(symbol, v[name], s) for v, s in zip(values, scopes, strict=True)):
            result[name] = symbol
        elif isinstance(value, tuple):
            result[name] = Literal(value[0]), Literal(value[1])
        else:
            result[name] = Literal(value)
    return result


def out_of(instances: list[Block], channels: Mapping[str, Expr]) -> Expr:
    """The channels that a class gives: as its block declares them where that is what comes out, after any merge."""
    declared = instances[0].definition.out
    if declared is not None and all(_holds(declared, b.shape[0], b.args) for b in instances):
        return declared
    return channels[instances[0].output]


def expressible(group: list[Block]) -> bool:
    """Whether every number and condition that differs between instances is an expression that holds in all."""
    if len(group) == 1:
        return True
    channels = channels_of(group[0], group)
    for index, _ in enumerate(group[0].calls):
        pairs = [(b.calls[index], b) for b in group if b.calls[index].present]
        if not pairs:
            continue
        if len(pairs) < len(group) and not all(
            _holds(pairs[0][0].when, b.calls[index].present, b.args) for b in group
        ):
            return False
        scopes = [b.args for _, b in pairs]
        calls = [c for c, _ in pairs]
        for c, b in pairs:
            if not _holds(channels[c.inputs[0]], c.input_shapes[0][0], b.args):
                return False
        numbers = numbers_of(calls[0], calls, scopes, channels)
        for call, scope in zip(calls, scopes, strict=True):
            target = call.target
            values = (
                target.args if isinstance(target, Block) else target.attributes if isinstance(target, Op) else {}
            )
            if not all(_holds(symbol, values[name], scope) for name, symbol in numbers.items()):
                return False
    return True


def _holds(symbol: Symbol | None, value: object, scope: Mapping[str, Value]) -> bool:
    if symbol is None:
        return False
    try:
        if isinstance(symbol, tuple):
            return tuple(evaluate(s, scope) for s in symbol) == value
        result = evaluate(symbol, scope)
    except ExpressionError:
        return False
    return value in (result, (result, result))


def simplified(symbol: Symbol, constants: Mapping[str, Value]) -> Symbol:
    """A number or pair, as short as a person would write it."""
    if isinstance(symbol, tuple):
        return simplify(symbol[0], constants), simplify(symbol[1], constants)
    return simplify(symbol, constants)


def channels_of(block: Block, instances: list[Block]) -> dict[str, Expr]:
    """The channels of each value of a block, in terms of its arguments."""
    first, *others = block.inputs
    channels: dict[str, Expr] = {
        first[0]: Name("in_channels") if "in_channels" in block.args else Literal(first[1][0])
    }
    channels |= {name: Name("out_channels") for name, _ in others}
    for index, _ in enumerate(block.calls):
        calls = [b.calls[index] for b in instances]
        call = next((c for c in calls if c.present), calls[0])
        expr = _of_call(call, channels)
        # what the net itself is written in terms of are arguments of the spec, which its class does not have
        channels[call.name] = expr if names(expr) <= {*block.args, "out_channels"} else Literal(call.shape[0])
    return channels


def _of_call(call: Call, channels: Mapping[str, Expr]) -> Expr:
    target, first = call.target, channels[call.inputs[0]]
    if not call.present:
        return first
    if isinstance(target, (Conv, Linear)):
        symbol = call.symbols.get("out")
        return symbol if symbol is not None and not isinstance(symbol, tuple) else Literal(target.out)
    if isinstance(target, Concat):
        total = first
        for name in call.inputs[1:]:
            total = Apply("+", (total, channels[name]))
        return total
    if isinstance(target, PadChannels):
        return Literal(call.shape[0])
    if isinstance(target, Flatten):
        return Literal(call.shape[0])
    if isinstance(target, Block):
        out = target.definition.out or channels_of(target, [target])[target.output]
        symbols: dict[str, Symbol] = {k: Literal(v) for k, v in target.args.items()}
        symbols |= {**call.symbols, "in_channels": first}
        if call.role == "shortcut":
            symbol = call.symbols["out_channels"]
            return first if isinstance(symbol, tuple) else symbol
        return substitute(out, symbols)
    return Literal(call.shape[0]) if isinstance(target, Chain) else first
