"""A whole file of source: the classes of a net, with the helpers that they use, as a template lays them out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from archspec.diagnostics.printable import printable
from archspec.emission.class_body import ClassText, Writer
from archspec.emission.construct import Constructor
from archspec.emission.dataflow import flow
from archspec.emission.dialect import Dialect
from archspec.emission.outline import BlockClass, Outline
from archspec.emission.source import WIDTH
from archspec.ir.network import Network
from archspec.ops import Features, Image, show
from archspec.syntax.expressions import Expr, render
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
    constructor = Constructor(outline, dialect)
    writer = Writer(constructor)
    parts = [
        writer.write(c, docstring(_told(c), 4), forward_doc(c, dialect))
        for c in outline.classes if not constructor.is_inline(c)
    ]  # fmt: skip
    assert outline.root is not None
    channels, height, width = map(str, net.input_shape)
    images = dialect.image(channels, height, width)
    size = "x".join(images.strip("()").split(", ")[1:])
    doc = docstring(net.doc or f"{net.name}: {size} images to {_gives(net)}.", 4)
    named = [p.name for p in outline.root.parameters if p.argument == "classes"]
    if net.outputs:
        pad = " " * 8
        told = f'"""Map images {images} to outputs by name.\n\n{pad}'
        told += f"\n{pad}".join(_outputs(net, outline.root, dialect)) + f'\n{pad}"""'
    elif net.classes is None:
        told = docstring(f"Map images {images} to {_shape(net.output_shape, None, dialect)}.", 8)
    else:
        told = f'"""Map images {images} to logits (N, {named[0] if named else net.classes})."""'
    return [*parts, writer.write(outline.root, doc, told)]


def _gives(net: Network) -> str:
    """What images become, in words."""
    if net.outputs:
        *most, last = [f"`{output.name}`" for output in net.outputs]
        return f"{', '.join(most)} and {last}" if most else last
    if net.classes is None:
        return f"features of {show(net.output_shape)}"
    return "1 class" if net.classes == 1 else f"{net.classes:,} classes"


def _outputs(net: Network, root: BlockClass, dialect: Dialect) -> Iterator[str]:
    """The named outputs of a net with their shapes, a line for each."""
    for output in net.outputs:
        shape = _shape(output.shape, root.outputs[output.name], dialect)
        yield f"`{output.name}`: {shape}{', only in training' * output.train_only}"


def _shape(shape: Features, channels: Expr | None, dialect: Dialect) -> str:
    """The shape of a batch of a value, in numbers but for channels that are an argument."""
    named = str(shape.channels) if channels is None else render(channels, {})
    return _batch(shape, named, {axis: str(shape[axis]) for axis in _places(shape)}, dialect)


def _told(cls: BlockClass) -> str:
    """What the block says of itself, less the sentences about arguments that the class does not have."""
    absent = {*cls.definition.arguments} - {p.argument for p in cls.parameters}
    first, *more = re.split(r"(?<=\.) (?=[A-Z])", cls.definition.doc or f"The block `{cls.definition.name}`.")
    return " ".join([first, *(s for s in more if absent.isdisjoint(re.findall(r"\w+", s)))])


def header(net: Network) -> dict[str, str]:
    """What a file says of itself."""
    title = f"{net.name}: {net.cost.params:,} parameters, {net.cost.macs:,} multiply-adds for one image."
    return {
        "title": title if len(title) < WIDTH else f"{net.name}.",
        "header": f"Written by archspec {__version__}.",
    }


DOCSTRING = re.compile(r'""".*?"""', re.DOTALL)


def code(classes: Iterable[ClassText]) -> str:
    """The statements of classes without their words, for finding out what they use."""
    return "\n".join(
        "\n".join([*c.parameters, *c.statements, *c.inputs, *c.forward, f"{c.base}("]) for c in classes
    )


def used(helpers: Mapping[str, str], text: str) -> list[str]:
    """The helpers that a text uses, and those that they use, in the order in which they are listed."""
    found: set[str] = set()
    texts = [text]
    while texts:
        one = texts.pop()
        new = {h for h in helpers if re.search(rf"(?<![\w.]){h}\b", one)} - found
        found |= new
        texts += [DOCSTRING.sub("", helpers[h]) for h in new]  # a word of one may be another's name
    return [h for h in helpers if h in found]


def class_layout(cls: ClassText) -> dict[str, Any]:
    """A class as templates take it."""
    signature = f"    def __init__(self, {', '.join(cls.parameters)}) -> None:"
    return {
        "name": cls.name,
        "base": cls.base,
        "doc": cls.doc,
        "parameters": cls.parameters,
        "signature_fits": len(signature) <= WIDTH,
        "statements": cls.statements,
        "inputs": cls.inputs,
        "forward_doc": cls.forward_doc,
        "forward": cls.forward,
        "returns": cls.returns,
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
    start, end = cls.example.inputs[0][1], cls.example.shape
    *most, last = flow(cls, dialect.words).inputs.values()
    inputs = f"{', '.join(most)} and {last}" if most else last
    into = _batch(start, "C" if cls.in_channels is None else render(cls.in_channels, {}), _places(start), dialect)
    gives = "C'" if cls.out_channels is None else render(cls.out_channels, {})
    places = _places(end)
    if type(start) is type(end) and len(start) == len(end):
        sides = [_side(cls, axis, name) for axis, name in places.items()]
        if any(side.endswith("'") for side in sides):
            sides = [side if side in places.values() else f"{side[0]}'" for side in sides]
        places = dict(zip(places, sides, strict=True))
    if cls.example.taps:
        *most, last = (f"`{name}`" for name in cls.example.results)
        return docstring(f"Map {inputs} to {', '.join(most)} and {last}.", 8)
    into = f" {into}" if inputs in ("x", "x and branch") else ""
    return f'"""Map {inputs}{into} to {_batch(end, gives, places, dialect)}."""'


def _places(shape: Features) -> dict[int, str]:
    """The sizes of a value beside its channels, by their axes: sides of an image or a grid, the length of a row."""
    if isinstance(shape, Image):
        return {1: "H", 2: "W"}
    return dict(enumerate({1: "L", 2: "HW"}.get(len(shape) - 1, "ABCDEFG"[: len(shape) - 1])))


def _batch(shape: Features, channels: str, places: Mapping[int, str], dialect: Dialect) -> str:
    """The shape of a batch of a value."""
    if isinstance(shape, Image):
        return dialect.image(channels, *places.values())
    return f"({', '.join(['N', *places.values(), channels])})"


def _side(cls: BlockClass, side: int, name: str) -> str:
    """The height or width that a class gives, in terms of that of its input."""
    sizes = [(b.inputs[0][1][side], b.shape[side], b.args.get("stride", 1)) for b in cls.instances]
    if all(into == out for into, out, _ in sizes):
        return name
    if "stride" in [p.argument for p in cls.parameters] and all(
        into == out * stride for into, out, stride in sizes
    ):
        return f"{name} / stride"
    into, out, _ = sizes[0]
    if into % out == 0 and all(a == b * (into // out) for a, b, _ in sizes):
        return f"{name} / {into // out}"
    if out % into == 0 and all(b == a * (out // into) for a, b, _ in sizes):
        return f"{out // into} * {name}"
    return f"{name}'"
