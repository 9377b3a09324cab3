"""Text to document: a spec is read from its file, from text, or as one value of `--set`."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

import yaml

from archspec.diagnostics import Diagnostics, Source, Span
from archspec.syntax.compose import Composer, StopReadingError
from archspec.syntax.drafts import draft_of
from archspec.syntax.nodes import Node
from archspec.syntax.yaml_faults import place_and_remedy, said

MAX_BYTES = 1 << 20
MAX_KEPT = 1 << 14  # characters of a text that need not be read twice


def read_file(path: Path, display: str, problems: Diagnostics, library: bool = False) -> Node | None:
    """Read a spec file; on any mistake records it and returns None."""
    nowhere = Span(Source(display, ""))
    try:
        draft = draft_of(path)
        status = os.stat(path) if draft is None else None
        if status is not None and not stat.S_ISREG(status.st_mode):
            run = path / "code" / "spec.yaml"
            of_run = f"the spec of this run is {run}; to go on with the run: archspec train {display} --resume"
            help_ = of_run if run.is_file() else "give the path of a .yaml file"
            problems.add("AS001", f"`{display}` is not a regular file", nowhere, help_)
            return None
        length = len(draft) if draft is not None else status.st_size if status is not None else 0
        if length > MAX_BYTES:
            size = f"`{display}` has {length:,} bytes"
            problems.add("AS005", size, nowhere, f"a spec has at most {MAX_BYTES:,} bytes; use `repeat`")
            return None
        raw = path.read_bytes() if draft is None else draft
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add("AS001", f"cannot read `{display}`: {reason}", nowhere, "check the path and its permissions")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, begin = raw.count(b"\n", 0, error.start), raw.rfind(b"\n", 0, error.start) + 1
        column = len(raw[begin : error.start].decode("utf-8-sig", errors="replace"))
        span = Span(Source(display, ""), line, column, line, column)
        problems.add("AS001", f"byte {error.start} is not UTF-8", span, "save the file as UTF-8")
        return None
    return read_text(text, display, problems, library)


def read_text(text: str, name: str, problems: Diagnostics, library: bool = False) -> Node | None:
    """Read a spec from its text; on any mistake records it and returns None. A short one is read once: nodes stay as they are."""
    root, found = _read_once(text, name, library) if len(text) <= MAX_KEPT else _read(text, name, library)
    problems.extend(found)
    return root


def _read(text: str, name: str, library: bool) -> tuple[Node | None, Diagnostics]:
    problems = Diagnostics()
    return _root(Source(name, text, library=library), problems), problems


@lru_cache(maxsize=64)
def _read_once(text: str, name: str, library: bool) -> tuple[Node | None, Diagnostics]:
    return _read(text, name, library)


def _root(source: Source, problems: Diagnostics) -> Node | None:
    """The top of a document; None where there are mistakes, which are recorded."""
    text = source.text
    try:
        root = Composer(source, problems).compose()
    except yaml.MarkedYAMLError as error:
        problems.add("AS002", said(error), *place_and_remedy(error, source))
        return None
    except yaml.reader.ReaderError as error:
        codepoint = _codepoint(error)
        lines = f"{text[: text.find(chr(codepoint))]}^".splitlines()  # the parser's position counts bytes
        span = Span(source, len(lines) - 1, len(lines[-1]) - 1, len(lines) - 1, len(lines[-1]))
        problems.add("AS002", f"character U+{codepoint:04X} is not allowed in YAML", span, "remove it")
        return None
    except StopReadingError:
        return None
    if root is None or (root.value is None and not text.strip("\n -.")):
        problems.add("AS007", "the file is empty", Span(source), "a spec starts with `archspec: 1`")
        return None
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        problems.add("AS007", f"the top of a spec is a mapping, not {kind}", root.span, "start with `archspec: 1`")
        return None
    return None if problems.errors else root


def read_value(text: str, name: str, problems: Diagnostics) -> Node | None:
    """Read one value in YAML's flow style, as given to `--set`."""
    source = Source(name, text, virtual=True)
    try:
        return Composer(source, problems).compose() or Node(None, Span(source))
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError):
        help_ = "close every bracket and quote, and keep the whole from the shell with '...'"
        problems.add("AS002", f"`{text}` is not a YAML value", Span(source, 0, 0, 0, len(text)), help_)
    except StopReadingError:
        pass
    return None


def read_nodes(source: Source, problems: Diagnostics) -> Node | None:
    """The nodes of a text as far as it is YAML, whatever is at its top; None where it is empty or cannot be gone on with.

    Raises yaml.MarkedYAMLError and yaml.reader.ReaderError for what is no YAML; other mistakes are recorded.
    """
    try:
        return Composer(source, problems).compose()
    except StopReadingError:
        return None


def _codepoint(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return ord(character) if isinstance(character, str) else int(character)
