"""From a network, or two of them side by side, to a picture in one of several formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archspec.drawing.box_text import cost_text
from archspec.drawing.laid import LANE, Laid, put_arcs
from archspec.drawing.layout import Layout
from archspec.drawing.marks import marked
from archspec.drawing.mermaid import to_mermaid
from archspec.drawing.page import Label, Page, text_width
from archspec.drawing.parts import Edge, Graph, graph_of
from archspec.drawing.series import Series
from archspec.drawing.svg import to_svg
from archspec.drawing.tikz import to_tikz
from archspec.ir.network import Network

MARGIN, TITLE, BETWEEN = 20.0, 52.0, 48.0
LIMITS = tuple(200.0 * 1.18**step for step in range(26))
SHAPE = 1.6
"""The width of the page for which a picture is made, by its height."""
WIDTH, HEIGHT = 2400.0, 1500.0
"""A page of which every word can be read on a screen: where no depth is asked for, nets are opened as far as it holds them."""
DEEPEST = 3  # that is tried


def draw(nets: Sequence[Network], format: str = "svg", depth: int | None = None) -> str | bytes:
    """The picture of a network, or of two of which what differs is marked; bytes for png and pdf, text for others."""
    if format not in FORMATS:
        raise ValueError(f"a picture is one of {', '.join(FORMATS)}, not {format!r}")
    page, graphs = _fitting(nets, depth)
    return FORMATS[format](page, [(net.name, graph) for net, graph in zip(nets, graphs, strict=True)])


def page_of(nets: Sequence[Network], depth: int | None = None) -> Page:
    """The page of networks side by side."""
    return _fitting(nets, depth)[0]


def _fitting(nets: Sequence[Network], depth: int | None) -> tuple[Page, list[Graph]]:
    if depth is not None:
        return _page(nets, depth)
    for tried in range(DEEPEST, 0, -1):
        page, graphs = _page(nets, tried)
        if page.width <= WIDTH and page.height <= HEIGHT:
            break
    return page, graphs


def _page(nets: Sequence[Network], depth: int) -> tuple[Page, list[Graph]]:
    graphs = [graph_of(net, depth) for net in nets]
    if len(graphs) == 2:
        graphs = list(marked(*graphs))
    series = dict[Graph, Series]()
    laid = min((_laid(graphs, limit, series) for limit in LIMITS), key=_reach)
    page = Page()
    x = MARGIN
    for net, graph, (column, arcs) in zip(nets, graphs, laid, strict=True):
        about = cost_text(net.cost)
        page.labels += [Label(x, MARGIN + 14, net.name, "title"), Label(x, MARGIN + 32, about, "note")]
        column.put(page, x, MARGIN + TITLE)
        put_arcs(page, graph, arcs, x + column.width, (x + column.port, MARGIN + TITLE))
        x += max(_width(column, arcs), text_width(net.name, 18) * 1.1, text_width(about, 10.5)) + BETWEEN
    page.width = x - BETWEEN + MARGIN
    page.height = max(column.height for column, _ in laid) + TITLE + 2 * MARGIN
    if len(nets) == 2:
        page.height += 16.0
        page.labels.append(
            Label(MARGIN, page.height - 12, "framed in red: what the other has not, or otherwise", "note")
        )
    return page, graphs


def _laid(graphs: Sequence[Graph], limit: float, series: dict[Graph, Series]) -> list[tuple[Laid, list[Edge]]]:
    """The graphs with columns of at most this height."""
    return [Layout(limit, series).graph(graph, 0, limit) for graph in graphs]


def _width(column: Laid, arcs: Sequence[Edge]) -> float:
    return column.width + (LANE * len(arcs) + 4 if arcs else 0)


def _reach(laid: Sequence[tuple[Laid, list[Edge]]]) -> float:
    """How large a page of the usual shape has to be to hold them."""
    width = sum(_width(*one) for one in laid) + BETWEEN * (len(laid) - 1)
    return max(width, SHAPE * max(column.height for column, _ in laid))


Named = Sequence[tuple[str, Graph]]


def _svg(page: Page, graphs: Named) -> str:
    return to_svg(page, " and ".join(name for name, _ in graphs))


def _png(page: Page, graphs: Named) -> bytes:
    from cairosvg import svg2png  # an extra

    picture: bytes = svg2png(bytestring=_svg(page, graphs).encode(), scale=2)
    return picture


def _pdf(page: Page, graphs: Named) -> bytes:
    from cairosvg import svg2pdf  # an extra

    picture: bytes = svg2pdf(bytestring=_svg(page, graphs).encode())
    return picture


FORMATS: Mapping[str, Callable[[Page, Named], str | bytes]] = {
    "svg": _svg,
    "mermaid": lambda _, graphs: to_mermaid(graphs),
    "tikz": lambda page, _: to_tikz(page),
    "png": _png,
    "pdf": _pdf,
}
"""How pictures are written; png and pdf by CairoSVG."""

SUFFIXES = {".svg": "svg", ".mmd": "mermaid", ".tex": "tikz", ".png": "png", ".pdf": "pdf"}
"""The formats of files."""
