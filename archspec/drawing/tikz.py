r"""A page as a TikZ picture, a document of its own (`standalone`), whose middle can be put into another."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.diagnostics.printable import printable
from archspec.drawing.page import LINE, Box, Page

COLOURS = {
    "block": "E7EDF8", "layer": "D6E6FB", "norm": "E5F3E2", "merge": "FBE3CF", "pool": "EEE2F7", "other": "F3F3F3",
    "open": "F6F8FA", "ink": "57606A", "shortcut": "BC4C00", "differs": "CF222E",
}  # fmt: skip
TITLE = r"font=\small\bfseries"
_ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$",
            "·": r"$\cdot$", "<": r"$<$", ">": r"$>$", **{c: f"\\{c}" for c in "#$%&_{}"}}  # fmt: skip


def to_tikz(page: Page) -> str:
    """The whole document."""
    return "\n".join([
        r"\documentclass[tikz,border=4pt]{standalone}",
        r"\renewcommand\familydefault{\sfdefault}",
        r"\begin{document}",
        *(f"\\definecolor{{{name}}}{{HTML}}{{{code}}}" for name, code in COLOURS.items()),
        r"\begin{tikzpicture}[x=0.6pt, y=-0.6pt, every node/.style={font=\tiny, inner sep=0pt, anchor=base west}]",
        *(line for box in page.boxes for line in _box(box)),
        *(f"\\draw[{'ink' if line.kind == 'flow' else 'shortcut'}{', ->' if line.arrow else ''}, rounded corners=2pt] "
          f"{' -- '.join(map(_point, line.points))};" for line in page.lines),
        *(f"\\node[{TITLE if label.style == 'title' else ''}] at {_point((label.x, label.y))} {{{_text(label.text)}}};"
          for label in page.labels),
        r"\end{tikzpicture}",
        r"\end{document}",
    ]) + "\n"  # fmt: skip


def _box(box: Box) -> Iterator[str]:
    x, y = box.x, box.y
    corners = f"{_point((x, y))} rectangle {_point((x + box.width, y + box.height))}"
    if box.part.look != "end":
        colour = "differs, thick" if box.part.differs else "ink"
        yield f"\\draw[{colour}, fill={'open' if box.is_open else box.part.look}, rounded corners=2pt] {corners};"
    for place, text in enumerate(_rows(box), 1):
        yield f"\\node at {_point((x + 9, y + LINE * place + 1))} {{{text}}};"


def _rows(box: Box) -> list[str]:
    """The lines of text of a box, its name in bold."""
    (_, name), *rest = [(style, _text(text)) for style, text in box.lines]
    told = [text for _, text in rest]
    bold = f"\\textbf{{{name}}}"
    if box.is_open:
        return [" ".join([bold, *told[:-1]]), told[-1]]
    return [bold, *told] if box.part.look == "block" else [" ".join([bold, *told])]


def _point(point: tuple[float, float]) -> str:
    return f"({point[0]:.1f},{point[1]:.1f})"


def _text(text: str) -> str:
    return "".join(_ESCAPED.get(c, c) for c in printable(text))
