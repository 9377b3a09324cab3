"""`model.py`: the classes of a net, standing alone on PyTorch."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import jinja2

from archspec.expressions import render
from archspec.network import Network
from archspec.ops import show
from archspec.outline import BlockClass, outline
from archspec.version import __version__
from archspec_torch.emit.classes import ClassText, Writer, is_inline
from archspec_torch.emit.helpers import HELPERS
from archspec_torch.emit.init import reset_statements
from archspec_torch.emit.source import RENAMED, WIDTH

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # the output is Python; only checked identifiers and literals reach it
)


def model_source(net: Network) -> str:
    """The text of `model.py`."""
    classes = outline(net)
    writer = Writer(classes)
    parts = [_lay_out(writer.write(c, docstring(c.definition.doc or f"The block `{c.definition.name}`.", 4), _forward_doc(c)))
             for c in classes.classes if not is_inline(c)]  # fmt: skip
    assert classes.root is not None
    c, h, w = net.input_shape
    doc = docstring(net.spec.doc or f"{net.name}: {show(net.input_shape)} images to {net.classes:,} classes.", 4)
    forward = f'"""Map images (N, {c}, {h}, {w}) to logits (N, num_classes)."""'
    reset, reset_doc = reset_statements(net, classes)
    root = _lay_out(writer.write(classes.root, doc, forward))
    used = "\n".join(str(p) for p in [*parts, root]) + "".join(HELPERS[h] for h in sorted(writer.helpers))
    cost = net.cost
    title = f"{net.name}: {cost.params:,} parameters, {cost.macs:,} multiply-adds for one image."
    text = TEMPLATES.get_template("model.py.j2").render(
        title=title if len(title) < WIDTH else f"{net.name}.",
        header=f"Written by archspec {__version__}.",
        imports=_imports(used),
        helpers=[HELPERS[name] for name in sorted(writer.helpers)],
        classes=[*parts, {**root, "reset": reset, "reset_doc": reset_doc}],
    )
    return text.rstrip() + "\n"


def docstring(text: str, indent: int) -> str:
    """A docstring; what a spec says is text and stays text."""
    plain = text.replace("\\", "\\\\").replace('"""', "'''")
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


def _lay_out(cls: ClassText) -> dict[str, Any]:
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
        "reset": [],
        "reset_doc": "",
    }


def _imports(used: str) -> list[str]:
    lines = ["import torch"] if "torch." in used else []
    if "F." in used:
        lines.append("import torch.nn.functional as F")
    return [*lines, "from torch import Tensor, nn"]


def _forward_doc(cls: BlockClass) -> str:
    """The shapes that a block maps, in terms of its parameters."""
    channels = render(cls.members[0].in_channels, RENAMED) if cls.members else "C"
    first = cls.example.inputs[0][1]
    if len(first) != 3 or len(cls.example.shape) != 3:
        return '"""Map a batch to its features."""'
    ratios = {(b.inputs[0][1][1] / b.shape[1], b.args.get("stride", 1)) for b in cls.instances}
    sizes = "H, W" if all(r == 1 for r, _ in ratios) else "H / stride, W / stride"
    if not all(r in (1, s) for r, s in ratios) or (
        "stride" in sizes and "stride" not in [p.name for p in cls.parameters]
    ):
        fixed = {r for r, _ in ratios}
        ratio = next(iter(fixed))
        sizes = f"H / {ratio:g}, W / {ratio:g}" if len(fixed) == 1 else "H', W'"
    inputs = "x" if len(cls.example.inputs) == 1 else "x and branch"
    return f'"""Map {inputs} (N, {channels}, H, W) to (N, {render(cls.out_channels, RENAMED)}, {sizes})."""'
