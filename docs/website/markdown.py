"""Markdown as the pages of the site are written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

CODE = re.compile(
    r"^( {0,3})(`{3,}|~{3,})[^\n]*\n.*?^\1\2`*$"  # a fenced block
    r"|(?<=\n\n)(?: {4}[^\n]*\n|\n(?= {4}))+"  # an indented one
    r"|(?<!`)(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\3(?!`)",  # words
    re.MULTILINE | re.DOTALL,
)
"""What a page shows as it stands."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
"""A link or a picture: its mark, its text and its target."""


def fenced(language: str, text: str) -> str:
    """A block of code, whatever it has of backticks itself."""
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; numbers stand on the right."""
    cells = [[" ".join(value.split()).replace("|", "\\|") for value in row] for row in rows]
    right = [all(re.fullmatch(r"[\d,.]*", row[i]) for row in cells) for i in range(len(columns))]
    lines = [columns, ["--:" if to_right else "---" for to_right in right], *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def outside_code(change: Callable[[str], str], text: str) -> str:
    """A page of which all but the code is changed."""
    shown = [code[0] for code in CODE.finditer(text)]
    number = iter(range(len(shown)))
    kept = CODE.sub(lambda _: f"\0{next(number)}\0", text)
    return re.sub("\0(\\d+)\0", lambda mark: shown[int(mark[1])], change(kept))


def targets(text: str) -> list[str]:
    """What a page links to or shows."""
    return [link[3] for link in LINK.finditer(CODE.sub("`...`", text))]
