"""The kinds of argument that operations and blocks take: what values each accepts, and how it says so."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from archspec.diagnostics.spelling import did_you_mean, nearest

MAX_SIZE = 1 << 24  # no channel, kernel or image side comes near; keeps products of sizes within 64 bits


class ArgumentError(ValueError):
    """A value that an argument does not accept; `code` is that of the diagnostic.

    Where several values do not fit together, `argument` is the one to look at. `meant` is the value that a number of
    another type was surely meant to be.
    """

    def __init__(
        self,
        code: str,
        message: str,
        help: str | None = None,
        argument: str | None = None,
        meant: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.help = help
        self.argument = argument
        self.meant = meant


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument: `parse` turns an evaluated value into the type of the field or raises ArgumentError."""

    def parse(self, value: object) -> Any:
        raise ArgumentError("AS103", f"{value!r} has no place here")

    @property
    def takes_expressions(self) -> bool:
        """Whether a string stands for an expression rather than for itself."""
        return True

    @property
    def example(self) -> str:
        """A value as a spec may write it."""
        return "1"

    def instead_of(self, name: str, known: Collection[str]) -> str | None:
        """What to write instead of a name that nobody knows, where a word of other frameworks may be meant."""
        return None

    def replacement(self, text: str) -> str | None:
        """What to write instead of a text that is no value here, where it is certain what it means."""
        return None

    def schema(self) -> Mapping[str, Any]:
        """JSON Schema (draft 7) of what a spec may say here."""
        return {}


_EXPRESSION = {"type": "string", "description": "an expression such as `width * 4`"}


@dataclass(frozen=True, slots=True)
class Int(Kind):
    """A whole number from `minimum` to `maximum`."""

    minimum: int = 1
    maximum: int = MAX_SIZE

    def parse(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ArgumentError("AS103", f"expected a whole number, not {describe(value)}", _NUMBER)
        if isinstance(value, float):
            if not math.isfinite(value) or abs(value) > self.maximum:
                raise ArgumentError("AS104", f"expected a whole number, not {value}", self._range)
            help_ = "divide with `//`" if value != int(value) else f"write {int(value)}, or divide with `//`"
            meant = int(value) if value == int(value) else None
            raise ArgumentError("AS204", f"expected a whole number, not {value}", help_, meant=meant)
        if not self.minimum <= value <= self.maximum:
            raise ArgumentError(
                "AS104", f"must be from {self.minimum} to {self.maximum}, not {short(value)}", self._range
            )
        return value

    @property
    def _range(self) -> str:
        return f"write a number of at least {self.minimum}"

    @property
    def example(self) -> str:
        return "64"

    def schema(self) -> Mapping[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.minimum, "maximum": self.maximum}, _EXPRESSION]}


@dataclass(frozen=True, slots=True)
class Pair(Kind):
    """One whole number for both directions, or a list [height, width]."""

    minimum: int = 1

    def parse(self, value: object) -> tuple[int, int]:
        each = Int(self.minimum)
        if isinstance(value, (list, tuple)):
            if len(value) != 2:
                message = f"expected one number or [height, width], not {len(value)} values"
                raise ArgumentError("AS103", message, "a number stands for both")
            return each.parse(value[0]), each.parse(value[1])
        number = each.parse(value)
        return number, number

    @property
    def example(self) -> str:
        return "3"

    def schema(self) -> Mapping[str, Any]:
        one = Int(self.minimum).schema()
        return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 2, "maxItems": 2}]}


@dataclass(frozen=True, slots=True)
class Shapes(Kind):
    """The sizes of a tensor: a list of one to four whole numbers, or a number for the one size of a vector."""

    def parse(self, value: object) -> tuple[int, ...]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 4:
            message = f"expected a list of one to four sizes, not {describe(value)}"
            raise ArgumentError("AS103", message, "such as `[1, 1, width]`")
        return tuple(Int().parse(each) for each in value)

    @property
    def example(self) -> str:
        return "[1, 1, width]"

    def schema(self) -> Mapping[str, Any]:
        return {
            "anyOf": [
                *Int().schema()["anyOf"],
                {"type": "array", "items": Int().schema(), "minItems": 1, "maxItems": 4},
            ]
        }


@dataclass(frozen=True, slots=True)
class Padding(Pair):
    """Pixels on each side, for both directions or [height, width]; `absent` says what is padded where none is given."""

    minimum: int = 0
    absent: str = ""

    def instead_of(self, name: str, known: Collection[str]) -> str | None:
        """The words that other frameworks have for paddings mean different numbers in them, so none is a value here."""
        meant = nearest(name, [*known, "same", "valid"])
        if meant in known:
            return None
        if meant == "valid":
            return "write `padding: 0`"
        why = "`same` pads differently from framework to framework: " if meant == "same" else ""
        return f"{why}give pixels, as in `padding: 1` or `padding: [1, 0]`; {self.absent}"

    def replacement(self, text: str) -> str | None:
        return "0" if text.lower() == "valid" else None


@dataclass(frozen=True, slots=True)
class Real(Kind):
    """A finite number from `minimum` to `maximum`."""

    minimum: float = -math.inf
    maximum: float = math.inf
    below: float = math.inf  # and less than this

    def parse(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ArgumentError("AS103", f"expected a number, not {describe(value)}", _NUMBER)
        if not math.isfinite(value):
            raise ArgumentError("AS104", f"expected a finite number, not {value}", "such as `1e-4` or `0.5`")
        if not self.minimum <= value <= self.maximum or value >= self.below:
            raise ArgumentError("AS104", f"must be {self._bounds}, not {short(value)}", self._meant(value))
        return float(value)

    def replacement(self, text: str) -> str | None:
        percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", text.strip(), re.ASCII)
        return f"{float(percent[1]) / 100:g}" if percent and self._top == 1 else None

    def _meant(self, value: float) -> str:
        if self._top == 1 < value <= 100:
            return f"write {value / 100:g} for {value:g}%"
        if value > self.minimum:
            return "write a smaller number"
        return "write a larger number" if math.isinf(self._top) else "write a number between them"

    @property
    def _top(self) -> float:
        return min(self.maximum, self.below)

    @property
    def _bounds(self) -> str:
        """The numbers that are accepted, as a message says it."""
        if math.isinf(self._top):
            return f"at least {self.minimum:g}"
        top = f"below {self.below:g}" if self.below <= self.maximum else f"to {self.maximum:g}"
        return f"from {self.minimum:g} {top}"

    @property
    def example(self) -> str:
        return "0.1"

    def schema(self) -> Mapping[str, Any]:
        number: dict[str, Any] = {"type": "number"}
        for word, bound in (
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("exclusiveMaximum", self.below),
        ):
            if math.isfinite(bound):
                number[word] = bound
        return {"anyOf": [number, _EXPRESSION]}


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """True or false."""

    def parse(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ArgumentError(
                "AS103", f"expected true or false, not {describe(value)}", "write `true` or `false`"
            )
        return value

    @property
    def example(self) -> str:
        return "true"

    def instead_of(self, name: str, known: Collection[str]) -> str | None:
        """The words that older YAML had for truth values."""
        meant = self.replacement(name)
        return f"write `{meant}`" if meant and name not in known else None

    def replacement(self, text: str) -> str | None:
        return {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower())

    def schema(self) -> Mapping[str, Any]:
        return {"anyOf": [{"type": "boolean"}, _EXPRESSION]}


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One word of several."""

    words: tuple[str, ...] = ()

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            known = ", ".join(f"`{w}`" for w in self.words)
            help_ = did_you_mean(value, self.words) if isinstance(value, str) else "write one of them"
            raise ArgumentError("AS103", f"expected one of {known}, not {describe(value)}", help_)
        return value

    @property
    def example(self) -> str:
        return self.words[0]

    @property
    def takes_expressions(self) -> bool:
        return False

    def schema(self) -> Mapping[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": r"^\$[A-Za-z_]\w*$"}]}


_NUMBER = "give a number, or an expression such as `width * 4`"


def describe(value: object) -> str:
    """A value as a message shows it: short, and with the type where the look does not tell."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"the text {short(value)}" if isinstance(value, str) else short(value)


def short(value: object) -> str:
    """At most 40 characters of a value's literal."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}...{text[-1]}"


class Shown(Enum):
    """When the summary of an operation shows an argument."""

    UNUSUAL = "where it is not the default"
    ALWAYS = "always"
    BARE = "always, without its name"
    NEVER = "never"

    def text(self, field: dataclasses.Field[Any], value: Any) -> str:
        """The argument as a summary has it; empty where it is left out."""
        if self is Shown.NEVER or (self is Shown.UNUSUAL and value == field.default):
            return ""
        if self is Shown.BARE:
            return "x".join(map(str, value))
        plain = value[0] if isinstance(value, tuple) and value[0] == value[1] else value
        return f"{field.name} {str(plain).lower() if isinstance(plain, bool) else plain}"


def argument(
    kind: Kind, default: Any = dataclasses.MISSING, shown: Shown = Shown.UNUSUAL, *, later: bool = False
) -> Any:
    """A dataclass field that is an argument of an operation; without a default it must be given.

    One that came `later` is no part of a net's fingerprint while it is at its default: runs of before know the net without it.
    """
    return dataclasses.field(default=default, metadata={"kind": kind, "shown": shown, "later": later})
