"""A whole file of source: the classes of a net, with the helpers that they use, as a template lays them out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from archspec.emission.classes import ClassText, Writer
from archspec.emission.dialect import Dialect
from archspec.emission.source import RENAMED, WIDTH
from archspec.expressions import render
from archspec.network import Network
from archspec.outline import BlockClass, Outline
from archspec.printable import printable
from archspec.version import __version__


def templates(folder: Path) -> jinja2.Environment:
    """The templates of a backend. They write Python, into which only checked identifiers and literals come."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def model_classes(net: Network, outline: Outline, dialect: Dialect) -> list[ClassText]:
    """The classes of a net, that of the net itself last."""
    writer = Writer(outline, dialect)
    parts = [
        writer.write(c, docstring(_told(c), 4), forward_doc(c, dialect))
        for c in outline.classes if not writer.is_inline(c)
    ]  # fmt: skip
    assert outline.root is not None
    channels, height, width = map(str, net.input_shape)
    images = dialect.image(channels, height, width)
    size = "x".join(images.strip("()").split(", ")[1:])
    doc = docstring(net.spec.doc or f"{net.name}: {size} images to {net.classes:,} classes.", 4)
    return [*parts, writer.write(outline.root, doc, f'"""Map images {images} to logits (N, num_classes)."""')]


def _told(cls: BlockClass) -> str:
    """What the block says of itself, less the sentences about arguments that the class does not have."""
    absent = {*cls.definition.arguments} - {p.name for p in cls.parameters}
    first, *more = re.split(r"(?<=\.) (?=[A-Z])", cls.definition.doc or f"The block `{cls.definition.name}`.")
    return " ".join([first, *(s for s in more if absent.isdisjoint(re.findall(r"\w+", s)))])


def header(net: Network) -> dict[str, str]:
    """What a file says of itself."""
    title = f"{net.name}: {net.cost.params:,} parameters, {net.cost.macs:,} multiply-adds for one image."
    return {
        "title": title if len(title) < WIDTH else f"{net.name}.",
        "header": f"Written by archspec {__version__}.",
    }


def code(classes: Iterable[ClassText]) -> str:
    """The statements of classes without their words, for finding out what they use."""
    return "\n".join("\n".join([*c.parameters, *c.statements, *c.inputs, *c.forward]) for c in classes)


def used(helpers: Mapping[str, str], text: str) -> list[str]:
    """The helpers that a text uses, and those that they use, in the order in which they are listed."""
    found: set[str] = set()
    texts = [text]
    while texts:
        one = texts.pop()
        new = {h for h in helpers if re.search(rf"(?<![\w.]){h}\b", one)} - found
        found |= new
        texts += [helpers[h] for h in new]
    return [h for h in helpers if h in found]


def class_layout(cls: ClassText) -> dict[str, Any]:
    """A class as templates take it."""
    signature = f"    def __init__(self, {', '.join(cls.parameters)}) -> None:"
    return {
        "name": cls.name,
        "doc": cls.doc,
        "parameters": cls.parameters,
        "signature_fits": len(signature) <= WIDTH,
        "statements": cls.statements,
        "inputs": cls.inputs,
        "forward_doc": cls.forward_doc,
        "forward": cls.forward,
    }


def docstring(text: str, indent: int) -> str:
    """A docstring; what a spec says is text and stays text, and turns no line of the source around."""
    plain = printable(re.sub(r"[\t\n\v\f\r]", " ", text.replace("\\", "\\\\").replace('"""', "'''")))
    lines = textwrap.wrap(plain, WIDTH - indent - 6) or [""]
    if plain.endswith('"'):
        lines[-1] += " "
    if len(lines) == 1:
        return f'"""{lines[0]}"""'
    pad = " " * indent
    # a summary line of its own, as style guides ask
    head, _, tail = plain.partition(". ")
    first = textwrap.wrap(f"{head}.", WIDTH - indent - 3)
    rest = textwrap.wrap(tail, WIDTH - indent)
    if len(first) == 1 and rest:
        body = f"\n{pad}".join(rest)
        return f'"""{first[0]}\n\n{pad}{body}\n{pad}"""'
    return '"""' + f"\n{pad}".join(lines) + f'\n{pad}"""'


def forward_doc(cls: BlockClass, dialect: Dialect) -> str:
    """The shapes that a block maps, in terms of its parameters."""
    channels = render(cls.members[0].in_channels, RENAMED) if cls.members else "C"
    first = cls.example.inputs[0][1]
    if len(first) != 3 or len(cls.example.shape) != 3:
        return '"""Map a batch to its features."""'
    ratios = {(b.inputs[0][1][1] / b.shape[1], b.args.get("stride", 1)) for b in cls.instances}
    divisor = "" if all(r == 1 for r, _ in ratios) else " / stride"
    if not all(r in (1, s) for r, s in ratios) or (divisor and "stride" not in [p.name for p in cls.parameters]):
        fixed = {r for r, _ in ratios}
        divisor = f" / {next(iter(fixed)):g}" if len(fixed) == 1 else "'"
    inputs = "x" if len(cls.example.inputs) == 1 else "x and branch"
    out = dialect.image(render(cls.out_channels, RENAMED), f"H{divisor}", f"W{divisor}")
    return f'"""Map {inputs} {dialect.image(channels, "H", "W")} to {out}."""'
