"""The numbers of a class in terms of its parameters: as the spec wrote them where that holds in every instance.

Nothing is written that was not compared with every instance. Where no expression holds and the number differs, it becomes
a parameter of the class itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archspec.syntax.expressions import (
    SIDES,
    Apply,
    Expr,
    ExpressionError,
    Literal,
    Name,
    Symbol,
    Value,
    evaluate,
    is_python,
    names,
    render,
)
from archspec.syntax.simplify import simplified, simplify, size

LONGEST = 40
"""The parts of the longest expression that is written; what is longer is a number, or a parameter."""

UNKNOWN = Name("?")
"""What has no expression: no argument is called so."""

Number = Value | tuple[int, ...]


class Terms:
    """The arguments of all instances of a class, and the numbers that had to become parameters beside them."""

    def __init__(self, scopes: Sequence[Mapping[str, Value]], constants: Mapping[str, Value]) -> None:
        self.columns: dict[str, list[Value]] = {name: [scope[name] for scope in scopes] for name in scopes[0]}
        self.square = {name for name, values in self.columns.items() if all(map(_is_square, values))}
        """Pairs of equal sides in every instance, which source has as one number."""
        for name in self.square:
            self.columns[name] = [value[0] for value in self.columns[name] if isinstance(value, tuple)]
        self.everywhere = range(len(scopes))
        self.constants = {
            name: value[0] if isinstance(value, tuple) and name in self.square else value
            for name, value in constants.items()
        }
        self.reals = {name for name, values in self.columns.items() if any(type(v) is not int for v in values)}
        self.made: dict[str, list[Value]] = {}

    def claimed(
        self, candidates: Iterable[Symbol | None], values: Sequence[Number], which: Sequence[int] | None = None
    ) -> Symbol | None:
        """The first candidate that holds in these instances, else the number that all of them have; None without either."""
        which = self.everywhere if which is None else which
        for candidate in candidates:
            if candidate is not None and candidate != UNKNOWN:
                symbol = simplified(self._as_one(candidate), self.constants, self.reals)
                if _is_short(symbol) and self._holds(symbol, values, which):
                    return symbol
        first = values[0]
        return literal(first) if all(value == first for value in values) else None

    def _as_one(self, symbol: Symbol) -> Symbol:
        """An expression in which pairs of equal sides are numbers."""
        if not self.square:
            return symbol
        return (
            (self._sides(symbol[0]), self._sides(symbol[1])) if isinstance(symbol, tuple) else self._sides(symbol)
        )

    def _sides(self, expr: Expr) -> Expr:
        if not isinstance(expr, Apply):
            return expr
        first = expr.operands[0]
        if expr.op in SIDES and isinstance(first, Name) and first.name in self.square:
            return first
        return Apply(expr.op, tuple(map(self._sides, expr.operands)))

    def written(
        self,
        name: str,
        candidates: Iterable[Symbol | None],
        values: Sequence[Number],
        which: Sequence[int] | None = None,
    ) -> Symbol:
        """The same; without either, a parameter of the class, called `name` or nearly so."""
        which = self.everywhere if which is None else which
        claimed = self.claimed(candidates, values, which)
        if claimed is not None:
            return claimed
        sides = [value if isinstance(value, tuple) else (value, value) for value in values]
        if any(len(side) != 2 for side in sides):
            given = next((c for c in candidates if isinstance(c, tuple)), None)
            return tuple(
                _one(self.written(f"{name}_{i}", [given[i]] if given else [], list(size), which))
                for i, size in enumerate(zip(*sides, strict=True))
            )
        if all(high == wide for high, wide in sides):
            return self._parameter(name, [high for high, _ in sides], which)
        return (
            self._parameter(f"{name}_height", [high for high, _ in sides], which),
            self._parameter(f"{name}_width", [wide for _, wide in sides], which),
        )

    def _parameter(self, name: str, values: Sequence[Value], which: Sequence[int]) -> Name:
        column = [values[0]] * len(self.everywhere)  # what an instance without it is given does not matter
        for index, value in zip(which, values, strict=True):
            column[index] = value
        same = next((known for known, other in self.made.items() if other == column), None)
        if same is not None:
            return Name(same)
        while name in self.columns:
            name += "_"
        self.columns[name] = self.made[name] = column
        return Name(name)

    def _holds(self, symbol: Symbol, values: Sequence[Number], which: Sequence[int]) -> bool:
        if isinstance(symbol, tuple):
            sides = [value if isinstance(value, tuple) else (value, value) for value in values]
            return all(self._holds(s, [side[i] for side in sides], which) for i, s in enumerate(symbol))
        if isinstance(symbol, Literal):
            return all(_equals(symbol.value, value) for value in values)
        used = sorted(names(symbol))
        if not self.columns.keys() >= set(used):
            return False
        columns = [self.columns[name] for name in used]
        results: dict[tuple[Value, ...], Value | None] = {}
        for index, value in zip(which, values, strict=True):
            key = tuple(column[index] for column in columns)
            if key not in results:
                try:
                    results[key] = evaluate(symbol, dict(zip(used, key, strict=True)))
                except ExpressionError:
                    results[key] = None
            if not _equals(results[key], value):
                return False
        return True


def _is_square(value: Value) -> bool:
    return isinstance(value, tuple) and value[0] == value[1]


def _equals(result: Value | None, value: Number) -> bool:
    """Whether what an expression gives is a number of the net: 8.0 is not 8, since frameworks do not take it for one."""
    if isinstance(result, tuple):
        return result == (value if isinstance(value, tuple) else (value, value))
    if isinstance(value, tuple):
        return all(_equals(result, side) for side in value)
    return result == value and (type(result) is type(value) or isinstance(value, float))


def _one(symbol: Symbol) -> Expr:
    """One size of a shape."""
    assert not isinstance(symbol, tuple)
    return symbol


def literal(value: Number) -> Symbol:
    """A number or pair as it is."""
    return tuple(map(Literal, value)) if isinstance(value, tuple) else Literal(value)


def _is_short(symbol: Symbol) -> bool:
    return all(size(s) <= LONGEST and is_python(s) for s in (symbol if isinstance(symbol, tuple) else (symbol,)))


def exprs(symbol: Symbol) -> tuple[Expr, ...]:
    """The one or two expressions of a number."""
    return symbol if isinstance(symbol, tuple) else (symbol,)


LONGEST_QUOTIENT = 16
"""The characters of the longest quotient that is written for a number that is known."""


def readable(symbol: Symbol, written: Expr) -> Symbol:
    """A number; a fraction as the quotient that the spec wrote, which comes to exactly that."""
    if not isinstance(symbol, Literal) or not isinstance(symbol.value, float) or symbol.value.is_integer():
        return symbol
    short = with_whole_parts(written)
    if not isinstance(short, Apply) or short.op != "/" or names(short) or not is_python(short):
        return symbol
    fits = len(render(short, {})) <= LONGEST_QUOTIENT and simplify(short, {}) == symbol
    return short if fits else symbol


def with_whole_parts(expr: Expr) -> Expr:
    """An expression in which parts that come to whole numbers are these."""
    if not isinstance(expr, Apply):
        return expr
    short = simplify(expr, {})
    if isinstance(short, Literal) and type(short.value) is int:
        return short
    return Apply(expr.op, tuple(map(with_whole_parts, expr.operands)))
