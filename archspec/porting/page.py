"""The report of a port: one page that holds everything, asks nothing of any network, and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from archspec.diagnostics.printable import printable
from archspec.ir.network import Network
from archspec.porting.layers import SLOPES, TOLERANCE, Layer
from archspec.porting.table import HEADS, numbers, shown
from archspec.version import __version__

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
body, thead { color: #1b1b1f; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .15rem .6rem; border-bottom: 1px solid #e2e2e8; font-weight: normal }
td, thead th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums }
thead th { font-weight: 600; position: sticky; top: 0 }
code { font-family: ui-monospace, monospace; font-size: .93em }
.note { color: #5a5a66 }
@media (prefers-color-scheme: dark) {
  body, thead { color: #e6e6ea; background: #17171b }
  th, td { border-color: #36363f }
  .note { color: #a3a3ae }
}
"""


def page(source: str, net: Network, to: str, against: str, layers: Sequence[Layer], said: Sequence[str]) -> str:
    """The page as HTML: what was compared, and the largest difference at every step."""
    title = _text(f"{source} in {to}")
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    rows = "\n".join(
        f'<tr><th scope="row"><code>{_text(one.name)}</code></th>'
        + "".join(f"<td>{shown(number)}</td>" for number in numbers(one))
        + "</tr>"
        for one in layers
    )
    lines = "\n".join(f"<li>{_text(line)}</li>" for line in said)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="archspec port">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>{_text(net.name)}: {net.cost.params:,} parameters, {net.cost.macs:,} multiply-adds for one image of
{"x".join(map(str, net.input_shape))}. No layer differs from {_text(against)} by more than rounding in double precision.</p>
<ul>
{lines}
</ul>
<h2>The largest difference at every step</h2>
<p class="note">What a step gives in evaluation and in training (also its running statistics), relative to its largest number: at
most {TOLERANCE:.0e}. The gradient of what it gives and those of its parameters: at most {SLOPES:.0e}. A dash is what one of both
does not have.</p>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p class="note">Written by archspec {__version__}.</p>
</body>
</html>
"""


def _text(words: str) -> str:
    return escape(printable(words))
