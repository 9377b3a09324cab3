"""What differs between nets as Markdown, to be read beside a change of their specs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from archspec.analysis.diff import Difference
from archspec.diagnostics.printable import printable
from archspec.ir.cost import Cost

TITLES = {
    "params": "parameters",
    "norm_params": "parameters of normalizations",
    "macs": "multiply-adds",
    "attention_macs": "multiply-adds of attention",
}


def page(changed: Mapping[str, Difference], added: Mapping[str, Cost], removed: Sequence[str]) -> str:
    """The nets of two states of some specs, by their paths: what differs, what is new with its cost, what is gone."""
    if not (changed or added or removed):
        return "No net differs.\n"
    parts = [section(name, difference) for name, difference in changed.items()]
    if added:
        rows = [f"| {_code(name)} | {c.params:,} | {c.macs:,} | {c.depth:,} |" for name, c in added.items()]
        parts.append("\n".join(["### New", "", *_head("net", "parameters", "multiply-adds", "depth"), *rows, ""]))
    if removed:
        parts.append("\n".join(["### Gone", "", *(f"- {_code(name)}" for name in removed), ""]))
    return "\n".join(parts)


def section(title: str, difference: Difference) -> str:
    """One net before and after: a table of its costs and settings, and its structure line by line, folded."""
    if difference.empty:
        return f"### {_code(title)}\n\nNo difference.\n"
    lines = [f"### {_code(title)}", ""]
    if difference.costs or difference.recipe:
        lines += _head("", "before", "after", "change")
        for name, before, after in difference.costs:
            share = f" ({(after - before) / before:+.1%})" if before else ""
            told = TITLES.get(name, name.replace("_", " "))
            lines.append(f"| {told} | {before:,} | {after:,} | {after - before:+,}{share} |")
        lines += [f"| {_code(name)} | {_value(old)} | {_value(new)} | |" for name, old, new in difference.recipe]
        lines.append("")
    if difference.lines:
        text = "\n".join(map(printable, difference.lines))
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        lines += ["<details><summary>structure</summary>", "", f"{fence}diff", text, fence, "", "</details>", ""]
    return "\n".join(lines)


def _head(*titles: str) -> list[str]:
    return [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]


def _value(value: Any) -> str:
    return "" if value is None else _code(json.dumps(value))


def _code(text: str) -> str:
    """Text as code, which no sign of Markdown or HTML and no cell of a table breaks."""
    text = printable(text).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if ticks != "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"
