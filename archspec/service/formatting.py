"""White space of a spec: spaces inside of brackets, the ends of lines, empty lines. Tokens and comments stay as they are."""

from __future__ import annotations

import re
from itertools import pairwise

import yaml

from archspec.service.text import Text, TextEdit
from archspec.syntax.compose import Loader

_OPEN = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
_CLOSE = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def formatted(text: str) -> str:
    """The text with its white space put in order; as it is where it is no YAML."""
    tokens = _tokens(text)
    if tokens is None:
        return text
    spaced = Text(text).edited(_gaps(text, tokens))
    result = _lines(spaced, _protected(spaced))
    after = _tokens(result)
    return result if after is not None and _values(after) == _values(tokens) else text


def edits(text: str) -> list[TextEdit]:
    """The edits that put the white space in order: of the lines that change."""
    after = formatted(text)
    if after == text:
        return []
    start = 0
    while start < min(len(text), len(after)) and text[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(text), len(after)) - start and text[-1 - end] == after[-1 - end]:
        end += 1
    return [TextEdit(start, len(text) - end, after[start : len(after) - end])]


def _tokens(text: str) -> list[yaml.Token] | None:
    try:
        return list(yaml.scan(text, Loader=Loader))
    except yaml.YAMLError:
        return None


def _values(tokens: list[yaml.Token]) -> list[tuple[str, object]]:
    return [(type(token).__name__, getattr(token, "value", None)) for token in tokens]


def _gaps(text: str, tokens: list[yaml.Token]) -> list[TextEdit]:
    """What stands between tokens of one line, where it should be other white space."""
    found, depth, place = [], 0, Text(text)
    for before, after in pairwise(tokens):
        if isinstance(before, _OPEN):
            depth += 1
        elif isinstance(before, _CLOSE):
            depth -= 1
        if before.end_mark.line != after.start_mark.line or isinstance(after, yaml.BlockEndToken):
            continue
        start = place.mark_offset(before.end_mark.line, before.end_mark.column)
        end = place.mark_offset(after.start_mark.line, after.start_mark.column)
        gap = text[start:end]
        wanted = _wanted(before, after, depth)
        if wanted is not None and gap != wanted and not gap.strip(" \t"):
            found.append(TextEdit(start, end, wanted))
    return found


def _wanted(before: yaml.Token, after: yaml.Token, depth: int) -> str | None:
    """The white space between two tokens; None where it stays."""
    if depth == 0:
        return None
    if isinstance(before, _OPEN):
        return ""
    if isinstance(before, yaml.FlowEntryToken):
        return None if isinstance(after, _CLOSE) else " "
    if isinstance(before, yaml.ValueToken):
        return None if isinstance(after, (*_CLOSE, yaml.FlowEntryToken)) else " "
    if isinstance(after, (*_CLOSE, yaml.FlowEntryToken)):
        return ""
    return None


def _protected(text: str) -> set[int]:
    """The lines of scalars that go over several: white space in them may count."""
    found: set[int] = set()
    for token in _tokens(text) or []:
        if isinstance(token, yaml.ScalarToken) and token.end_mark.line > token.start_mark.line:
            found.update(range(token.start_mark.line, token.end_mark.line + (token.style not in ("|", ">"))))
    return found


def _lines(text: str, protected: set[int]) -> str:
    """Lines without white space at their ends, at most one empty line after another, and one end of the last line."""
    if re.search("[\x85\u2028\u2029]", text):
        return text  # where lines of YAML are not those of editors
    lines = re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$", text)
    result: list[str] = []
    for number, line in enumerate(lines):
        content = line.rstrip("\r\n")
        ending = line[len(content) :]
        stripped = content if number in protected else content.rstrip(" \t")
        if not stripped and number not in protected and (not result or not result[-1].strip()):
            continue
        result.append(stripped + ending)
    while result and not result[-1].strip() and len(lines) - 1 not in protected:
        result.pop()
    if result and not result[-1].endswith(("\n", "\r")):
        result[-1] += next(
            (line[len(line.rstrip("\r\n")) :] for line in lines if line.endswith(("\n", "\r"))), "\n"
        )
    return "".join(result)
