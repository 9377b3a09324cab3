"""Layers one after the other: equal ones, and ones whose numbers and names follow from their place, become loops."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archspec.emission.block_classes import ClassOf, Member
from archspec.emission.loops import PLACE, SHORTEST
from archspec.emission.symbols import with_whole_parts
from archspec.ir import Block
from archspec.ops import Op
from archspec.syntax.expressions import Apply, Expr, Literal, Name, Symbol, is_python, names, render
from archspec.syntax.simplify import normal, simplified, simplify


@dataclass(frozen=True, slots=True)
class Part:
    """Members that are written together: one, or `count` of them in a loop, the first of which stands for all."""

    member: Member
    name: str
    count: int | str = 1  # or the parameter that says it
    start: int | None = None  # the number in the first one's name, where a loop has to make names
    members: tuple[Member, ...] = ()  # all of them, as far as they are known


def parts(members: Sequence[Member], of: ClassOf) -> Iterator[Part]:
    """The members of a sequence in as few loops as their numbers and names allow."""
    numbered = is_numbered(members)
    position = 0
    while position < len(members):
        if (last := members[position].loop) is not None:
            yield Part(members[position], members[position].call.name, f"1, {render(last, {})}")
            return
        found = _loop(members[position:], of, numbered) or Part(members[position], members[position].call.name)
        yield replace(found, members=tuple(members[position : position + int(found.count)]))
        position += int(found.count)


def repeated(member: Member, count: str) -> Part:
    """A member as often as a parameter says, in a loop; the number in its name grows with the place."""
    name = member.call.name
    if name.isdigit():
        return Part(member, name, count)
    number = re.search(r"[01](?=\D*$)", name)
    assert number is not None
    return Part(member, f"{name[: number.start()]}{{}}{name[number.end() :]}", count, int(number[0]))


def is_numbered(members: Sequence[Member]) -> bool:
    """Whether members are called by their places, as those of a sequence are that says no names."""
    return [m.call.name for m in members] == [str(place) for place in range(len(members))]


def _loop(members: Sequence[Member], of: ClassOf, numbered: bool) -> Part | None:
    """The longest loop that begins with a member; None where it is too short for one."""
    first = members[0]
    if not isinstance(first.call.target, Block) or first.when is not None:
        return None
    name, start = first.call.name, None
    if not numbered:
        split = _split(members)
        if split is None:
            return None
        name, start = split
    numbers: Mapping[str, Symbol] | None = first.numbers
    length = 1
    for place, member in enumerate(members[1:], 1):
        if not _is_like(first, member, of) or (
            start is not None and member.call.name != _named(name, start + place)
        ):
            break
        grown = _grown(first, member) if place == 1 else numbers
        if grown is None or not _follows(grown, member, place):
            break
        numbers, length = grown, length + 1
    varies = numbers is not None and any(PLACE in names(e) for s in numbers.values() for e in _exprs(s))
    if numbers is None or length < (SHORTEST if varies else 2):
        return None
    if not varies:
        numbers = first.numbers
    return Part(Member(first.call, first.in_channels, numbers, None), name, length, start)


def _split(members: Sequence[Member]) -> tuple[str, int] | None:
    """The name of a first member with a gap for the number by which the next one's differs, and that number."""
    if len(members) < 2:
        return None
    one, other = members[0].call.name, members[1].call.name
    for match in re.finditer(r"\d+", one):
        pattern = f"{one[: match.start()]}{{}}{one[match.end() :]}"
        if other == _named(pattern, int(match[0]) + 1) and str(int(match[0])) == match[0]:
            return pattern, int(match[0])
    return None


def _named(pattern: str, number: int) -> str:
    return pattern.replace("{}", str(number))


def _is_like(one: Member, other: Member, of: ClassOf) -> bool:
    """Whether two members are made by the same class; a class that is written out has all of its numbers alike."""
    a, b = one.call.target, other.call.target
    if isinstance(a, Op) or not isinstance(a, Block) or not isinstance(b, Block):
        return False
    return of[a] is of[b] and one.numbers.keys() == other.numbers.keys() and other.when is None


def _grown(first: Member, second: Member) -> Mapping[str, Symbol] | None:
    """The numbers of a first member, those that the second has others of as expressions in the place."""
    numbers: dict[str, Symbol] = {}
    for name, symbol in first.numbers.items():
        one, other = _known(symbol), _known(second.numbers[name])
        grown = _as_written(first.written.get(name), second.written.get(name), one, other) or _step(one, other)
        if grown is None:
            return None
        numbers[name] = grown
    return numbers


def _as_written(one: Expr | None, other: Expr | None, first: Symbol, second: Symbol) -> Symbol | None:
    """What the spec wrote for two members, in their places, where it comes to exactly their numbers."""
    if one is None or other is None:
        return None
    found = in_place(one, other)
    if found is None or PLACE not in names(found):
        return None
    for grown in (simplify(found, {}), with_whole_parts(found)):
        if is_python(grown) and _at(grown, 0) == first and _at(grown, 1) == second:
            return grown
    return None


def in_place(one: Expr, other: Expr) -> Expr | None:
    """An expression with the place where a second one has the next whole number; None where more differs."""
    if one == other:
        return one
    if isinstance(one, Literal) and isinstance(other, Literal):
        a, b = one.value, other.value
        if type(a) is not int or type(b) is not int or b != a + 1:
            return None
        return Apply("+", (Name(PLACE), one)) if a else Name(PLACE)
    if not isinstance(one, Apply) or not isinstance(other, Apply) or one.op != other.op:
        return None
    operands = [in_place(a, b) for a, b in zip(one.operands, other.operands, strict=True)]
    return None if None in operands else Apply(one.op, tuple(o for o in operands if o is not None))


def _step(one: Symbol, other: Symbol) -> Symbol | None:
    if one == other:
        return one
    if isinstance(one, Literal) and isinstance(other, Literal):
        a, b = one.value, other.value
        if type(a) is int and type(b) is int and b > a:
            grown: Expr = Apply("*", (Literal(b - a), Name(PLACE)))
            return simplify(Apply("+", (one, grown)), {})
        return None
    if isinstance(one, tuple) or isinstance(other, tuple):
        return None
    more = simplify(Apply("-", (other, one)), {})  # in the parameters of the class, as `in_channels + growth`
    if isinstance(more, Literal) and (type(more.value) is not int or more.value <= 0):
        return None
    return simplify(Apply("+", (one, Apply("*", (more, Name(PLACE))))), {})


def _follows(numbers: Mapping[str, Symbol], member: Member, place: int) -> bool:
    return all(_same(_at(symbol, place), _known(member.numbers[name])) for name, symbol in numbers.items())


def _same(one: Symbol, other: Symbol) -> bool:
    if isinstance(one, tuple) or isinstance(other, tuple):
        return one == other
    return one == other or normal(one) == normal(other)


def _known(symbol: Symbol) -> Symbol:
    """A number that is written as a quotient as what it comes to."""
    return simplified(symbol, {})


def _at(symbol: Symbol, place: int) -> Symbol:
    known = {PLACE: place}
    if isinstance(symbol, tuple):
        return simplify(symbol[0], known), simplify(symbol[1], known)
    return simplify(symbol, known)


def _exprs(symbol: Symbol) -> tuple[Expr, ...]:
    return symbol if isinstance(symbol, tuple) else (symbol,)
