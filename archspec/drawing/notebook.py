"""A network in a notebook: its picture, and its table to be opened."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from archspec.analysis.summary import table_rows
from archspec.diagnostics.printable import printable
from archspec.drawing.draw import draw
from archspec.ir.network import Network
from archspec.ops import show

COLUMNS = ("module", "operation", "output", "parameters", "multiply-adds")


def to_html(net: Network) -> str:
    """HTML without scripts. The picture is an image, so that its styles are not those of the page."""
    svg = draw([net])
    assert isinstance(svg, str)
    name, picture = _text(net.name), b64encode(svg.encode()).decode()
    head = "".join(f"<th>{title}</th>" for title in COLUMNS)
    rows = "\n".join(
        f'<tr><td style="text-align:left;padding-left:{row.depth + 0.5}em">{_text(row.name)}</td>'
        f'<td style="text-align:left">{_text(row.what)}</td>'
        f"<td>{show(row.shape)}</td><td>{row.params:,}</td><td>{row.macs:,}</td></tr>"
        for row in table_rows(net, 3)
    )
    return (
        f'<img alt="{name}" style="max-width:100%" src="data:image/svg+xml;base64,{picture}"/>\n'
        f"<details><summary>{name}: {net.cost.params:,} parameters, {net.cost.macs:,} multiply-adds</summary>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></details>\n"
    )


def _text(text: str) -> str:
    return escape(printable(text))
