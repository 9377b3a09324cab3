"""What is not YAML: where a reader should look, and what was probably meant."""

from __future__ import annotations

import re

import yaml

from archspec.diagnostics import Source, Span

_UNMARKED_KEY = re.compile(r"[\s-]*\w[^:{\[]*[{\[]")  # `input {channels: 3}`


_OF_LIBYAML = (
    (r"(while parsing a block mapping) expected <block end>, but found .*", r"\1 did not find expected key"),
    (
        r"(while parsing a block collection) expected <block end>, but found .*",
        r"\1 did not find expected '-' indicator",
    ),
    (r"while parsing a tag expected '>', but found .*", "while scanning a tag did not find the expected '>'"),
    (r"expected '(<.*>)', but found .*", r"did not find expected \1"),
    (r"expected (.*), but (?:got|found) .*", r"did not find expected \1"),
    (r"mapping values are not allowed here", "mapping values are not allowed in this context"),
    (r"found character '.*' that cannot", "found character that cannot"),
    (
        r"while scanning a double-quoted scalar (found unknown escape character) .*",
        r"while parsing a quoted scalar \1",
    ),
)
"""What the parser in Python says, where libyaml is not installed, and the same in the words of libyaml."""


def said(error: yaml.MarkedYAMLError) -> str:
    """What is not YAML, in the same words whichever parser found it."""
    text = " ".join(filter(None, [error.context, error.problem])) or "this is not YAML"
    for words, others in _OF_LIBYAML:
        text, count = re.subn(words, others, text, flags=re.DOTALL)
        if count:
            break
    return text


def place_and_remedy(error: yaml.MarkedYAMLError, source: Source) -> tuple[Span, str]:
    """Where to look, and what to write instead."""
    return _indented_by_tab(error, source) or _unfinished(error, source) or _colon(error, source)


def _where(error: yaml.MarkedYAMLError, source: Source) -> Span:
    """Where the parser stopped."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    return Span(source, line, column, line, column + 1)


def _indented_by_tab(error: yaml.MarkedYAMLError, source: Source) -> tuple[Span, str] | None:
    stopped = _where(error, source).line
    for line in (stopped, stopped - 1):
        text = source.line(line)
        column = text[: len(text) - len(text.lstrip())].find("\t")
        if column >= 0:
            return Span(source, line, column, line, column + 1), "indent with spaces: YAML allows no tabs"
    return None


def _unfinished(error: yaml.MarkedYAMLError, source: Source) -> tuple[Span, str] | None:
    """What began before the place where the parser stopped and was not brought to its end."""
    begin = error.context_mark
    if begin is None:
        return None
    if error.context == "while scanning a simple key":  # noticed on a later line, which may be past the last
        end = len(source.line(begin.line).rstrip())
        return Span(source, begin.line, begin.column, begin.line, end), "write `key: value`"
    if error.context == "while scanning a quoted scalar" and "end of stream" in (error.problem or ""):
        end = len(source.line(begin.line).rstrip())
        return Span(source, begin.line, begin.column, begin.line, end), "close the quote that begins here"
    bracket = {"while parsing a flow mapping": "{", "while parsing a flow sequence": "["}.get(error.context or "")
    if bracket is None:
        return None
    where = f"line {begin.line + 1}, column {begin.column + 1}"
    return _where(error, source), f"close the `{bracket}` of {where}, or put a `,` between its items"


def _colon(error: yaml.MarkedYAMLError, source: Source) -> tuple[Span, str]:
    """A `:` where none may be: one is missing before it, or there is one too many."""
    span = _where(error, source)
    if "mapping values are not allowed" not in said(error):
        return span, _other(error, source.line(span.line), span.column)
    text = source.line(span.line)[: span.column]
    if ": " in text and not _UNMARKED_KEY.match(text):
        return span, "put text that holds `: ` in quotes, and a mapping in `{...}`"
    return span, "a `:` is missing before this, on this line or the line before"


_REMEDIES = {
    "found unknown escape character": "write a backslash as `\\\\`, or use single quotes",
    "cannot start any token": "put text that begins with this sign in quotes",
    "did not find expected alphabetic": "put text that begins with `*` or `&` in quotes",
    "did not find expected '-' indicator": "begin each item of a list with `- `, all in one column",
    "did not find expected key": "begin all keys of a mapping in one column, and put text with signs of YAML in quotes",
}


def _other(error: yaml.MarkedYAMLError, line: str, column: int) -> str:
    """What to do about what is not YAML for another reason."""
    if re.search(r"[:-]\s+[{\[]", line[:column]) and line[:column].rstrip().endswith(("}", "]")):
        return "put text that begins with `{` or `[` in quotes"
    found = next((help_ for words, help_ in _REMEDIES.items() if words in said(error)), None)
    return found or "put text with signs of YAML in quotes, and look at the indentation"
