"""Protobuf's text format, as much of it as files of Caffe have: messages of fields, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Never

from archspec.errors import ModelError

TOKEN = re.compile(
    r"(?P<space>[\s,;]+|\#[^\n]*)|(?P<name>[A-Za-z_][\w.]*)|(?P<number>[-+]?(?:0x[0-9A-Fa-f]+|\.?\d[\w.]*(?:[eE][-+]\d+)?f?))"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<mark>[:{}<>\[\]-])"
)
DEEPEST = 32
"""Messages in one another; Caffe's have four."""
LARGEST = 2**64 - 1


@dataclass(slots=True)
class Message:
    """A message: its fields in order, of which several may have one name."""

    line: int
    fields: list[tuple[str, Scalar | Message, int]] = field(default_factory=list)

    def all(self, name: str) -> list[Scalar | Message]:
        """The values of a field."""
        return [value for key, value, _ in self.fields if key == name]

    def message(self, name: str) -> Message:
        """The message in a field, an empty one where there is none; of several all fields together."""
        found = Message(self.line)
        for key, value, line in self.fields:
            if key == name and isinstance(value, Message):
                found.line = line
                found.fields += value.fields
        return found

    def text(self, name: str, default: str = "") -> str:
        """The last value of a field, as a word."""
        values = [value for value in self.all(name) if isinstance(value, str)]
        return values[-1] if values else default

    def word(self, name: str, default: str) -> str | int:
        """The last value of a field that is a word of a list, or its number there. Raises FieldError."""
        value = self._last(name, default)
        return value if isinstance(value, str) or type(value) is int else _unfit(name, value, "one word")

    def number(self, name: str, default: float) -> float:
        """The last value of a field, as a number. Raises FieldError."""
        value = self._last(name, default)
        return (
            value
            if isinstance(value, (int, float)) and type(value) is not bool
            else _unfit(name, value, "a number")
        )

    def integer(self, name: str, default: int) -> int:
        """The last value of a field, as a whole number. Raises FieldError."""
        value = self._last(name, default)
        return value if type(value) is int else _unfit(name, value, "a whole number")

    def flag(self, name: str, default: bool) -> bool:
        """The last value of a field that is true or false, which may be said as 1 and 0. Raises FieldError."""
        value = self._last(name, default)
        return bool(value) if value in (True, False) else _unfit(name, value, "true or false")

    def integers(self, name: str) -> list[int]:
        """All values of a field, as whole numbers. Raises FieldError."""
        return [value if type(value) is int else _unfit(name, value, "a whole number") for value in self.all(name)]

    def _last(self, name: str, default: Scalar) -> Scalar | Message:
        return (self.all(name) or [default])[-1]


class FieldError(Exception):
    """A field has a value of another kind than it takes; the message says which."""


def _unfit(name: str, value: Scalar | Message, what: str) -> Never:
    given = "a message" if isinstance(value, Message) else str(value)[:40]
    raise FieldError(f"`{name}` takes {what}, not {given}")


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parsed(text: str, path: str) -> Message:
    """The message that a file is. Raises ModelError with the line of the first mistake."""
    tokens = list(_tokens(text, path))
    root = Message(1)
    rest = _fields(tokens, 0, root, path, 0)
    if rest < len(tokens):
        _mistaken(path, tokens[rest], "closes nothing")
    return root


def _tokens(text: str, path: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            _mistaken(path, _Token("", text[place : place + 20].splitlines()[0], line), "is no part of a prototxt")
        elif match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n") if match else 0
        place = match.end() if match else len(text)


def _fields(tokens: list[_Token], place: int, into: Message, path: str, depth: int) -> int:
    """Read fields up to the mark that closes their message; where they end."""
    if depth > DEEPEST:
        raise ModelError(f"{path}:{into.line}: messages are nested {depth} deep", "Caffe's have four levels")
    while place < len(tokens) and tokens[place].text not in ("}", ">"):
        name = tokens[place]
        if name.kind != "name":
            _mistaken(path, name, "stands where the name of a field is expected")
        place += 1
        if place < len(tokens) and tokens[place].text == ":":
            place += 1
        if place >= len(tokens):
            _mistaken(path, name, "has no value")
        if tokens[place].text == "[":
            place += 1
            while place < len(tokens) and tokens[place].text != "]":
                place = _value(tokens, place, into, name, path, depth)
            place += 1
        else:
            place = _value(tokens, place, into, name, path, depth)
    return place


def _value(tokens: list[_Token], place: int, into: Message, name: _Token, path: str, depth: int) -> int:
    token = tokens[place]
    if token.text in ("{", "<"):
        inner = Message(name.line)
        place = _fields(tokens, place + 1, inner, path, depth + 1)
        if place >= len(tokens):
            _mistaken(path, name, "is not closed")
        into.fields.append((name.text, inner, name.line))
    elif token.kind == "mark":
        _mistaken(path, token, f"is no value of `{name.text}`")
    else:
        into.fields.append((name.text, _scalar(token, path), name.line))
    return place + 1


def _scalar(token: _Token, path: str) -> Scalar:
    if token.kind == "text":
        return token.text[1:-1].replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\")
    if token.kind == "name":
        return {"true": True, "false": False}.get(token.text, token.text)
    try:
        if abs(whole := int(token.text, 0)) > LARGEST:
            _mistaken(path, token, "is no number of 64 bits")
        return whole
    except ValueError:
        pass
    try:
        return float(token.text.rstrip("fF"))
    except ValueError:
        _mistaken(path, token, "is no number")


def _mistaken(path: str, token: _Token, what: str) -> Never:
    raise ModelError(f"{path}:{token.line}: `{token.text[:40]}` {what}", "get the file anew, or correct that line")
