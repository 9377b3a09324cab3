"""The class of chains that repeat one step, each as often as an argument says: a loop in source."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archspec.emission.alignment import CallsOf
from archspec.emission.block_classes import BlockClass, ClassOf, Member, Parameter, Spelling
from archspec.emission.loops import PLACE
from archspec.emission.sequences import in_place
from archspec.emission.symbols import UNKNOWN, Terms, exprs, literal
from archspec.ir import STEPS, Block, Call
from archspec.syntax.expressions import Apply, Expr, Literal, Name, Symbol, names, substitute
from archspec.syntax.simplify import simplify


def repeats_one_step(block: Block) -> bool:
    """Whether all calls of a declared chain are one step of the spec, which applies a block."""
    definition = block.definition
    if not definition.positional or definition.class_name == STEPS or block.taps:
        return False
    return len({call.span for call in block.calls}) == 1 and all(
        isinstance(call.target, Block) and call.when is None for call in block.calls
    )


def is_chain_of_one_step(block: Block) -> bool:
    """Whether all calls of a chain that stands in a block are one step of the spec, which applies a block, without names."""
    return (
        block.definition.positional
        and block.definition.class_name == STEPS
        and not block.taps
        and len({call.span for call in block.calls}) == 1
        and all(isinstance(call.target, Block) and call.when is None for call in block.calls)
        and all(call.name.isdigit() for call in block.calls)
        and all(isinstance(value, (int, float)) for value in block.args.values())
    )


def make_first_and_loop(
    name: str, instances: Sequence[Block], of: ClassOf, spelling: Spelling, calls: CallsOf
) -> BlockClass | None:
    """The class of such chains of several lengths: their first layer, then a loop with the others.

    None where the numbers of these don't follow from their place.
    """
    longest = max(instances, key=lambda block: len(calls[block]))
    targets = [call.target for block in instances for call in calls[block]]
    inner = {of[target] for target in targets if isinstance(target, Block)}
    if len(calls[longest]) < 3 or len(inner) > 1 or len({tuple(b.args) for b in instances}) > 1:
        return None
    (cls,) = inner
    first, second, third = calls[longest][:3]
    whole = Terms([b.args for b in instances], {})
    others = Terms([{**b.args, PLACE: i} for b in instances for i in range(1, len(calls[b]))], {})
    wide: Symbol = Name("in_channels")
    numbers: list[dict[str, Symbol]] = []
    for terms, call, chosen in ((whole, first, slice(1)), (others, second, slice(1, None))):
        found = [c.target for b in instances for c in calls[b][chosen] if isinstance(c.target, Block)]
        own: dict[str, Symbol] = {}
        for p in cls.parameters:
            placed = (
                None if call is first else _placed(second.symbols.get(p.argument), third.symbols.get(p.argument))
            )
            candidates = [wide] if p.argument == "in_channels" else [placed, call.symbols.get(p.argument)]
            claimed = terms.claimed(candidates, [cls.value(block, p) for block in found])
            if claimed is None:
                return None
            own[p.name] = claimed
        numbers.append(own)
        wide = _gives(cls, call, wide)
    gives = whole.claimed([wide], [b.shape.channels for b in instances])
    if gives is None or isinstance(gives, tuple):
        return None
    count = "count"
    while count in whole.columns:
        count += "_"
    known = {n: Name(spelling.get(n, n)) for n in whole.columns}
    used = {n for own in numbers for symbol in own.values() for e in exprs(symbol) for n in names(e)}
    one, more = ({n: _there(s, known) for n, s in own.items()} for own in numbers)
    kinds = {n: "float" if n in whole.reals else "int" for n in whole.columns}
    return BlockClass(
        name=name,
        definition=longest.definition,
        instances=list(instances),
        parameters=(
            *(Parameter(known[n].name, n, kinds[n], None) for n in whole.columns if n in used),
            Parameter(count, count, "int", None),
        ),
        computed={},
        members=(
            Member(first, Literal(1), one, None),
            Member(second, Literal(1), more, None, loop=Name(count)),
        ),
        in_channels=known["in_channels"],
        out_channels=None,
        gives=gives,
        made={b: {count: len(calls[b])} for b in instances},
    )


def _placed(second: Symbol | None, third: Symbol | None) -> Symbol | None:
    """What is written for the second and third layer of a chain, in terms of their place."""
    if second is None or third is None or isinstance(second, tuple) or isinstance(third, tuple):
        return None
    found = in_place(second, third)
    return None if found is None else substitute(found, {PLACE: Apply("-", (Name(PLACE), Literal(1)))})


def _gives(cls: BlockClass, call: Call, wide: Symbol) -> Expr:
    """The channels that a layer of a chain gives, in the names of the chain."""
    assert isinstance(call.target, Block)
    known: dict[str, Symbol] = {**{k: literal(v) for k, v in call.target.args.items()}, **call.symbols}
    return simplify(substitute(cls.gives, {**known, "in_channels": wide}), {})


def make_loop(
    name: str, instances: Sequence[Block], of: ClassOf, spelling: Spelling, calls: CallsOf
) -> BlockClass | None:
    """The class of such chains; None where their names or numbers don't follow from the place in the loop."""
    longest = max(instances, key=lambda block: len(calls[block]))
    first, pattern = calls[longest][0], _pattern(calls[longest])
    targets = [call.target for block in instances for call in calls[block]]
    inner = {of[target] for target in targets if isinstance(target, Block)}
    if pattern is None or len(inner) > 1 or any(_pattern(calls[b], pattern) != pattern for b in instances):
        return None
    (cls,) = inner
    wide, step = Name("in_channels"), _growth(cls, first)
    places = Terms([{**b.args, PLACE: i} for b in instances for i in range(len(calls[b]))], {})
    whole = Terms([b.args for b in instances], {})
    numbers: dict[str, Symbol] = {}
    for parameter in cls.parameters:
        grown = _times(wide, step, Name(PLACE)) if parameter.argument == "in_channels" else None
        values = [cls.value(target, parameter) for target in targets if isinstance(target, Block)]
        number = places.claimed([first.symbols.get(parameter.argument), grown], values)
        if number is None:
            return None
        numbers[parameter.name] = number
    count = whole.claimed([Name(n) for n in whole.columns], [len(calls[b]) for b in instances])
    if not isinstance(count, Name):
        return None
    used = {n for symbol in [*numbers.values(), count] for e in exprs(symbol) for n in names(e)} - {PLACE}
    if any(type(value) is not int for n in used for value in whole.columns[n]):
        return None
    known = {n: Name(spelling.get(n, n)) for n in whole.columns}
    gives = whole.claimed([_times(wide, step, count)], [b.shape.channels for b in instances])
    gives = gives if gives is not None and not isinstance(gives, tuple) else UNKNOWN
    return BlockClass(
        name=name,
        definition=longest.definition,
        instances=list(instances),
        parameters=tuple(Parameter(known[n].name, n, "int", None) for n in whole.columns if n in used),
        computed={},
        members=(Member(first, Literal(1), {n: _there(s, known) for n, s in numbers.items()}, None),),
        in_channels=known["in_channels"],
        out_channels=None,
        gives=gives,
        count=known[count.name],
    )


def _pattern(calls: Sequence[Call], pattern: str | None = None) -> str | None:
    """The name of all calls with a gap for the number that grows by one, which is 0 or 1 in the first."""
    found = re.fullmatch(r"(.*?)([01])(\D*)", calls[0].name)
    if found is None:
        return None
    made = f"{found[1]}{{}}{found[3]}"
    start = int(found[2])
    right = all(call.name == made.replace("{}", str(start + place)) for place, call in enumerate(calls))
    return made if right and pattern in (None, made) else None


def _growth(cls: BlockClass, call: Call) -> Expr:
    """How many channels a block has more than its input."""
    assert isinstance(call.target, Block)
    known: dict[str, Symbol] = {**{k: literal(v) for k, v in call.target.args.items()}, **call.symbols}
    gives = substitute(cls.gives, {**known, "in_channels": Name("in_channels")})
    return simplify(Apply("-", (gives, Name("in_channels"))), {})


def _times(start: Expr, step: Expr, count: Expr) -> Expr:
    return simplify(Apply("+", (start, Apply("*", (step, count)))), {})


def _there(symbol: Symbol, known: dict[str, Name]) -> Symbol:
    inside = {**known, PLACE: Name(PLACE)}
    return tuple(substitute(e, inside) for e in symbol) if isinstance(symbol, tuple) else substitute(symbol, inside)
