"""The nodes of a text that is no YAML at the moment, as in the middle of an edit.

What is open is closed where it ends by its indentation, a word alone becomes a key, and a line that still cannot be read is
left out. Whatever stays keeps its place.
"""

from __future__ import annotations

import re

import yaml

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.syntax.compose import Loader
from archspec.syntax.nodes import Node
from archspec.syntax.reader import read_nodes

ROUNDS = 24
_BLOCK_SCALAR = re.compile(r"[:\-]\s+[|>][-+0-9]*\s*(#.*)?$")
_CLOSERS = {"{": "}", "[": "]"}


def recovered(text: str, name: str) -> Node:
    """The mapping at the top of a text, with what of it can be read."""
    lines = text.splitlines(keepends=True)
    balanced = False
    for _ in range(ROUNDS):
        candidate = "".join(lines)
        source, problems = Source(name, candidate), Diagnostics()
        place = 0
        try:
            if not balanced:
                _scan(candidate)
            root = read_nodes(source, problems)
            if root is not None and isinstance(root.value, dict):
                return root
            if root is not None and isinstance(root.value, list):
                return Node({}, root.span)
            if root is None and not problems.errors:
                return Node({}, Span(source))
            if root is not None and isinstance(root.value, str) and root.span.line == root.span.end_line:
                lines[root.span.line] = _as_key(lines[root.span.line])
                continue
            stopped = list(problems)[-1].span if problems.errors else root.span if root is not None else None
            place = stopped.line if stopped is not None else 0
        except yaml.reader.ReaderError as error:
            code = error.character if isinstance(error.character, int) else ord(error.character)
            lines = [line.replace(chr(code), " ") for line in lines]
            continue
        except yaml.MarkedYAMLError as error:
            if not balanced:
                balanced, lines = True, _balanced(lines)
                continue
            began, mark = error.context_mark, error.problem_mark or error.context_mark
            if error.context == "while scanning a simple key" and began is not None and began.line < len(lines):
                if ":" not in lines[began.line][began.column :]:
                    lines[began.line] = _as_key(lines[began.line])
                    continue
                mark = began
            place = mark.line if mark is not None else 0
        if not _leave_out(lines, place):
            break
    return _longest(lines, name)


def _scan(text: str) -> None:
    """Raise what YAML raises of a text, in a quarter of the time in which nodes are made: a mistake is mostly at its end."""
    for _ in yaml.parse(text, Loader=Loader):
        pass


def _longest(lines: list[str], name: str) -> Node:
    """The mapping of as many of the first lines as can be read, by halves."""
    while lines:
        lines = lines[: len(lines) // 2]
        source = Source(name, "".join(lines))
        try:
            root = read_nodes(source, Diagnostics())
        except (yaml.MarkedYAMLError, yaml.reader.ReaderError):
            continue
        if root is not None and isinstance(root.value, dict):
            return root
    return Node({}, Span(Source(name, "")))


def _as_key(line: str) -> str:
    """A line whose last word is a key with nothing under it."""
    content = line.rstrip()
    return f"{content}:{line[len(content) :]}"


def _leave_out(lines: list[str], place: int) -> bool:
    """Take out the line at a place, or the last one before it that says something; whether there was one."""
    place = min(place, len(lines) - 1)
    while place >= 0 and not lines[place].strip():
        place -= 1
    if place < 0:
        return False
    lines[place] = "\n" if lines[place].endswith(("\n", "\r")) else ""
    return True


def _balanced(lines: list[str]) -> list[str]:
    """Lines in which quotes end with their line and brackets where the indentation says that they do."""
    result: list[str] = []
    opened: list[str] = []
    indent, last = 0, -1  # of the line in which the outermost bracket opened; the last line with content
    scalar = -1  # the indentation of the key whose block scalar is being read
    for line in lines:
        content = line.strip()
        own = len(line) - len(line.lstrip())
        if scalar >= 0 and (not content or own > scalar):
            result.append(line)
            continue
        scalar = -1
        if not content or content.startswith("#"):
            result.append(line)
            continue
        if opened and own <= indent and not content.startswith(tuple("}]")):
            _close(result, last, opened)
        if not opened:
            indent = own
        result.append(_closed_quote(line, opened))
        last = len(result) - 1
        if not opened and _BLOCK_SCALAR.search(line):
            scalar = own
    if opened:
        _close(result, last, opened)
    return result


def _close(lines: list[str], place: int, opened: list[str]) -> None:
    content = lines[place].rstrip()
    closers = "".join(_CLOSERS[bracket] for bracket in reversed(opened))
    lines[place] = f"{content} {closers}{lines[place][len(content) :]}"
    opened.clear()


def _closed_quote(line: str, opened: list[str]) -> str:
    """A line with the quote closed that begins in it; brackets are counted, and those that close nothing taken out."""
    characters, quote, before, end = list(line), "", " ", len(line.rstrip())
    for index, character in enumerate(line[:end]):
        if quote:
            if character == quote and not (quote == '"' and before == "\\"):
                quote = ""
        elif character in "\"'" and before in " \t[{,:-":
            quote = character
        elif character == "#" and before in " \t":
            end = len(line[:index].rstrip())
            break
        elif character in _CLOSERS and (opened or before in " \t[{,"):
            opened.append(character)
        elif character in "}]" and opened:
            if _CLOSERS[opened[-1]] == character:
                opened.pop()
            else:
                characters[index] = " "
        before = character
    if quote:
        characters.insert(end, quote)
    return "".join(characters)
