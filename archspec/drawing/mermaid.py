"""A network as a flowchart of Mermaid, which GitHub, GitLab and notebooks draw themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.diagnostics.printable import printable
from archspec.drawing.box_text import cost_text
from archspec.drawing.parts import INPUT, Graph, Part
from archspec.ops import show


def to_mermaid(graphs: Sequence[tuple[str, Graph]]) -> str:
    """The graphs by name, one beside the other."""
    lines, edges = ["flowchart TB"], list[str]()
    for index, (name, graph) in enumerate(graphs):
        body = list(_nodes(graph, f"n{index}", "    "))
        edges += _edges(graph, f"n{index}", "")
        lines += [f"  subgraph n{index}[{_quoted(name)}]", *body, "  end"] if len(graphs) > 1 else body
    return "\n".join([*lines, *edges, "  classDef differs stroke:#cf222e,stroke-width:3px"]) + "\n"


def _nodes(graph: Graph, prefix: str, pad: str) -> Iterator[str]:
    for index, part in enumerate(graph.parts):
        name = f"{prefix}_{index}"
        if part.inner is None:
            yield f"{pad}{name}[{_quoted(_text(part))}]{':::differs' if part.differs else ''}"
        else:
            yield f"{pad}subgraph {name}[{_quoted(_text(part))}]"
            yield from _nodes(part.inner, name, pad + "  ")
            yield f"{pad}end"


def _edges(graph: Graph, prefix: str, given: str, shape: str = "") -> Iterator[str]:
    """The edges between boxes that are not opened; `given` is the box that gives what goes into the graph."""
    for index, part in enumerate(graph.parts):
        sources = [edge for edge in graph.edges if edge.target == index]
        for edge in sources[:1] if part.inner is not None else sources:
            source, label = given, edge.label if edge.source == INPUT and edge.label else shape
            if edge.source != INPUT:
                from_ = graph.parts[edge.source]
                source = _last(from_, f"{prefix}_{edge.source}")
                label = f"of {edge.label.partition('.')[2]}" if edge.label else show(from_.shape)
            if part.inner is not None:
                yield from _edges(part.inner, f"{prefix}_{index}", source, label)
            elif source:
                yield f"  {source} -->|{_quoted(label)}| {prefix}_{index}"


def _last(part: Part, name: str) -> str:
    return name if part.inner is None else _last(part.inner.parts[part.inner.exit], f"{name}_{part.inner.exit}")


def _text(part: Part) -> str:
    text = f"{part.name}: {part.what}" if part.what and part.what != part.name else part.name
    return text if part.look == "end" or not part.cost.macs else f"{text}, {cost_text(part.cost)}"


def _quoted(text: str) -> str:
    """A text in quotes: characters that Mermaid or HTML would read are written by their numbers."""
    return '"' + "".join(c if c.isalnum() or c in " .,:()·×=_+-" else f"#{ord(c)};" for c in printable(text)) + '"'
