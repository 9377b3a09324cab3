"""Whole-number arithmetic in one form: sums of products, in which expressions that are always equal look the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from math import gcd

from archspec.syntax.expressions import SIDES, Apply, Expr, Literal, Name, render

MOST = 32  # terms; products of sums grow without bound, and nobody writes so many

Monomial = tuple[Expr, ...]
"""The factors of a product, sorted; a factor is a name or what is no sum of products, such as `min(a, b)`."""

Polynomial = dict[Monomial, int]

Place = tuple[int, str]

ARITHMETIC = frozenset({"+", "-", "*", "neg", "//"})


def is_whole(expr: Expr, reals: Collection[str]) -> bool:
    """Whether an expression is a whole number wherever all names but `reals` are."""
    if isinstance(expr, Literal):
        return type(expr.value) is int
    if isinstance(expr, Name):
        return expr.name not in reals
    if expr.op == "if":
        return all(is_whole(o, reals) for o in expr.operands[1:])
    if expr.op in ("round", "floor", "ceil", "divisible", *SIDES):
        return True
    return (expr.op in ARITHMETIC or expr.op in ("%", "min", "max")) and all(
        is_whole(o, reals) for o in expr.operands
    )


def polynomial(expr: Expr) -> Polynomial | None:
    """The sum of products that a whole number is; None where it has too many terms."""
    if isinstance(expr, Literal):
        assert isinstance(expr.value, int)
        return {(): expr.value} if expr.value else {}
    if isinstance(expr, Name) or expr.op not in ARITHMETIC:
        return {(expr,): 1}
    parts = []
    for operand in expr.operands:
        part = polynomial(operand)
        if part is None:
            return None
        parts.append(part)
    first, last = parts[0], parts[-1]
    match expr.op:
        case "neg":
            result: Polynomial | None = _scaled(first, -1)
        case "+":
            result = _sum(first, last)
        case "-":
            result = _sum(first, _scaled(last, -1))
        case "*":
            result = _product(first, last)
        case _:
            result = _quotient(first, last)
    return result if result is not None and len(result) <= MOST else None


def alphabetical(factor: Expr) -> Place:
    """The place of a factor among others, whatever expression they come from."""
    return 0, render(factor, {})


def written(terms: Polynomial, order: Callable[[Expr], Place] = alphabetical) -> Expr:
    """A sum of products as an expression, its factors in an order and what is taken away last."""

    def place(term: tuple[Monomial, int]) -> tuple[bool, bool, list[Place]]:
        factors, count = term
        return count < 0, not factors, sorted(map(order, factors))

    result: Expr | None = None
    for factors, count in sorted(terms.items(), key=place):
        made = _term(sorted(factors, key=order), abs(count))
        if result is None:
            result = made if count > 0 else Literal(count) if not factors else Apply("neg", (made,))
        else:
            result = Apply("+" if count > 0 else "-", (result, made))
    return result if result is not None else Literal(0)


def _term(factors: list[Expr], count: int) -> Expr:
    made: Expr | None = None if count == 1 and factors else Literal(count)
    for factor in factors:
        made = factor if made is None else Apply("*", (made, factor))
    assert made is not None
    return made


def _sum(one: Polynomial, other: Polynomial) -> Polynomial:
    total = dict(one)
    for factors, count in other.items():
        total[factors] = total.get(factors, 0) + count
    return {factors: count for factors, count in total.items() if count}


def _scaled(terms: Polynomial, by: int) -> Polynomial:
    return {factors: count * by for factors, count in terms.items()}


def _product(one: Polynomial, other: Polynomial) -> Polynomial | None:
    if len(one) * len(other) > MOST**2:
        return None
    total: Polynomial = {}
    for left, count in one.items():
        for right, times in other.items():
            factors = _sorted([*left, *right])
            total[factors] = total.get(factors, 0) + count * times
    return {factors: count for factors, count in total.items() if count}


def _quotient(one: Polynomial, other: Polynomial) -> Polynomial:
    """Floor division; what divides evenly is taken out of it."""
    if set(other) == {()} and other[()] > 0:
        return _divided(one, other[()])
    if len(other) == 1 and () not in other:
        ((factors, count),) = other.items()
        even = dict(_evenly(one, factors, count))
        if len(even) == len(one):
            return even
    return {(Apply("//", (written(one), written(other))),): 1}


def _evenly(terms: Polynomial, factors: Monomial, count: int) -> Iterator[tuple[Monomial, int]]:
    """The terms that a product divides, divided."""
    for own, times in terms.items():
        rest = Counter(own)
        rest.subtract(factors)
        if times % count == 0 and min(rest.values(), default=0) >= 0:
            yield _sorted(list(rest.elements())), times // count


def _divided(terms: Polynomial, by: int) -> Polynomial:
    """Floor division by a positive number: (d q + r) // d = q + r // d."""
    even = {factors: count // by for factors, count in terms.items() if factors and count % by == 0}
    rest = {factors: count for factors, count in terms.items() if factors and count % by}
    whole, left = divmod(terms.get((), 0), by)
    even = _sum(even, {(): whole} if whole else {})
    if not rest:
        return even
    rest = _sum(rest, {(): left} if left else {})
    common = gcd(by, *rest.values())
    rest, by = {factors: count // common for factors, count in rest.items()}, by // common
    if len(rest) == 1:
        (((only, *others), count),) = rest.items()
        if not others and count == 1 and isinstance(only, Apply) and only.op == "//":
            inner = only.operands[1]
            if isinstance(inner, Literal) and type(inner.value) is int and inner.value > 0:
                # (a // b) // c = a // (b c)
                return _sum(even, {(Apply("//", (only.operands[0], Literal(inner.value * by))),): 1})
    return _sum(even, {(Apply("//", (written(rest), Literal(by))),): 1})


def _sorted(factors: list[Expr]) -> Monomial:
    return tuple(sorted(factors, key=alphabetical))
